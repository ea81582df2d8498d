//! Data keys: sealing and opening sections.

use rand::Rng;
use sha2::{Digest, Sha256};

use super::pack::{Format, Packed, join};
use super::{Context, SealError, aead};
use secret::{Secret, Wiped};

/// A sealed section: one byte of format (bit 0 compressed, bit 1 against a prefix), the nonce, ciphertext and tag. Safe
/// to store and to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Stored sealed bytes, checked only when they are opened.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the sealed bytes. It reveals nothing about the plaintext: the nonce is random.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

/// A key of 32 bytes that seals one subject's sections. No `Debug`, no `Clone`, wiped when dropped.
pub struct DataKey {
    bytes: Wiped<[u8; aead::KEY]>,
}

impl DataKey {
    /// A new key, from the thread's cryptographic generator, seeded by the operating system.
    pub fn generate() -> Self {
        let mut bytes = Wiped::new([0; aead::KEY]);
        rand::rng().fill_bytes(&mut *bytes);
        Self::from_bytes(bytes)
    }

    pub fn from_bytes(bytes: Wiped<[u8; aead::KEY]>) -> Self {
        Self { bytes }
    }

    pub(super) fn bytes(&self) -> &[u8; aead::KEY] {
        &self.bytes
    }

    /// Seals a packed section, bound to its place.
    ///
    /// # Errors
    /// [`SealError::TooLong`] beyond the cipher's limit, which no packed section reaches.
    pub fn seal(&self, context: &Context<'_>, packed: &Packed) -> Result<Sealed, SealError> {
        let format = packed.format() as u8;
        let associated_data = context.associated_data(format, packed.prefix());
        aead::seal(&self.bytes, &[format], &associated_data, packed.bytes()).map(Sealed)
    }

    /// Opens a section at its place. `prefix` is the one it was packed with; ignored if it was packed without one.
    ///
    /// # Errors
    /// [`SealError::Tampered`] if the bytes were altered, or belong to another place or prefix; [`SealError::Corrupt`]
    /// if the content cannot be unpacked.
    pub fn open(&self, context: &Context<'_>, sealed: &Sealed, prefix: &[&[u8]]) -> Result<Secret<Vec<u8>>, SealError> {
        let (&byte, rest) = sealed.as_bytes().split_first().ok_or(SealError::Tampered)?;
        // a later version's format counts as tampered: its associated data is unknown
        let format = Format::from_byte(byte).ok_or(SealError::Tampered)?;
        let prefix = if format.has_prefix() {
            join(prefix)
        } else {
            Wiped::default()
        };
        let bytes = aead::open(&self.bytes, &context.associated_data(byte, &prefix), rest)?;
        let mut plain = Packed::from_parts(format, bytes, prefix).unpack()?;
        Ok(Secret::new(std::mem::take(&mut *plain)))
    }
}

#[cfg(test)]
mod tests;
