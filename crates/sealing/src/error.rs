//! Errors of sealing.

use super::MasterKeyId;

/// The longest plaintext of a section in bytes: the largest webhook, its headers, and the overhead of a section's
/// format.
pub const MAX_PLAIN_BYTES: usize = 1024 * 1024 + 256 * 1024;

/// Why something cannot be sealed, opened, wrapped or read. Never holds a plaintext or a key.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The ledger's current master key is missing in its source.
    #[error("new data keys are wrapped by master key {current}, which is not in {place}; there are {known}")]
    NotCurrent {
        /// The id of the missing key.
        current: MasterKeyId,
        /// The source.
        place: String,
        /// The ids of the keys in the source.
        known: String,
    },
    /// A data key was wrapped by an unknown master key.
    #[error(
        "the data key was wrapped by master key {wrapped_by}; known are {known}: is this the right master key file?"
    )]
    OtherMasterKey {
        /// The id of the key that wrapped it.
        wrapped_by: MasterKeyId,
        /// The ids of the known keys.
        known: String,
    },
    /// The bytes were altered, or belong to another event, section, subject or prefix.
    #[error("sealed bytes were altered, or belong to another event, section or subject")]
    Tampered,
    /// The seal is intact, but the content has an unexpected form.
    #[error("a sealed section does not hold what it should")]
    Corrupt,
    /// The plaintext has so many bytes, more than the limit.
    #[error("a section of {0} bytes is longer than the {MAX_PLAIN_BYTES} that are sealed")]
    TooLong(usize),
    /// Compression failed; with zstd's reason.
    #[error("compression failed: {0}")]
    Compression(&'static str),
}
