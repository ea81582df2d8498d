//! What wraps data keys.

use aggregates::{Position, SubjectId};

use super::{DataKey, MasterKeyId, SealError};

/// Wraps data keys, so that they can be stored.
///
/// Not async: wrapping and unwrapping are done with a master key in memory and take microseconds. What has to be asked of
/// a remote service is the master key itself, once, by its source.
pub trait KeyWrapper: Send + Sync {
    /// The public name of the master key that wraps.
    fn id(&self) -> MasterKeyId;

    /// Wraps a subject's data key: bytes to be stored.
    ///
    /// # Errors
    /// [`SealError`] if the key that wraps cannot be used.
    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, SealError>;

    /// Unwraps a subject's data key from the bytes that [`wrap`](Self::wrap) made.
    ///
    /// # Errors
    /// [`SealError::OtherMasterKey`] if a key that is not known here wrapped it; [`SealError::Tampered`] if it was
    /// altered or is another subject's.
    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, SealError>;
}

/// A subject's data key as it is stored.
#[derive(Clone)]
pub struct WrappedKey {
    /// Whose it is.
    pub subject: SubjectId,
    /// The wrapped bytes.
    pub wrapped: Vec<u8>,
    /// The position of the subject's last erasure, 0 without one: the key seals nothing up to there.
    pub since: Position,
}
