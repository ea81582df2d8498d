//! Signed checkpoints: what the log commits itself to, for everybody to keep.
//!
//! Layout
//! - `signer`: signs a checkpoint while there is traffic, one process for all
//! - `signing_keys`: where the keys that sign come from
//! - `key`: the signing key, and how another one takes its place
//! - `history`: whether the log is still the one that was signed
//! - `witness`: the newest checkpoint kept beside the keys, so that a database which was rolled back shows
//!
//! A checkpoint is signed only if the tree extends the one that was signed last, which is proved from the stored tiles each
//! time: the log never signs two histories.

mod history;
mod key;
mod signer;
mod signing_keys;
mod witness;

use std::path::PathBuf;

pub use key::{next_key, rotate, rotation_id, signs};
pub use signer::CheckpointSigner;
pub use signing_keys::{SigningKeys, half};
pub use witness::Witness;

use secret::data_dir::DataDirError;
use store::{CheckpointStore, StoreError};
use tlog::{Checkpoint, Hash, NoteError, NoteSigner, NoteVerifier, SignedNote};

/// Why no checkpoint was signed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key file, or the kept checkpoint, cannot be used.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// The log has another origin.
    #[error("the log's origin is {0:?} since its first start, and a log cannot be renamed; the settings say {1:?}")]
    Renamed(String, String),
    /// The log's origin is gone.
    #[error(
        "the log's name is missing: its row in the table log_origin was removed, and the log has signed as {0:?}; put that name \
             back there, and run `warmledger verify --full`"
    )]
    Nameless(String),
    /// The key of this process is not the one that signs.
    #[error(
        "{place} does not hold the log's signing key, {verifier}: put a copy of that one there, or make this one sign"
    )]
    OtherKey {
        /// Where it was looked for.
        place: String,
        /// The key that signs.
        verifier: String,
    },
    /// There is no new key to sign with.
    #[error(
        "signing keys come from the setting ledger_signing_key, which cannot be changed from here: put the new key before the old \
         one there, separated by a comma, and start every process of the service again"
    )]
    FixedKeys,
    /// What is kept is not a signed checkpoint.
    #[error("{0} is not a checkpoint of this log: {1}")]
    Unreadable(String, NoteError),
    /// The log has become smaller than what was signed.
    #[error("the log was rolled back: it has {now} events, and a checkpoint over {signed} was signed")]
    RolledBack {
        /// What was signed.
        signed: u64,
        /// What is there.
        now: u64,
    },
    /// The log is not what was signed.
    #[error("the log was rewritten: its first {0} events are not those that were signed")]
    Rewritten(u64),
    /// What was signed is signed with a key that the log has forgotten.
    #[error(
        "the log was rolled back to before its present signing key, or it is another log: it does not know the key that \
             signed a checkpoint over {0} events"
    )]
    Forgotten(u64),
    /// What was signed is gone from the database.
    #[error(
        "checkpoints were removed from the database: one over {signed} events was signed, and the newest that is stored covers \
             {stored}"
    )]
    Removed {
        /// What was signed.
        signed: u64,
        /// What the newest stored one covers; 0 if there is none.
        stored: u64,
    },
    /// The keys that the log has signed with are gone from the database.
    #[error(
        "the log's signing keys are missing: the rows of the table signing_keys were removed, and checkpoints were signed; put \
             them back there, and run `warmledger verify --full`"
    )]
    Keyless,
    /// The log does not extend the checkpoint that is kept beside the keys.
    #[error("{0}; {path} says so. If the database was replaced on purpose, remove that file, and tell those who keep \
             checkpoints", path = .1.display())]
    Witnessed(Box<CheckpointError>, PathBuf),
    /// The tree lags behind the log.
    #[error("the tree does not cover the whole log")]
    Behind,
}

impl CheckpointError {
    /// Whether the log is not the one that was signed: then nothing can be signed until somebody decides what is to hold.
    pub fn is_of_history(&self) -> bool {
        match self {
            Self::Unreadable(..)
            | Self::RolledBack { .. }
            | Self::Rewritten(_)
            | Self::Forgotten(_)
            | Self::Removed { .. }
            | Self::Keyless => true,
            Self::Witnessed(cause, _) => cause.is_of_history(),
            _ => false,
        }
    }
}

/// A new log's name, as nobody else's is.
fn new_origin() -> String {
    format!("warmledger/{}", hex::encode(rand::random::<[u8; 8]>()))
}

/// The log's name; one that has none, and has signed nothing, gets the one that is offered.
async fn origin(store: &(impl CheckpointStore + ?Sized), offer: &str) -> Result<String, CheckpointError> {
    if store.known_origin().await?.is_none() {
        // a key begins with the name, and so does what it has signed
        let key = store.signing_keys().await?.pop();
        let name = key.and_then(|key| Some(key.verifier.split('+').next()?.to_owned()));
        let signed = store.latest_checkpoint().await?;
        let signed = signed.and_then(|signed| Some(signed.note.lines().next()?.to_owned()));
        if let Some(name) = name.or(signed) {
            return Err(CheckpointError::Nameless(name));
        }
    }
    Ok(store.origin(offer).await?)
}

/// The signed note of a tree's head.
fn sign(origin: &str, size: u64, root: Hash, signers: &[&NoteSigner]) -> String {
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size,
        root,
    };
    SignedNote::sign(&checkpoint.to_string(), signers)
}

/// Reads a signed checkpoint, if one of the keys has signed it.
///
/// # Errors
/// [`NoteError`]; [`NoteError::NotANote`] also for a note that is no checkpoint.
pub fn open(note: &str, keys: &[NoteVerifier]) -> Result<Checkpoint, NoteError> {
    let note = SignedNote::parse(note)?;
    let text = note.verified(keys)?;
    Checkpoint::parse(text).map_err(|_| NoteError::NotANote)
}
