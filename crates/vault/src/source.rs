//! Where master keys come from.

use std::path::Path;

use async_trait::async_trait;

use super::VaultError;
use sealing::{KeyMaterial, MasterKey, MasterKeyId};

/// A place that keeps master keys: several while a rotation is under way, or while backups from before one are kept.
#[async_trait]
pub trait MasterKeySource: Send + Sync {
    /// The place, for messages, e.g. `the file /etc/warmledger/master.key`.
    fn describe(&self) -> String;

    /// The file that the keys stand in, if they stand in one.
    fn file(&self) -> Option<&Path>;

    /// Its keys, the newest first; none if there are none yet.
    ///
    /// # Errors
    /// [`VaultError`] if the place cannot be read, or holds something else.
    async fn load(&self) -> Result<Vec<MasterKey>, VaultError>;

    /// What changes whenever the keys may have, so that they need not be loaded to find that out; none where they never do.
    ///
    /// # Errors
    /// [`VaultError`] if the place cannot be read.
    async fn stamp(&self) -> Result<Option<[u8; 32]>, VaultError>;

    /// Makes the first key. `false`, and nothing changed, if there is one: of two processes that start at once, both use
    /// the one that came first.
    ///
    /// # Errors
    /// [`VaultError`] if the place cannot be written; [`VaultError::FixedSource`] if keys are only read from there.
    async fn create(&self) -> Result<bool, VaultError>;

    /// Makes a new key and puts it before the others.
    ///
    /// # Errors
    /// As [`Self::create`].
    async fn add(&self) -> Result<(), VaultError>;

    /// Forgets a key for good. Tells whether it was there.
    ///
    /// # Errors
    /// As [`Self::create`].
    async fn remove(&self, id: MasterKeyId) -> Result<bool, VaultError>;
}

/// Master keys that the settings name, as those of `WARMLEDGER_MASTER_KEY`: read-only, the newest first.
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
