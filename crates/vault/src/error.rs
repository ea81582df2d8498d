//! Errors of the vault.

use std::path::PathBuf;

use super::TransitError;
use sealing::SealError;
use secret::data_dir::DataDirError;

/// Why something cannot be sealed, opened, wrapped or read. Never holds a plaintext or a key.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The master key's file cannot be read or created, or others can read it.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// The master key's file is malformed.
    #[error("{} does not hold a master key: 64 hexadecimal digits are expected on each line", .0.display())]
    NotAKey(PathBuf),
    /// The form of the keys in the file differs from the settings.
    #[error("{} {problem}", path.display())]
    KeyFileForm {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: &'static str,
    },
    /// The transit engine did not do the requested operation.
    #[error(transparent)]
    Transit(#[from] TransitError),
    /// The source holds no master key.
    #[error("there is no master key in {0}")]
    NoMasterKey(String),
    /// The source of master keys is read-only; with the operator's alternative.
    #[error("master keys come from the setting master_key, which cannot be changed from here: {0}")]
    FixedSource(&'static str),
    /// A section or a wrapped data key cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl VaultError {
    /// Whether a master key is missing: a retry succeeds once an operator has supplied it.
    pub fn lacks_key(&self) -> bool {
        match self {
            Self::File(_)
            | Self::NotAKey(_)
            | Self::KeyFileForm { .. }
            | Self::Transit(_)
            | Self::NoMasterKey(_)
            | Self::Seal(SealError::NotCurrent { .. } | SealError::OtherMasterKey { .. }) => true,
            Self::FixedSource(_) | Self::Seal(_) => false,
        }
    }
}
