//! A stored API token: everything but the token itself.

use std::fmt;

use aggregates::TokenId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Scopes, StoreError};

/// The prefix of every token.
pub const TOKEN_PREFIX: &str = "wl_";
/// The number of characters after it: 32 bytes in base64.
const CHARACTERS: usize = 43;

/// SHA-256 of a token. A slow hash would protect guessable passwords; 256 random bits cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a possible token; none if it does not have a token's form.
    pub fn of(token: &str) -> Option<Self> {
        let characters = token.strip_prefix(TOKEN_PREFIX)?;
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        (characters.len() == CHARACTERS && characters.bytes().all(plain)).then(|| Self(Sha256::digest(token).into()))
    }

    /// The hash from its stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    /// As [`fmt::Display`]: the hash of 256 random bits does not reveal the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TokenHash {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A stored token.
#[derive(Clone)]
pub struct StoredToken {
    /// Its id, by which it is listed and revoked.
    pub id: TokenId,
    /// The name that its creator gave it.
    pub name: String,
    /// Its scopes.
    pub scopes: Scopes,
    /// SHA-256 of the token.
    pub hash: TokenHash,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, with a precision of some minutes.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The stored scopes.
pub(super) fn scopes(text: &str) -> Result<Scopes, StoreError> {
    text.parse()
        .map_err(|error| StoreError::Corrupt(format!("scopes of a token: {error}")))
}

/// The stored hash.
pub(super) fn hash(bytes: &[u8]) -> Result<TokenHash, StoreError> {
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| StoreError::Corrupt("the hash of a token does not have 32 bytes".to_owned()))?;
    Ok(TokenHash::from_bytes(bytes))
}

topic! {
    /// The part of a [`Store`](super::Store) that stores the API tokens.
    pub trait TokenStore {
        /// Stores a new token.
        async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError>;

        /// All tokens, also expired and revoked ones, in the order of their creation.
        async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError>;

        /// The token with this hash.
        async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError>;

        /// Revokes a token. `false`, and nothing changed, if there is no such token or it was revoked before.
        async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError>;

        /// Updates when a token was last used.
        async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError>;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_is_not_even_hashed() {
        for text in ["", "wl_", "wl_x", "xx_0123456789012345678901234567890123456789012"] {
            assert!(TokenHash::of(text).is_none(), "{text}");
        }
    }
}
