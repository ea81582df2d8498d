//! What can go wrong in the vault.

use std::path::PathBuf;

use crate::data_dir::DataDirError;

/// Why something cannot be sealed, opened, wrapped or read. Never holds a plaintext or a key.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The master key's file cannot be read or made, or others can read it.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// The master key's file holds something else.
    #[error("{} does not hold a master key: 64 hexadecimal digits are expected", .0.display())]
    NotAKey(PathBuf),
    /// A data key was wrapped by another master key.
    #[error("the data key was wrapped by master key {wrapped_by}, not by {own}: is this the right master key file?")]
    OtherMasterKey {
        /// The id of the key that wrapped it.
        wrapped_by: String,
        /// The id of the key at hand.
        own: String,
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
