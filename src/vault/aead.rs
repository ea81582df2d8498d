//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) as the vault uses it.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand::Rng;

use super::VaultError;
use crate::secret::Wiped;

/// Bytes of a nonce.
const NONCE: usize = 24;
/// Bytes of a tag.
const TAG: usize = 16;
/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = NONCE + TAG;

/// A label and parts, each with its length before it, so that no two lists give the same bytes. Wiped when dropped: a
/// part may be a plaintext.
pub(super) fn associated_data(label: &str, parts: &[&[u8]]) -> Wiped<Vec<u8>> {
    let length = |part: &[u8]| (part.len() as u64).to_le_bytes();
    let total = parts.iter().map(|part| part.len() + 8).sum::<usize>() + label.len() + 8;
    // with its full capacity from the start: growing would leave copies behind
    let mut bytes = Wiped::new(Vec::with_capacity(total));
    for part in [label.as_bytes()].iter().chain(parts) {
        bytes.extend_from_slice(&length(part));
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Encrypts: `head ‖ nonce ‖ ciphertext ‖ tag`. The head is not covered unless the associated data says it.
///
/// # Errors
/// [`VaultError::TooLong`] beyond the cipher's 256 GiB.
pub(super) fn seal(
    cipher: &XChaCha20Poly1305,
    head: &[u8],
    associated_data: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE];
    rand::rng().fill_bytes(&mut nonce);
    let start = head.len() + NONCE;
    let mut bytes = Vec::with_capacity(start + plain.len() + TAG);
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(plain);
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(nonce), associated_data, (&mut bytes[start..]).into())
        .map_err(|_| VaultError::TooLong(plain.len()))?;
    bytes.extend_from_slice(&tag);
    Ok(bytes)
}

/// Decrypts what [`seal`] made, without its head.
///
/// # Errors
/// [`VaultError::Tampered`] if bytes, key or associated data are not those of sealing; nothing is decrypted then.
pub(super) fn open(
    cipher: &XChaCha20Poly1305,
    associated_data: &[u8],
    bytes: &[u8],
) -> Result<Wiped<Vec<u8>>, VaultError> {
    let (nonce, rest) = bytes.split_first_chunk::<NONCE>().ok_or(VaultError::Tampered)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or(VaultError::Tampered)?;
    let mut plain = Wiped::new(ciphertext.to_vec());
    cipher
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            associated_data,
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .map_err(|_| VaultError::Tampered)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
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
}
