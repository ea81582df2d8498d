//! Signed checkpoints: the log's commitments, for anyone to keep.
//!
//! Layout
//! - `signer`: signs checkpoints while there is traffic, one process for all
//! - `signing_keys`: the sources of signing keys
//! - `key`: the signing key, and its rotation
//! - `history`: whether the log still is the signed one
//! - `witness`: the newest checkpoint kept beside the keys, so that a rollback of the database is detected
//!
//! A checkpoint is signed only if the tree extends the last signed one, which is proved from the stored tiles each
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
    /// The log's origin is missing.
    #[error(
        "the log's name is missing: its row in the table log_origin was removed, and the log has signed as {0:?}; put that name \
             back there, and run `warmledger verify --full`"
    )]
    Nameless(String),
    /// This process's key is not the signing one.
    #[error(
        "{place} does not hold the log's signing key, {verifier}: put a copy of that one there, or make this one sign"
    )]
    OtherKey {
        /// The source of this process's key.
        place: String,
        /// The signing key.
        verifier: String,
    },
    /// There is no next key to rotate to.
    #[error(
        "signing keys come from the setting ledger_signing_key, which cannot be changed from here: put the new key before the old \
         one there, separated by a comma, and start every process of the service again"
    )]
    FixedKeys,
    /// The stored text is not a signed checkpoint.
    #[error("{0} is not a checkpoint of this log: {1}")]
    Unreadable(String, NoteError),
    /// The log is smaller than a signed checkpoint.
    #[error("the log was rolled back: it has {now} events, and a checkpoint over {signed} was signed")]
    RolledBack {
        /// The size of the signed checkpoint.
        signed: u64,
        /// The size of the log.
        now: u64,
    },
    /// The log differs from a signed checkpoint.
    #[error("the log was rewritten: its first {0} events are not those that were signed")]
    Rewritten(u64),
    /// A checkpoint is signed with a key that the log does not list.
    #[error(
        "the log was rolled back to before its present signing key, or it is another log: it does not know the key that \
             signed a checkpoint over {0} events"
    )]
    Forgotten(u64),
    /// A signed checkpoint is missing in the database.
    #[error(
        "checkpoints were removed from the database: one over {signed} events was signed, and the newest that is stored covers \
             {stored}"
    )]
    Removed {
        /// The size of the signed checkpoint.
        signed: u64,
        /// The size of the newest stored one; 0 if there is none.
        stored: u64,
    },
    /// The log's public signing keys are missing in the database.
    #[error(
        "the log's signing keys are missing: the rows of the table signing_keys were removed, and checkpoints were signed; put \
             them back there, and run `warmledger verify --full`"
    )]
    Keyless,
    /// The log does not extend the checkpoint kept beside the keys.
    #[error("{0}; {path} says so. If the database was replaced on purpose, remove that file, and tell those who keep \
             checkpoints", path = .1.display())]
    Witnessed(Box<CheckpointError>, PathBuf),
    /// The tree lags behind the log.
    #[error("the tree does not cover the whole log")]
    Behind,
}

impl CheckpointError {
    /// Whether the log is not the signed one: then nothing can be signed until an operator decides.
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

/// A unique name for a new log.
fn new_origin() -> String {
    format!("warmledger/{}", hex::encode(rand::random::<[u8; 8]>()))
}

/// The log's name; a log without a name that has signed nothing gets `offer`.
async fn origin(store: &(impl CheckpointStore + ?Sized), offer: &str) -> Result<String, CheckpointError> {
    if store.known_origin().await?.is_none() {
        // keys and signed notes begin with the log's name
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

/// The signed note of a tree head.
fn sign(origin: &str, size: u64, root: Hash, signers: &[&NoteSigner]) -> String {
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size,
        root,
    };
    SignedNote::sign(&checkpoint.to_string(), signers)
}

/// Reads a checkpoint that one of the keys has signed.
///
/// # Errors
/// [`NoteError`]; [`NoteError::NotANote`] also for a note that is not a checkpoint.
pub fn open(note: &str, keys: &[NoteVerifier]) -> Result<Checkpoint, NoteError> {
    let note = SignedNote::parse(note)?;
    let text = note.verified(keys)?;
    Checkpoint::parse(text).map_err(|_| NoteError::NotANote)
}
