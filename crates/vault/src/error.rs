//! What can go wrong in the vault.

use std::path::PathBuf;

use super::TransitError;
use sealing::SealError;
use secret::data_dir::DataDirError;

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
    /// Master keys are only read from where they are; with what to do instead.
    #[error("master keys come from the setting master_key, which cannot be changed from here: {0}")]
    FixedSource(&'static str),
    /// A section or a wrapped data key cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
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
            | Self::Seal(SealError::NotCurrent { .. } | SealError::OtherMasterKey { .. }) => true,
            Self::FixedSource(_) | Self::Seal(_) => false,
        }
    }
}
