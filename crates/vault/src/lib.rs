//! The keys of a ledger: data keys in memory, the master keys that wrap them, and the sources of master keys.
//!
//! Layout
//! - `keyring`: data keys in memory
//! - `master_keys`: the known master keys, and which of them wraps
//! - `source`: the sources of master keys: the settings, or
//! - `key_file`: a file, whose keys
//! - `transit`: a transit engine may have sealed
//! - `rotation`: rewrapping all data keys; `error`: what can go wrong

mod error;
mod key_file;
mod keyring;
mod master_keys;
mod rotation;
mod source;
mod transit;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use aggregates::{Position, SubjectId};

use sealing::{DataKey, FingerprintKey, KeyWrapper, MasterKey, MasterKeyId, SealError};
use store::{Lookup, Store, StoreError};

pub use error::VaultError;
pub use key_file::KeyFile;
pub use keyring::{Keyring, SubjectKey};
pub use master_keys::MasterKeys;
pub use rotation::{Lacking, OnMissingKey, Rotated, Rotation, RotationError};
pub use source::{GivenKeys, MasterKeySource};
pub use transit::{Transit, TransitError, TransitSettings, TransitToken};

secret::never_shown!(
    GivenKeys,
    KeyFile,
    Keyring,
    MasterKeys,
    SubjectKey,
    Transit,
    TransitSettings,
    TransitToken,
    Vault
);

/// How many subjects' data keys are kept in memory.
const KEPT_KEYS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap(); // checked by the compiler: a constant

/// The keys in memory: the master keys, the data keys and the fingerprint key.
pub struct Vault {
    masters: Arc<MasterKeys>,
    keyring: Keyring,
    fingerprints: Arc<FingerprintKey>,
    created: Option<PathBuf>,
}

