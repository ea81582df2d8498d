//! The newest checkpoint, kept in a file beside the keys: it detects a database that was replaced by an older copy.
//! Every process keeps one, also of checkpoints signed by others.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secret::data_dir::DataDirError;
use tlog::{Checkpoint, NoteVerifier};

use super::{CheckpointError, open};

/// `checkpoint.latest` in the data directory: the newest note that this process has signed or seen.
pub struct Witness(PathBuf);

impl Witness {
    /// The file of a data directory.
    pub fn in_dir(data_dir: &Path) -> Self {
        Self(data_dir.join("checkpoint.latest"))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The signed note; none if this directory has seen none yet.
    ///
    /// # Errors
    /// [`DataDirError`] if the file cannot be read.
    pub fn note(&self) -> Result<Option<String>, DataDirError> {
        match fs::read_to_string(&self.0) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io("read", source)),
        }
    }

    /// The checkpoint in the file.
    pub(super) fn checkpoint(&self, keys: &[NoteVerifier]) -> Result<Option<Checkpoint>, CheckpointError> {
        let Some(note) = self.note()? else { return Ok(None) };
        let unreadable = |error| CheckpointError::Unreadable(self.0.display().to_string(), error);
        open(&note, keys).map(Some).map_err(unreadable)
    }

    /// Replaces the note in the file atomically.
    pub(super) fn keep(&self, note: &str) -> Result<(), DataDirError> {
        // a unique name: several processes may share the directory
        let new = self.0.with_extension(format!("{:016x}.new", rand::random::<u64>()));
        let kept = fs::write(&new, note).and_then(|()| fs::rename(&new, &self.0));
        if kept.is_err() {
            // it may not exist at all
            let _ = fs::remove_file(&new);
        }
        kept.map_err(|source| self.io("write", source))
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> DataDirError {
        DataDirError::Io {
            action,
            path: self.0.clone(),
            source,
        }
    }
}
