//! Whether a stream's snapshot is as a process of this ledger left it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{DataKey, aead};
use secret::Wiped;

/// What the key is for, and in which version.
const LABEL: &str = "warmledger stream snapshot key v1";
/// Bytes of a tag.
pub const SNAPSHOT_TAG: usize = 32;

/// A key of HMAC-SHA256 (RFC 2104) that snapshots are tagged under. It follows from the ledger's fingerprint key, and neither key tells
/// anything of the other. No `Debug`, wiped when dropped.
pub struct SnapshotKey(Hmac<Sha256>);

impl SnapshotKey {
    /// The key that follows from the fingerprint key.
    pub fn new(fingerprints: &DataKey) -> Self {
        // not by HMAC: what that makes of a sender's text is no secret
        let own = Sha256::new().chain_update(LABEL).chain_update(fingerprints.bytes());
        let own: Wiped<[u8; 32]> = Wiped::new(own.finalize().into());
        // HMAC takes a key of any length: InvalidLength is never returned
        Self(Hmac::new_from_slice(&*own).expect("a key of any length"))
    }

    /// The tag of a text that is told by its parts; `label` says what it is of.
    pub fn tag(&self, label: &str, parts: &[&[u8]]) -> [u8; SNAPSHOT_TAG] {
        self.over(label, parts).finalize().into_bytes().into()
    }

    /// Whether it is their tag; in constant time.
    pub fn accepts(&self, label: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.over(label, parts).verify_slice(tag).is_ok()
    }

    fn over(&self, label: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        self.0.clone().chain_update(&*aead::associated_data(label, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FingerprintKey;

    #[test]
    fn a_tag_is_of_one_key_one_label_and_these_parts() {
        let snapshots = SnapshotKey::new(&DataKey::from_bytes(Wiped::new([7; 32])));
        let tag = snapshots.tag("a", &[b"bc", b"d"]);
        // what is kept is to be accepted for ever
        assert_eq!(
            hex::encode(tag),
            "d7bb6d98b655af06b96abfcfa3384aa0237a456eb9d3165363b01529968fe227"
        );
        assert!(snapshots.accepts("a", &[b"bc", b"d"], &tag));
        assert!(!snapshots.accepts("a", &[b"b", b"cd"], &tag));
        assert!(!snapshots.accepts("b", &[b"bc", b"d"], &tag));
        assert!(!snapshots.accepts("a", &[b"bc", b"d"], &tag[1..]));
        assert!(!snapshots.accepts("a", &[b"bc", b"d"], b""));
        let other = SnapshotKey::new(&DataKey::generate());
        assert!(!other.accepts("a", &[b"bc", b"d"], &tag));
        // whoever sees fingerprints of texts of their choice has no tag
        let text = aead::associated_data("a", &[b"bc", b"d"]);
        let fingerprints = FingerprintKey::new(&DataKey::from_bytes(Wiped::new([7; 32])));
        assert_ne!(fingerprints.of(&text).to_string(), hex::encode(&tag[..16]));
    }
}
