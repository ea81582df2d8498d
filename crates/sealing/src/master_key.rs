//! A master key: it wraps data keys and nothing else.

use aggregates::SubjectId;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::Sha256;

use super::master_key_id::ID;
use super::{DataKey, KeyWrapper, MasterKeyId, SealError, aead};
use secret::Wiped;

/// The label of a wrapped key's associated data, with its version.
const LABEL: &str = "warmledger data key v1";
/// Bytes of a wrapped data key.
pub const WRAPPED_KEY: usize = ID + aead::OVERHEAD + 32;
/// Bytes of a master key.
const BYTES: usize = 32;
/// The bytes of a master key in transfer between a source and a [`MasterKey`]. No `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct KeyMaterial(Wiped<[u8; BYTES]>);

impl KeyMaterial {
    /// New bytes, from the thread's cryptographic generator, seeded by the operating system.
    pub fn generate() -> Self {
        let mut bytes = Wiped::new([0; BYTES]);
        rand::rng().fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// Reads 32 bytes written as 64 hexadecimal digits or in base64, of either alphabet, padded or not.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Wiped::new([0; BYTES]);
        if text.len() == 2 * BYTES {
            hex::decode_to_slice(text, &mut *bytes).ok()?;
            return Some(Self(bytes));
        }
        let decode = |engine: &dyn Fn(&str) -> Option<Vec<u8>>| engine(text).map(Wiped::new);
        let decoded = decode(&|text| STANDARD_PAD_INDIFFERENT.decode(text).ok())
            .or_else(|| decode(&|text| URL_SAFE_PAD_INDIFFERENT.decode(text).ok()))?;
        Self::from_slice(&decoded)
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(slice: &[u8]) -> Option<Self> {
        let mut bytes = Wiped::new([0; BYTES]);
        if slice.len() != BYTES {
            return None;
        }
        bytes.copy_from_slice(slice);
        Some(Self(bytes))
    }

    /// Whether all bytes are zero, as in a placeholder.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Lower-case hexadecimal digits, the form in a key file.
    pub fn to_hex(&self) -> Wiped<String> {
        Wiped::new(hex::encode(self.0.as_slice()))
    }
}

/// A key of 32 bytes that wraps data keys. No `Debug`, no `Clone`, wiped when dropped.
pub struct MasterKey {
    bytes: Wiped<[u8; BYTES]>,
    id: MasterKeyId,
}

impl MasterKey {
    /// The key of these bytes.
    pub fn new(material: &KeyMaterial) -> Self {
        let bytes = material.bytes();
        // HMAC takes a key of any length: InvalidLength is never returned
        let mac = Hmac::<Sha256>::new_from_slice(bytes).expect("a key of any length");
        let digest = mac.chain_update("warmledger master key id v1").finalize().into_bytes();
        let mut id = [0; ID];
        id.copy_from_slice(&digest[..ID]);
        Self {
            bytes: Wiped::new(*bytes),
            id: MasterKeyId(id),
        }
    }

    /// Its public name.
    pub fn id(&self) -> MasterKeyId {
        self.id
    }

    /// A key without a source.
    #[cfg(test)]
    pub(crate) fn generate() -> Self {
        Self::new(&KeyMaterial::generate())
    }
}

impl KeyWrapper for MasterKey {
    fn id(&self) -> MasterKeyId {
        self.id
    }

    /// The master key's id, nonce, ciphertext and tag: 80 bytes.
    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        let associated_data = associated_data(&self.id.0, subject);
        aead::seal(&self.bytes, &self.id.0, &associated_data, key.bytes())
    }

    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let (id, rest) = wrapped.split_first_chunk::<ID>().ok_or(SealError::Tampered)?;
        if *id != self.id.0 {
            return Err(SealError::OtherMasterKey {
                wrapped_by: MasterKeyId(*id),
                known: self.id.to_string(),
            });
        }
        let plain = aead::open(&self.bytes, &associated_data(id, subject), rest)?;
        let mut bytes = Wiped::new([0; aead::KEY]);
        if plain.len() != bytes.len() {
            return Err(SealError::Corrupt);
        }
        bytes.copy_from_slice(&plain);
        Ok(DataKey::from_bytes(bytes))
    }
}

fn associated_data(id: &[u8; ID], subject: &SubjectId) -> Wiped<Vec<u8>> {
    aead::associated_data(LABEL, &[id, subject.as_str().as_bytes()])
}

#[cfg(test)]
mod tests;
