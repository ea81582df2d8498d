//! Merges that do not depend on the order in which events arrive: each keeps a greatest or a least by an explicit key.

use std::fmt;

use aggregates::{EventId, Recorded, Source};
use jiff::Timestamp;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::document;

/// An event's place among all others by what the provider says, not by when it arrived: when it was sent (recorded,
/// where the sender did not say), then its source and its id, so that no two events are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) Timestamp, Source, EventId);

impl Stamp {
    pub(crate) fn of(event: &Recorded) -> Self {
        Self(event.happened_at(), event.source.clone(), event.event_id.clone())
    }

    /// The event's source and id.
    pub(crate) fn event(&self) -> (&Source, &EventId) {
        (&self.1, &self.2)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Moment(#[serde(with = "aggregates::moment")] Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match document::number(self) {
            Some(number) => number.serialize(serializer),
            None => (Moment(self.0), &self.1, &self.2).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Stamp;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a stamp or the number of one")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Stamp, E> {
                let stamp = usize::try_from(number).ok().and_then(document::numbered);
                stamp.ok_or_else(|| E::custom(format!("there is no stamp with the number {number}")))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Stamp, A::Error> {
                let (Moment(time), source, id) = Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                let stamp = Stamp(time, source, id);
                document::spelled(&stamp);
                Ok(stamp)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// A value with the key by which it was chosen, in front of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Keyed<K, V>(K, V);

/// The value with the greatest key of all that were offered.
///
/// Taking the greatest is commutative and associative, so the order of the offers does not matter as long as equal keys
/// come from the same event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Newest<V, K = Stamp>(Option<Keyed<K, V>>);

impl<V, K> Default for Newest<V, K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V: Clone, K: Ord + Clone> Newest<V, K> {
    /// Takes the value if there is one and its key is greater than that of the one held.
    pub(crate) fn offer(&mut self, key: &K, value: Option<&V>) {
        let Some(value) = value else { return };
        if self.0.as_ref().is_none_or(|held| *key > held.0) {
            self.0 = Some(Keyed(key.clone(), value.clone()));
        }
    }

    pub(crate) fn get(&self) -> Option<&V> {
        self.0.as_ref().map(|Keyed(_, value)| value)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_stays_whatever_the_order_of_the_offers() {
        let offers = [(1, Some(&"a")), (3, Some(&"c")), (2, Some(&"b")), (4, None)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let mut newest = Newest::default();
            for index in order {
                let (key, value) = offers[index];
                newest.offer(&key, value);
            }
            assert_eq!(newest.get(), Some(&"c"));
        }
    }
}
