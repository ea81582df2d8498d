//! What can go wrong in the vault.

use std::path::PathBuf;

use super::{MasterKeyId, TransitError};
use crate::data_dir::DataDirError;

/// Why something cannot be sealed, opened, wrapped or read. Never holds a plaintext or a key.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The master key's file cannot be read or made, or others can read it.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// The master key's file holds something else.
    #[error("{} does not hold a master key: 64 hexadecimal digits are expected on each line", .0.display())]
    NotAKey(PathBuf),
    /// The master key's file holds keys in another form than the settings say.
    #[error("{} {problem}", path.display())]
    KeyFileForm {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The transit engine did not do what it was asked.
    #[error(transparent)]
    Transit(#[from] TransitError),
    /// There is no master key where one should be.
    #[error("there is no master key in {0}")]
    NoMasterKey(String),
    /// The ledger's current master key is not where it should be.
    #[error("new data keys are wrapped by master key {current}, which is not in {place}; there are {known}")]
    NotCurrent {
        /// The id of the key that is needed.
        current: MasterKeyId,
        /// Where it was looked for.
        place: String,
        /// The ids of those that are known.
        known: String,
    },
    /// Master keys are only read from where they are; with what to do instead.
    #[error("master keys come from the setting master_key, which cannot be changed from here: {0}")]
    FixedSource(&'static str),
    /// A data key was wrapped by a master key that is not known here.
    #[error(
        "the data key was wrapped by master key {wrapped_by}; known are {known}: is this the right master key file?"
    )]
    OtherMasterKey {
        /// The id of the key that wrapped it.
        wrapped_by: MasterKeyId,
        /// The ids of the keys at hand.
        known: String,
    },
    /// The bytes were altered, or belong to another event, section, subject or prefix.
    #[error("sealed bytes were altered, or belong to another event, section or subject")]
    Tampered,
    /// The seal is whole, but what it holds is not what this version seals.
    #[error("a sealed section does not hold what it should")]
    Corrupt,
    /// A plaintext of so many bytes is more than the vault takes.
    #[error("a section of {0} bytes is longer than the {max} that the vault takes", max = super::MAX_PLAIN_BYTES)]
    TooLong(usize),
    /// Compression failed; with zstd's reason.
    #[error("compression failed: {0}")]
    Compression(&'static str),
}

impl VaultError {
    /// Whether a master key is not at hand: that passes once somebody puts it where it should be.
    pub fn lacks_key(&self) -> bool {
        match self {
            Self::File(_)
            | Self::NotAKey(_)
            | Self::KeyFileForm { .. }
            | Self::Transit(_)
            | Self::NoMasterKey(_)
            | Self::NotCurrent { .. }
            | Self::OtherMasterKey { .. } => true,
            Self::FixedSource(_) | Self::Tampered | Self::Corrupt | Self::TooLong(_) | Self::Compression(_) => false,
        }
    }
}
