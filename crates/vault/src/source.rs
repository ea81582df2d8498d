//! The sources of master keys.

use std::path::Path;

use async_trait::async_trait;

use super::VaultError;
use sealing::{KeyMaterial, MasterKey, MasterKeyId};

/// A source of master keys: several during a rotation, or while backups from before one are kept.
#[async_trait]
pub trait MasterKeySource: Send + Sync {
    /// The place, for messages, e.g. `the file /etc/warmledger/master.key`.
    fn describe(&self) -> String;

    /// The file of the keys, if they are in a file.
    fn file(&self) -> Option<&Path>;

    /// Its keys, newest first; none if there are none yet.
    ///
    /// # Errors
    /// [`VaultError`] if the source cannot be read, or is malformed.
    async fn load(&self) -> Result<Vec<MasterKey>, VaultError>;

    /// A value that changes whenever the keys may have changed, so that they need not be loaded to detect that; none if
    /// they never change.
    ///
    /// # Errors
    /// [`VaultError`] if the source cannot be read.
    async fn stamp(&self) -> Result<Option<[u8; 32]>, VaultError>;

    /// Creates the first key. Returns `false` and changes nothing if there is one: two processes that start at once
    /// both use the first one.
    ///
    /// # Errors
    /// [`VaultError`] if the source cannot be written; [`VaultError::FixedSource`] if it is read-only.
    async fn create(&self) -> Result<bool, VaultError>;

    /// Creates a new key and puts it first.
    ///
    /// # Errors
    /// As [`Self::create`].
    async fn add(&self) -> Result<(), VaultError>;

    /// Removes a key for good. Returns whether it was there.
    ///
    /// # Errors
    /// As [`Self::create`].
    async fn remove(&self, id: MasterKeyId) -> Result<bool, VaultError>;
}

/// Master keys from the settings, such as `WARMLEDGER_MASTER_KEY`: read-only, newest first.
pub struct GivenKeys(Vec<KeyMaterial>);

impl GivenKeys {
    /// These keys.
    pub fn new(keys: Vec<KeyMaterial>) -> Self {
        Self(keys)
    }
}

#[async_trait]
impl MasterKeySource for GivenKeys {
    fn describe(&self) -> String {
        "the setting master_key".to_owned()
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    async fn load(&self) -> Result<Vec<MasterKey>, VaultError> {
        Ok(self.0.iter().map(MasterKey::new).collect())
    }

    async fn stamp(&self) -> Result<Option<[u8; 32]>, VaultError> {
        Ok(None)
    }

    async fn create(&self) -> Result<bool, VaultError> {
        Ok(false)
    }

    async fn add(&self) -> Result<(), VaultError> {
        Err(VaultError::FixedSource(
            "put the new key before the old one, separated by a comma, and start every process of the service again",
        ))
    }

    async fn remove(&self, _: MasterKeyId) -> Result<bool, VaultError> {
        Err(VaultError::FixedSource("take the key out of it"))
    }
}
