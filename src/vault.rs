//! The vault: sections are packed, sealed under a data key of their subject, and the data keys are wrapped by the
//! master key. Destroying a subject's data key erases everything that is sealed under it.
//!
//! Layout
//! - `pack`: compression before sealing
//! - `data_key`: sealing and opening sections
//! - `context`: where a section belongs, which its seal is bound to
//! - `key_wrapper`: what wraps data keys
//! - `master_key`: the one that does so with a key from a file
//! - `keyring`: data keys in memory
//! - `fingerprint`: whether two bodies are the same, without a hash that anyone could try guesses on
//! - `aead`: the cipher, the one place that calls it
//!
//! Encryption is XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 over RFC 8439). Its nonces of 24 bytes are random: long
//! enough that no counter has to be kept across processes and restored backups.

mod aead;
mod context;
mod data_key;
mod error;
mod fingerprint;
mod key_wrapper;
mod keyring;
mod master_key;
mod never_shown;
mod pack;

use std::num::NonZeroUsize;
use std::sync::Arc;

pub use context::{Context, Section};
pub use data_key::{DataKey, Sealed};
pub use error::VaultError;
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use key_wrapper::KeyWrapper;
pub use keyring::Keyring;
pub use master_key::MasterKey;
pub use pack::{MAX_PLAIN_BYTES, Packed};

use crate::store::{Store, StoreError};

/// How many subjects' data keys are kept in memory.
const KEPT_KEYS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap(); // checked by the compiler: a constant

/// The data keys in memory and the fingerprint key.
pub struct Vault {
    keyring: Keyring,
    fingerprints: Arc<FingerprintKey>,
}

/// Why a vault cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenVaultError {
    /// The key file or a wrapped key is not usable.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Vault {
    /// Opens the vault of a store. Its fingerprint key comes from the store and is made on first use; so a wrong master
    /// key is found out here.
    ///
    /// # Errors
    /// [`OpenVaultError`] if the store cannot be read, or its keys were wrapped by another master key.
    pub async fn open(wrapper: Arc<dyn KeyWrapper>, store: &dyn Store) -> Result<Self, OpenVaultError> {
        let (_, offer) = FingerprintKey::create(&*wrapper)?;
        let wrapped = store.reserved_key(&FingerprintKey::subject(), &offer).await?;
        let fingerprints = Arc::new(FingerprintKey::unwrap(&*wrapper, &wrapped)?);
        Ok(Self {
            keyring: Keyring::new(wrapper, KEPT_KEYS),
            fingerprints,
        })
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
