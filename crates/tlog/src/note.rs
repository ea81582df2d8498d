//! Signed notes (<https://c2sp.org/signed-note>) with Ed25519, signature type 0x01.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use secret::Secret;

/// The type byte of Ed25519 signatures.
const ED25519: u8 = 0x01;
/// More than any note needs; a verifier has to accept at least 16.
const MAX_SIGNATURES: usize = 64;

/// An error in a note or a key. Never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed note.
    #[error("this is not a signed note")]
    NotANote,
    /// The text is not a public key of a note.
    #[error("this is not the public key of a signed note (NAME+HASH+KEY, Ed25519)")]
    NotAKey,
    /// None of the keys has signed it.
    #[error("it is signed by none of the known keys")]
    Unsigned,
    /// A signature names a key that has not made it.
    #[error("its signature is not by the key that it names")]
    Forged,
}

/// Whether a key can have this name: not empty, no white space, no plus, no control characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// A public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl NoteVerifier {
    fn new(name: String, key: VerifyingKey) -> Self {
        let hash = Sha256::new()
            .chain_update(&name)
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes())
            .finalize();
        let mut id = [0; 4];
        id.copy_from_slice(&hash[..4]);
        Self { name, id, key }
    }

    /// Reads `NAME+HASH+KEY`, as [`Display`](fmt::Display) writes it.
    ///
    /// # Errors
    /// [`NoteError::NotAKey`] if it is malformed, or the hash is not that of name and key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let parse = || {
            let (name, rest) = text.split_once('+')?;
            let (_, key) = rest.split_once('+')?;
            let bytes = BASE64_STANDARD.decode(key).ok()?;
            let (&ED25519, key) = bytes.split_first()? else {
                return None;
            };
            let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            is_name(name).then(|| Self::new(name.to_owned(), key))
        };
        parse()
            .filter(|verifier: &Self| verifier.to_string() == text)
            .ok_or(NoteError::NotAKey)
    }

    /// The key's name: the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bare public key, RFC 8032.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
}

/// `NAME+HASH+KEY`, the form that Go's `sumdb/note` and others use.
impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.id),
            BASE64_STANDARD.encode(key)
        )
    }
}

/// A private key with its name. No `Debug`, wiped when dropped.
pub struct NoteSigner {
    key: SigningKey,
    verifier: NoteVerifier,
}

impl NoteSigner {
    /// The key from an RFC 8032 seed, with a name without white space or plus signs.
    pub fn new(name: &str, seed: &Secret<[u8; 32]>) -> Self {
        let key = SigningKey::from_bytes(seed.expose());
        let verifier = NoteVerifier::new(name.to_owned(), key.verifying_key());
        Self { key, verifier }
    }

    /// The public half.
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The signature line of a text.
    fn line(&self, text: &str) -> String {
        let mut signature = self.verifier.id.to_vec();
        signature.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("— {} {}\n", self.verifier.name, BASE64_STANDARD.encode(signature))
    }
}

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl SignedNote {
    /// Signs a text, which ends in a line break, with each of the keys.
    pub fn sign(text: &str, signers: &[&NoteSigner]) -> String {
        let lines: String = signers.iter().map(|signer| signer.line(text)).collect();
        format!("{text}\n{lines}")
    }

    /// Parses a note, without verifying its signatures.
    ///
    /// # Errors
    /// [`NoteError::NotANote`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let parse = || {
            if note.chars().any(|c| c < ' ' && c != '\n') {
                return None;
            }
            // the text includes its line break, the empty line belongs to neither part
            let end = note.rfind("\n\n")? + 1;
            let lines = note[end + 1..].strip_suffix('\n')?;
            let signatures: Vec<_> = lines.split('\n').map(signature).collect::<Option<_>>()?;
            (signatures.len() <= MAX_SIGNATURES).then(|| Self {
                text: note[..end].to_owned(),
                signatures,
            })
        };
        parse().ok_or(NoteError::NotANote)
    }

    /// The text, if one of the keys has signed it.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`], or [`NoteError::Forged`] if a signature that names a known key is invalid.
    pub fn verified(&self, keys: &[NoteVerifier]) -> Result<&str, NoteError> {
        let mut signed = false;
        for signature in &self.signatures {
            let key = keys
                .iter()
                .find(|key| key.name == signature.name && key.id == signature.id);
            let Some(key) = key else { continue };
            let bytes = Signature::from_slice(&signature.bytes).map_err(|_| NoteError::Forged)?;
            let verified = key.key.verify_strict(self.text.as_bytes(), &bytes);
            verified.map_err(|_| NoteError::Forged)?;
            signed = true;
        }
        if signed {
            Ok(&self.text)
        } else {
            Err(NoteError::Unsigned)
        }
    }
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    (is_name(name) && !bytes.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        id: *id,
        bytes: bytes.to_vec(),
    })
}
