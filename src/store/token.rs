//! An API token as the store has it: everything but the token.

use aggregates::TokenId;
use jiff::Timestamp;

use super::StoreError;
use crate::access::{Scopes, TokenHash};

/// A token that was made.
#[derive(Clone)]
pub struct StoredToken {
    /// Its id, by which it is listed and revoked.
    pub id: TokenId,
    /// What its maker calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// SHA-256 of the token.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is no longer good.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to some minutes.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is no longer good.
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
