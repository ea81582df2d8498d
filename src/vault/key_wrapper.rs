//! What wraps data keys.

use aggregates::SubjectId;

use super::{DataKey, MasterKeyId, VaultError};

/// Wraps data keys, so that they can be stored.
///
/// Not async: wrapping and unwrapping are done with a master key in memory and take microseconds. What has to be asked of
/// a remote service is the master key itself, once, by its [`MasterKeySource`](super::MasterKeySource).
pub trait KeyWrapper: Send + Sync {
    /// The public name of the master key that wraps.
    fn id(&self) -> MasterKeyId;

    /// Wraps a subject's data key: bytes to be stored.
    ///
    /// # Errors
    /// [`VaultError`] if the key that wraps cannot be used.
    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, VaultError>;

    /// Unwraps a subject's data key from the bytes that [`wrap`](Self::wrap) made.
    ///
    /// # Errors
    /// [`VaultError::OtherMasterKey`] if a key that is not known here wrapped it; [`VaultError::Tampered`] if it was
    /// altered or is another subject's.
    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, VaultError>;
}
