//! Authenticates stream snapshots made by this ledger's processes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{DataKey, aead};
use secret::Wiped;

/// The label of the key's derivation, with its version.
const LABEL: &str = "warmledger stream snapshot key v1";
/// Bytes of a tag.
pub const SNAPSHOT_TAG: usize = 32;

/// A key of HMAC-SHA256 (RFC 2104) that tags snapshots. It is derived from the ledger's fingerprint key, and neither
/// key reveals the other. No `Debug`, wiped when dropped.
pub struct SnapshotKey(Hmac<Sha256>);

impl SnapshotKey {
    /// Derives the key from the fingerprint key.
    pub fn new(fingerprints: &DataKey) -> Self {
        // not by HMAC: fingerprints of a sender's texts are not secret
        let own = Sha256::new().chain_update(LABEL).chain_update(fingerprints.bytes());
        let own: Wiped<[u8; 32]> = Wiped::new(own.finalize().into());
        // HMAC takes a key of any length: InvalidLength is never returned
        Self(Hmac::new_from_slice(&*own).expect("a key of any length"))
    }

    /// The tag of a text given in parts; `label` names its kind.
    pub fn tag(&self, label: &str, parts: &[&[u8]]) -> [u8; SNAPSHOT_TAG] {
        self.over(label, parts).finalize().into_bytes().into()
    }

    /// Whether the tag is valid for the parts; in constant time.
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
        // stored tags must be accepted for ever
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
        // a reader of fingerprints of chosen texts cannot forge a tag
        let text = aead::associated_data("a", &[b"bc", b"d"]);
        let fingerprints = FingerprintKey::new(&DataKey::from_bytes(Wiped::new([7; 32])));
        assert_ne!(fingerprints.of(&text).to_string(), hex::encode(&tag[..16]));
    }
}
