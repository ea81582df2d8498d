//! A named consumer of the feed: what it reads, and how far it has come.

use std::ops::RangeInclusive;

use aggregates::{ActorId, Position};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EventFilter, Fence, StoreError};

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
    /// Whose it is: who made it; none of the relay's.
    pub owner: Option<ActorId>,
    /// When it last read or committed.
    pub seen_at: Option<Timestamp>,
}

topic! {
    /// The part of a [`Store`](super::Store) that keeps the named consumers.
    pub trait ConsumerStore {
        /// All named consumers, by name.
        async fn consumers(&self) -> Result<Vec<Consumer>, StoreError>;

        /// One of them.
        async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError>;

        /// Makes a consumer of this owner with its checkpoint at `position`, or sets the filter of the one that is there and leaves
        /// its checkpoint and its owner alone. Tells whether it is new.
        async fn put_consumer(
            &self,
            name: &ConsumerName,
            filter: &EventFilter,
            position: Position,
            owner: Option<&ActorId>,
        ) -> Result<bool, StoreError>;

        /// Moves a consumer's checkpoint if it stands within `from`. `false`, and nothing changed, if it does not, or if
        /// there is no such consumer. [`StoreError::Overtaken`] if somebody else has taken over the lease that it is done `under`.
        async fn commit(
            &self,
            name: &ConsumerName,
            from: RangeInclusive<Position>,
            to: Position,
            under: Option<Fence>,
        ) -> Result<bool, StoreError>;

        /// Notes that a consumer is there now.
        async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError>;

        /// Forgets a consumer. Tells whether there was one.
        async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError>;
    }
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
