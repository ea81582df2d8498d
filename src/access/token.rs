//! Tokens: 256 random bits behind a prefix by which scanners for leaked secrets find them; only a hash is stored.

use aggregates::{AccessFacts, MadeToken, TokenId};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use secret::{Secret, Wiped};
use store::{Scopes, StoredToken, TOKEN_PREFIX, TokenHash};

/// The most characters of a token's name.
const MAX_NAME_CHARS: usize = 100;

/// The facts of a token's creation: all columns of its first row.
pub fn facts_of(token: &StoredToken, facts: AccessFacts) -> AccessFacts {
    AccessFacts {
        scopes: token.scopes.names(),
        token: Some(Box::new(MadeToken {
            created_at: token.created_at,
            expires_at: token.expires_at,
            hash: token.hash.to_string(),
            name: token.name.clone(),
        })),
        token_id: Some(token.id.clone()),
        ..facts
    }
}

/// A token's name: 1 to 100 characters, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct TokenName(String);

impl TokenName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim();
        let plain = !text.chars().any(char::is_control);
        if plain && (1..=MAX_NAME_CHARS).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("has to be 1 to 100 characters without control characters")
        }
    }
}

impl std::str::FromStr for TokenName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

/// Makes a token: the plaintext, which is shown once, and the row to store.
pub fn new_token(
    name: &TokenName,
    scopes: Scopes,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
) -> (Secret<String>, StoredToken) {
    let bytes = Wiped::new(rand::random::<[u8; 32]>());
    let token = Secret::new(format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(*bytes)));
    let stored = StoredToken {
        id: TokenId::token(rand::random()),
        name: name.as_str().to_owned(),
        scopes,
        hash: TokenHash::from_bytes(Sha256::digest(token.expose()).into()),
        created_at,
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    (token, stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_known_by_its_hash_alone() {
        let name = TokenName::try_from(" support desk ".to_owned()).expect("a name");
        let (token, stored) = new_token(&name, Scopes::all(), Timestamp::UNIX_EPOCH, None);
        assert!(token.expose().starts_with("wl_") && token.expose().len() == 46);
        assert!(TokenHash::of(token.expose()) == Some(stored.hash));
        assert_eq!(stored.name, "support desk");
        let (other, second) = new_token(&name, Scopes::all(), Timestamp::UNIX_EPOCH, None);
        assert!(other.expose() != token.expose() && second.id != stored.id);
    }
}
