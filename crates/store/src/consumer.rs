//! A named consumer of the feed: its filter and its checkpoint.

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
    /// The consumer whose checkpoint is the NATS relay's.
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
    /// Which events it reads.
    pub filter: EventFilter,
    /// Its checkpoint: it has processed everything up to here.
    pub position: Position,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its filter or its checkpoint was last set.
    pub updated_at: Timestamp,
    /// Its owner, who created it; none for the relay's.
    pub owner: Option<ActorId>,
    /// When it last read or committed.
    pub seen_at: Option<Timestamp>,
}

topic! {
    /// The part of a [`Store`](super::Store) that stores the named consumers.
    pub trait ConsumerStore {
        /// All named consumers, by name.
        async fn consumers(&self) -> Result<Vec<Consumer>, StoreError>;

        /// One of them.
        async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError>;

        /// Creates a consumer of this owner with its checkpoint at `position`, or sets the filter of an existing one
        /// and keeps its checkpoint and owner. Returns whether it is new.
        async fn put_consumer(
            &self,
            name: &ConsumerName,
            filter: &EventFilter,
            position: Position,
            owner: Option<&ActorId>,
        ) -> Result<bool, StoreError>;

        /// Moves a consumer's checkpoint if it is within `from`. Returns `false` and changes nothing if it is not, or
        /// if there is no such consumer. [`StoreError::Overtaken`] if another process has taken over the lease named by
        /// `under`.
        async fn commit(
            &self,
            name: &ConsumerName,
            from: RangeInclusive<Position>,
            to: Position,
            under: Option<Fence>,
        ) -> Result<bool, StoreError>;

        /// Updates when a consumer was last seen.
        async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError>;

        /// Deletes a consumer. Returns whether there was one.
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
