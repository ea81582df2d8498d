//! The trait that wraps data keys.

use aggregates::{Position, SubjectId};

use super::{DataKey, MasterKeyId, SealError};

/// Wraps data keys, so that they can be stored.
///
/// Not async: wrapping and unwrapping use a master key in memory and take microseconds. Only the master key itself may
/// come from a remote service, once, through its source.
pub trait KeyWrapper: Send + Sync {
    /// The public name of the wrapping master key.
    fn id(&self) -> MasterKeyId;

    /// Wraps a subject's data key: bytes to be stored.
    ///
    /// # Errors
    /// [`SealError`] if the wrapping key cannot be used.
    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, SealError>;

    /// Unwraps a subject's data key from the output of [`wrap`](Self::wrap).
    ///
    /// # Errors
    /// [`SealError::OtherMasterKey`] if an unknown key wrapped it; [`SealError::Tampered`] if it was altered or is
    /// another subject's.
    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, SealError>;
}

/// A subject's stored data key.
#[derive(Clone)]
pub struct WrappedKey {
    /// The subject.
    pub subject: SubjectId,
    /// The wrapped bytes.
    pub wrapped: Vec<u8>,
    /// The position of the subject's last erasure, 0 without one: the key seals only later events.
    pub since: Position,
}
