//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) for the vault, with a random nonce before the ciphertext.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use rand::Rng;

use super::SealError;
use secret::Wiped;

/// Bytes of a key.
pub(super) const KEY: usize = 32;
/// Bytes of a nonce.
const NONCE: usize = 24;
/// Bytes of a tag.
const TAG: usize = 16;
/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = NONCE + TAG;

/// A label and parts, each prefixed with its length, so that no two lists give the same bytes. Wiped when dropped: a
/// part may be plaintext.
pub(super) fn associated_data(label: &str, parts: &[&[u8]]) -> Wiped<Vec<u8>> {
    let length = |part: &[u8]| (part.len() as u64).to_le_bytes();
    let total = parts.iter().map(|part| part.len() + 8).sum::<usize>() + label.len() + 8;
    // with its full capacity from the start: growing would leave copies of plaintext behind
    let mut bytes = Wiped::new(Vec::with_capacity(total));
    for part in [label.as_bytes()].iter().chain(parts) {
        bytes.extend_from_slice(&length(part));
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Encrypts: `head ‖ nonce ‖ ciphertext ‖ tag`. The head is authenticated only if the associated data includes it.
///
/// # Errors
/// [`SealError::TooLong`] beyond the cipher's 256 GiB.
pub(super) fn seal(key: &[u8; KEY], head: &[u8], associated_data: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE];
    rand::rng().fill_bytes(&mut nonce);
    let start = head.len() + NONCE;
    let mut bytes = Vec::with_capacity(start + plain.len() + TAG);
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(plain);
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&nonce.into(), associated_data, (&mut bytes[start..]).into())
        .map_err(|_| SealError::TooLong(plain.len()))?;
    bytes.extend_from_slice(&tag);
    Ok(bytes)
}

/// Decrypts the output of [`seal`], without its head.
///
/// # Errors
/// [`SealError::Tampered`] if bytes, key or associated data are not those used for sealing; then nothing is decrypted.
pub(super) fn open(key: &[u8; KEY], associated_data: &[u8], bytes: &[u8]) -> Result<Wiped<Vec<u8>>, SealError> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(SealError::Tampered)?;
    let (sealed, tag) = sealed.split_last_chunk::<TAG>().ok_or(SealError::Tampered)?;
    let mut plain = Wiped::new(sealed.to_vec());
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(
            &(*nonce).into(),
            associated_data,
            plain.as_mut_slice().into(),
            &(*tag).into(),
        )
        .map_err(|_| SealError::Tampered)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn associated_data(label: &str, parts: &[&[u8]]) -> Vec<u8> {
        super::associated_data(label, parts).to_vec()
    }

    #[test]
    fn moving_a_border_between_parts_changes_the_associated_data() {
        assert_ne!(
            associated_data("v1", &[b"ab", b"c"]),
            associated_data("v1", &[b"a", b"bc"])
        );
        assert_ne!(associated_data("v1", &[b"ab"]), associated_data("v1", &[b"ab", b""]));
        assert_ne!(associated_data("v1", &[b"ab"]), associated_data("v1a", &[b"b"]));
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn the_example_of_the_draft_can_be_opened() {
        let key: [u8; KEY] = std::array::from_fn(|index| 0x80 + index as u8);
        let nonce: Vec<u8> = (0x40..0x58).collect();
        let associated_data = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let sealed = hex::decode(concat!(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
            "21f9664c97637da9768812f615c68b13b52e",
            "c0875924c1c7987947deafd8780acf49"
        ))
        .unwrap();
        let plain = open(&key, &associated_data, &[nonce, sealed].concat());
        let text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen \
                    would be it.";
        assert_eq!(plain.ok().unwrap().as_slice(), text.as_bytes());
    }

    proptest! {
        #[test]
        fn what_was_sealed_can_be_opened_unless_it_was_altered(
            key: [u8; KEY],
            head: Vec<u8>,
            associated_data: Vec<u8>,
            plain in proptest::collection::vec(any::<u8>(), 0..700),
            altered: prop::sample::Index,
        ) {
            let sealed = seal(&key, &head, &associated_data, &plain).unwrap();
            prop_assert_eq!(&sealed[..head.len()], head.as_slice());
            let sealed = &sealed[head.len()..];
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            let opened = open(&key, &associated_data, sealed).ok().unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            let mut sealed = sealed.to_vec();
            let place = altered.index(sealed.len());
            sealed[place] ^= 1;
            prop_assert!(matches!(open(&key, &associated_data, &sealed), Err(SealError::Tampered)));
        }
    }
}
