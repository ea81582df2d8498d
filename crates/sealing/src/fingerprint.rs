//! Fingerprints: they name a quarantined webhook, so that a repeat gets the same name, without storing a hash of its
//! body that readers of the database could brute-force.

use std::fmt;

use aggregates::SubjectId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{DataKey, KeyWrapper, SealError, reserved};

/// Bytes of a fingerprint: two of four thousand million different bodies collide with odds of 1 in 2^65.
const BYTES: usize = 16;

/// A keyed hash of a body. Reveals nothing about the body without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; BYTES]);

impl fmt::Display for Fingerprint {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The customer's own.
    Customer,
    /// That of a mailbox.
    Mailbox,
}

impl Whose {
    /// The first bytes of what is hashed: no body begins with them, and no address has one hash for both.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Customer => b"\0address of a customer:",
            Self::Mailbox => b"\0address of a mailbox:",
        }
    }
}

/// A keyed hash of an e-mail address, the first eight bytes of its HMAC: events with the address are found by it, and
/// readers of the database can't tell the address from it. Two addresses can share one (1 in 2^64), so a caller that
/// follows one must check that the event really has the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailHash(pub i64);

/// The key of fingerprints: HMAC-SHA256 (RFC 2104), truncated to 16 bytes. No `Debug`, wiped when dropped.
pub struct FingerprintKey(Hmac<Sha256>);

impl FingerprintKey {
    /// Fingerprints under this key, which must not seal anything.
    pub fn new(key: &DataKey) -> Self {
        // HMAC takes a key of any length: InvalidLength is never returned
        Self(Hmac::new_from_slice(key.bytes()).expect("a key of any length"))
    }

    /// The reserved subject that the key is wrapped and stored under.
    pub fn subject() -> SubjectId {
        reserved::fingerprint()
    }

    /// Creates a key: the key, and its wrapped form to be stored under [`Self::subject`].
    ///
    /// # Errors
    /// [`SealError`] if it cannot be wrapped.
    pub fn create(wrapper: &dyn KeyWrapper) -> Result<(Self, Vec<u8>), SealError> {
        let key = DataKey::generate();
        let wrapped = wrapper.wrap(&Self::subject(), &key)?;
        Ok((Self::new(&key), wrapped))
    }

    /// The key from its wrapped form.
    ///
    /// # Errors
    /// As [`KeyWrapper::unwrap`].
    pub fn unwrap(wrapper: &dyn KeyWrapper, wrapped: &[u8]) -> Result<Self, SealError> {
        wrapper.unwrap(&Self::subject(), wrapped).map(|key| Self::new(&key))
    }

    /// The fingerprint of a body.
    pub fn of(&self, body: &[u8]) -> Fingerprint {
        let digest = self.0.clone().chain_update(body).finalize().into_bytes();
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&digest[..BYTES]);
        Fingerprint(bytes)
    }

    /// The hash of an e-mail address, which the caller has brought into its one form.
    pub fn email(&self, whose: Whose, address: &str) -> EmailHash {
        let digest = self.0.clone().chain_update(whose.label()).chain_update(address);
        let digest = digest.finalize().into_bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        EmailHash(i64::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn a_fingerprint_depends_on_the_whole_body_and_on_the_key() {
        let key = DataKey::generate();
        let fingerprints = FingerprintKey::new(&key);
        assert_eq!(fingerprints.of(b"a"), FingerprintKey::new(&key).of(b"a"));
        assert_ne!(fingerprints.of(b"a"), fingerprints.of(b"a\n"));
        assert_ne!(
            fingerprints.of(b"a"),
            FingerprintKey::new(&DataKey::generate()).of(b"a")
        );
    }

    #[test]
    fn the_hash_of_an_address_depends_on_the_address_on_whose_it_is_and_on_the_key() {
        let keys = FingerprintKey::new(&DataKey::generate());
        let hash = keys.email(Whose::Mailbox, "a@b.com");
        assert_eq!(hash, keys.email(Whose::Mailbox, "a@b.com"));
        assert_ne!(hash, keys.email(Whose::Mailbox, "c@b.com"));
        assert_ne!(hash, keys.email(Whose::Customer, "a@b.com"));
        let other = FingerprintKey::new(&DataKey::generate());
        assert_ne!(hash, other.email(Whose::Mailbox, "a@b.com"));
    }

    #[test]
    fn it_is_the_start_of_hmac_sha256() {
        // RFC 4231, test case 1, has a key of 20 bytes; HMAC pads keys with zeros
        let mut bytes = [0; 32];
        bytes[..20].fill(0x0b);
        let key = FingerprintKey::new(&DataKey::from_bytes(secret::Wiped::new(bytes)));
        assert_eq!(key.of(b"Hi There").to_string(), "b0344c61d8db38535ca8afceaf0bf12b");
    }

    #[test]
    fn a_key_comes_back_from_its_wrapped_form_under_its_reserved_subject() {
        let master = MasterKey::generate();
        let (key, wrapped) = FingerprintKey::create(&master).unwrap();
        assert_eq!(
            FingerprintKey::unwrap(&master, &wrapped).unwrap().of(b"a"),
            key.of(b"a")
        );
        assert!(master.unwrap(&FingerprintKey::subject(), &wrapped).is_ok());
        assert!(master.unwrap(&SubjectId::parse("U1").unwrap(), &wrapped).is_err());
    }
}
