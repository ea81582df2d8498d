//! What wraps data keys.

use aggregates::SubjectId;

use super::{DataKey, VaultError};

/// Wraps data keys, so that they can be stored. [`MasterKey`](super::MasterKey) does so with a key from a file.
///
/// Not async: with a key in memory it takes microseconds, and every caller that holds a lock or folds events would have
/// to be async as well. One that asks a remote service blocks, and is called where blocking is allowed; a method for
/// many keys at once, with a loop as its default, can be added without touching the implementations.
pub trait KeyWrapper: Send + Sync {
    /// A public name of the key that wraps, for messages and for finding out what it wrapped.
    fn id(&self) -> String;

    /// Wraps a subject's data key: bytes to be stored.
    ///
    /// # Errors
    /// [`VaultError`] if the key that wraps cannot be used.
    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, VaultError>;

    /// Unwraps a subject's data key from the bytes that [`wrap`](Self::wrap) made.
    ///
    /// # Errors
    /// [`VaultError::OtherMasterKey`] if another key wrapped it; [`VaultError::Tampered`] if it was altered or is another
    /// subject's.
    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, VaultError>;
}
