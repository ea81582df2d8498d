//! A named consumer of the feed: what it reads, and how far it has come.

use aggregates::{ActorId, Position};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EventFilter, StoreError};

/// A consumer's name: 1 to 64 characters of `a`–`z`, `0`–`9`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConsumerName(String);

impl ConsumerName {
    /// The consumer that the NATS relay keeps its checkpoint in.
    pub fn nats() -> Self {
        Self("nats".to_owned())
    }

    pub(super) fn from_stored(text: String) -> Result<Self, StoreError> {
        Self::try_from(text).map_err(|error| StoreError::Corrupt(format!("a consumer's name {error}")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ConsumerName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err("has to be 1 to 64 characters of a-z, 0-9, - and _")
        }
    }
}

impl From<ConsumerName> for String {
    fn from(name: ConsumerName) -> Self {
        name.0
    }
}

/// A named consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: ConsumerName,
    /// What it reads.
    pub filter: EventFilter,
    /// Its checkpoint: it is done with everything up to here.
    pub position: Position,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its filter or its checkpoint was last set.
    pub updated_at: Timestamp,
    /// Whose it is: who made it; none of the relay's, and of those that were made before this was kept.
    pub owner: Option<ActorId>,
    /// When it last read or committed.
    pub seen_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["nats", "billing-2", "a_b", &"x".repeat(64)] {
            assert!(ConsumerName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "Billing", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(ConsumerName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
