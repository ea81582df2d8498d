//! Checkpoints (<https://c2sp.org/tlog-checkpoint>): a log's commitments. And the proof of one entry as a file
//! (<https://c2sp.org/tlog-proof>).

use std::fmt::{self, Write};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::Hash;
use super::note::is_name;

/// The head of a log's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// The number of its leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A text that is not a checkpoint, or has extension lines, which this log never writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a checkpoint: origin, size and root hash, each on a line of its own")]
pub struct NotACheckpoint;

/// Whether a log can have this name: it also names its key, so white space and plus signs are not allowed.
pub fn is_origin(name: &str) -> bool {
    is_name(name)
}

impl Checkpoint {
    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// [`NotACheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NotACheckpoint> {
        let parse = || {
            let [origin, size, root] = text
                .strip_suffix('\n')?
                .split('\n')
                .collect::<Vec<_>>()
                .try_into()
                .ok()?;
            let root = BASE64_STANDARD.decode(root).ok()?.try_into().ok()?;
            let size = size.parse().ok()?;
            is_origin(origin).then(|| Self {
                origin: origin.to_owned(),
                size,
                root,
            })
        };
        parse()
            .filter(|checkpoint: &Self| checkpoint.to_string() == text)
            .ok_or(NotACheckpoint)
    }
}

/// The text to be signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n{}\n{}",
            self.origin,
            self.size,
            BASE64_STANDARD.encode(self.root)
        )
    }
}

/// The proof that entry `index` is in the tree of a checkpoint, which is given as its signed note; in the `tlog-proof`
/// format.
pub fn tlog_proof(index: u64, proof: &[Hash], checkpoint: &str) -> String {
    let mut text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n");
    for hash in proof {
        // writing to a string can't fail
        let _ = writeln!(text, "{}", BASE64_STANDARD.encode(hash));
    }
    text + "\n" + checkpoint
}
