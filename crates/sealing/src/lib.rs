//! Sealing: sections are packed, and sealed under a data key of their subject; data keys are wrapped by a master key.
//! Destroying a subject's data key erases everything sealed under it. No I/O, and no state.
//!
//! Layout, from the outside in
//! - `data_key`: sealing and opening sections
//! - `context`: the place that a section's seal is bound to
//! - `pack`: compression before sealing
//! - `key_wrapper`: the trait that wraps data keys
//! - `master_key`, `master_key_id`: a master key, and its public name
//! - `fingerprint`: names for quarantined bodies, and hashes of e-mail addresses, that cannot be brute-forced
//! - `aead`: the cipher, which is called only there; `error`: what can go wrong
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
pub mod reserved;

pub use context::{Context, Section};
pub use data_key::{DataKey, Sealed};
pub use error::{MAX_PLAIN_BYTES, SealError};
pub use fingerprint::{EmailHash, Fingerprint, FingerprintKey, Whose};
pub use key_wrapper::{KeyWrapper, WrappedKey};
pub use master_key::{KeyMaterial, MasterKey, WRAPPED_KEY};
pub use master_key_id::{MasterKeyId, NotAnId};
pub use pack::Packed;

secret::never_shown!(DataKey, FingerprintKey, KeyMaterial, MasterKey, Packed);
