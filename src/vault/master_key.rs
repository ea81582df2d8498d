//! The master key: a file that only its owner can read. It wraps data keys and nothing else.

use std::io::{self, ErrorKind};
use std::path::Path;

use aggregates::SubjectId;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use rand::Rng;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{DataKey, KeyWrapper, VaultError, aead};
use crate::data_dir::{self, DataDirError};

/// What the associated data of a wrapped key is of, and in which version.
const LABEL: &str = "warmledger data key v1";
/// Bytes of a master key's id, which stands before every key that it wraps.
const ID: usize = 8;

/// A key of 32 bytes that wraps data keys. No `Debug`, no `Clone`, wiped when dropped.
pub struct MasterKey {
    cipher: XChaCha20Poly1305,
    id: [u8; ID],
}

impl MasterKey {
    /// Makes the key file: mode 0600, lower-case hexadecimal and a line break, on disk with its name when this returns.
    ///
    /// # Errors
    /// [`VaultError::File`] if there is one already or the system refuses.
    pub fn create(path: &Path) -> Result<Self, VaultError> {
        if !write_new(path)? {
            let source = io::Error::from(ErrorKind::AlreadyExists);
            return Err(DataDirError::Io {
                action: "create",
                path: path.to_owned(),
                source,
            }
            .into());
        }
        Self::load(path)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`VaultError::File`] if it cannot be read, or if others than its owner can; [`VaultError::NotAKey`] if it holds
    /// something else.
    pub fn load(path: &Path) -> Result<Self, VaultError> {
        let text = data_dir::read_secret_file(path)?;
        let mut bytes = Zeroizing::new([0; 32]);
        // hex's own error quotes the character that it stumbles over
        hex::decode_to_slice(text.as_bytes(), &mut *bytes).map_err(|_| VaultError::NotAKey(path.to_owned()))?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Reads the key file, or makes it if there is none. Tells whether it was made. Of two processes that start at once
    /// one makes it, and both get the same key.
    ///
    /// # Errors
    /// As [`Self::load`], or [`VaultError::File`] if it cannot be made.
    pub fn load_or_create(path: &Path) -> Result<(Self, bool), VaultError> {
        match Self::load(path) {
            Err(VaultError::File(DataDirError::Io { source, .. })) if source.kind() == ErrorKind::NotFound => {}
            loaded => return Ok((loaded?, false)),
        }
        let created = write_new(path)?;
        Ok((Self::load(path)?, created))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        // HMAC takes a key of any length: InvalidLength is never returned
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(bytes).expect("a key of any length");
        let digest = mac.chain_update("warmledger master key id v1").finalize().into_bytes();
        let mut id = [0; ID];
        id.copy_from_slice(&digest[..ID]);
        Self {
            cipher: XChaCha20Poly1305::new(bytes.into()),
            id,
        }
    }

    /// A key that is in no file.
    #[cfg(test)]
    pub(crate) fn generate() -> Self {
        Self::from_bytes(&random())
    }
}

impl KeyWrapper for MasterKey {
    /// 16 hexadecimal digits: the start of HMAC-SHA256 under the key over a constant.
    fn id(&self) -> String {
        hex::encode(self.id)
    }

    /// The master key's id, nonce, ciphertext and tag: 80 bytes.
    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, VaultError> {
        aead::seal(&self.cipher, &self.id, &associated_data(&self.id, subject), key.bytes())
    }

    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let (id, rest) = wrapped.split_first_chunk::<ID>().ok_or(VaultError::Tampered)?;
        if *id != self.id {
            return Err(VaultError::OtherMasterKey {
                wrapped_by: hex::encode(id),
                own: self.id(),
            });
        }
        let plain = aead::open(&self.cipher, &associated_data(id, subject), rest)?;
        let mut bytes = Zeroizing::new([0; 32]);
        if plain.len() != bytes.len() {
            return Err(VaultError::Corrupt);
        }
        bytes.copy_from_slice(&plain);
        Ok(DataKey::from_bytes(bytes))
    }
}

fn associated_data(id: &[u8; ID], subject: &SubjectId) -> Zeroizing<Vec<u8>> {
    aead::associated_data(LABEL, &[id, subject.as_str().as_bytes()])
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::rng().fill_bytes(&mut *bytes);
    bytes
}

/// Writes a new key file; `false`, and nothing written, if there is one.
fn write_new(path: &Path) -> Result<bool, VaultError> {
    let text = Zeroizing::new(hex::encode(*random()));
    Ok(data_dir::create_secret_file(path, &text)?)
}

#[cfg(test)]
mod tests;
