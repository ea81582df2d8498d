//! What is sealed: sections are packed, and sealed under a data key of their subject; data keys are wrapped by a master key.
//! Destroying a subject's data key erases everything that is sealed under it. No I/O, and no state.
//!
//! Layout, from the outside in
//! - `data_key`: sealing and opening sections
//! - `context`: where a section belongs, which its seal is bound to
//! - `pack`: compression before sealing
//! - `key_wrapper`: what wraps data keys
//! - `master_key`, `master_key_id`: a key that does so, and its public name
//! - `fingerprint`: what a quarantined body is called by, without a hash that anyone could try guesses on
//! - `snapshot_key`: whether what was kept of a stream is as it was left
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
mod master_key;
mod master_key_id;
mod pack;
mod snapshot_key;

pub use context::{Context, Section};
pub use data_key::{DataKey, Sealed};
pub use error::{MAX_PLAIN_BYTES, SealError};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use key_wrapper::{KeyWrapper, WrappedKey};
pub use master_key::{KeyMaterial, MasterKey, WRAPPED_KEY};
pub use master_key_id::{MasterKeyId, NotAnId};
pub use pack::Packed;
pub use snapshot_key::{SNAPSHOT_TAG, SnapshotKey};

secret::never_shown!(DataKey, FingerprintKey, KeyMaterial, MasterKey, Packed, SnapshotKey);