/// Why a vault cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenVaultError {
    /// The key file or a wrapped key cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store has keys already, and their master key is missing in its source.
    #[error(
        "there is a ledger already, and its sealed sections open only with its own master key, which should be in {0}"
    )]
    KeyIsMissing(String),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Vault {
    /// Opens the vault of a store with the master keys of a source. Creates a new ledger's first master key if there is
    /// none; a ledger with keys never gets another one, which could open nothing. The fingerprint key comes from the
    /// store and is created on first use; so a wrong master key is detected here.
    ///
    /// # Errors
    /// [`OpenVaultError`] if store or source cannot be read, or the ledger's master key is missing.
    pub async fn open(source: Arc<dyn MasterKeySource>, store: &dyn Store) -> Result<Self, OpenVaultError> {
        let stored = fingerprint_key(store).await?;
        let made = stored.is_none() && source.create().await?;
        let created = source.file().filter(|_| made).map(Into::into);
        let stamp = source.stamp().await?;
        let keys = source.load().await?;
        let Some(newest) = keys.first().map(MasterKey::id) else {
            return Err(OpenVaultError::KeyIsMissing(source.describe()));
        };
        let wrapped_by = stored.as_deref().and_then(MasterKeyId::of_wrapped);
        let current = match store.master_key().await? {
            Some(current) => current,
            // if two processes start at once, one of them decides
            None => store.first_master_key(wrapped_by.unwrap_or(newest)).await?,
        };
        let masters = Arc::new(MasterKeys::new(source, keys, Some(current))?.loaded_at(stamp));
        let wrapped = match stored {
            Some(wrapped) => wrapped,
            None => {
                let (_, offer) = FingerprintKey::create(&*masters).map_err(VaultError::from)?;
                store.reserved_key(&FingerprintKey::subject(), &offer).await?
            }
        };
        Ok(Self::with(masters, &wrapped, created)?)
    }

    /// Opens the vault of a store, and changes neither the store nor the source. None if the store has no keys.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_to_read(
        source: Arc<dyn MasterKeySource>,
        store: &dyn Store,
    ) -> Result<Option<Self>, OpenVaultError> {
        // in this order: a new key is put in its source before the ledger names it
        let Some(current) = store.master_key().await? else {
            return Ok(None);
        };
        let Some(wrapped) = fingerprint_key(store).await? else {
            return Ok(None);
        };
        let keys = source.load().await?;
        let masters = Arc::new(MasterKeys::new(source, keys, Some(current))?);
        Ok(Some(Self::with(masters, &wrapped, None)?))
    }

    fn with(masters: Arc<MasterKeys>, fingerprint_key: &[u8], created: Option<PathBuf>) -> Result<Self, VaultError> {
        let key = masters.unwrap(&FingerprintKey::subject(), fingerprint_key)?;
        let wrapper: Arc<dyn KeyWrapper> = masters.clone();
        Ok(Self {
            masters,
            keyring: Keyring::new(wrapper, KEPT_KEYS),
            fingerprints: Arc::new(FingerprintKey::new(&key)),
            created,
        })
    }

    /// A permanent name of the ledger, the same in every backup: derived from the fingerprint key.
    pub fn ledger_name(&self) -> String {
        self.fingerprints.of(b"warmledger ledger name v1").to_string()
    }

    /// The file of the master key, if opening created it.
    pub fn created(&self) -> Option<&PathBuf> {
        self.created.as_ref()
    }

    /// The master keys.
    pub fn masters(&self) -> &Arc<MasterKeys> {
        &self.masters
    }

    /// A subject's data key, if it is in memory. If an unknown master key wrapped it, there was a rotation, and the
    /// source is read again.
    ///
    /// # Errors
    /// As [`KeyWrapper::unwrap`].
    pub async fn key(&self, subject: &SubjectId) -> Result<Option<SubjectKey>, VaultError> {
        match self.keyring.get(subject) {
            Err(SealError::OtherMasterKey { .. }) => {
                self.masters.look_again().await?;
                let found = self.keyring.get(subject);
                if found.is_err() {
                    // the stored key may have been rewrapped since it was read
                    self.keyring.forget(subject);
                }
                Ok(found?)
            }
            found => Ok(found?),
        }
    }

    /// Reads the data keys of subjects into memory, if the store has them.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn fetch(&self, store: &dyn Store, subjects: Vec<SubjectId>) -> Result<(), StoreError> {
        if subjects.is_empty() {
            return Ok(());
        }
        let lookup = Lookup {
            subjects,
            ..Lookup::default()
        };
        for key in store.lookup(&lookup).await?.keys {
            self.keyring.insert_wrapped(key);
        }
        Ok(())
    }

    /// The data key of a reserved subject; makes and stores one if there is none.
    ///
    /// # Errors
    /// [`OpenVaultError`] if the store cannot be read or written, or the key cannot be opened.
    pub async fn reserved_key(&self, store: &dyn Store, subject: &SubjectId) -> Result<Arc<DataKey>, OpenVaultError> {
        for fetched in [false, true] {
            if fetched {
                self.fetch(store, vec![subject.clone()]).await?;
            }
            if let Some(found) = self.key(subject).await? {
                return Ok(found.key);
            }
        }
        self.follow(store).await?;
        let (_, offer) = self.keyring.create(subject).map_err(VaultError::from)?;
        store.reserved_key(subject, &offer).await?;
        self.fetch(store, vec![subject.clone()]).await?;
        let made = self.key(subject).await?;
        Ok(made.ok_or_else(|| VaultError::from(SealError::Corrupt))?.key)
    }

    /// Wraps new data keys under the store's current master key: another process may have rotated it.
    ///
    /// # Errors
    /// [`OpenVaultError`] if the store cannot be read, or the source lacks that key.
    pub async fn follow(&self, store: &dyn Store) -> Result<(), OpenVaultError> {
        match store.master_key().await? {
            Some(current) if current != self.masters.id() || self.masters.missing().is_some() => {
                Ok(self.masters.wrap_under(current).await?)
            }
            _ => Ok(()),
        }
    }

    /// Removes the key of a subject that was erased at this position.
    pub fn erase(&self, subject: &SubjectId, position: Position) {
        self.keyring.erase(subject, position);
    }

    /// The data keys in memory.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The key that makes fingerprints.
    pub fn fingerprints(&self) -> &Arc<FingerprintKey> {
        &self.fingerprints
    }
}

/// The stored fingerprint key.
async fn fingerprint_key(store: &dyn Store) -> Result<Option<Vec<u8>>, StoreError> {
    let lookup = Lookup {
        subjects: vec![FingerprintKey::subject()],
        ..Lookup::default()
    };
    Ok(store
        .lookup(&lookup)
        .await?
        .keys
        .into_iter()
        .next()
        .map(|key| key.wrapped))
}
