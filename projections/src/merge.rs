//! Merges that do not depend on the order in which events arrive: each keeps a greatest or a least by an explicit key.

use std::fmt;

use aggregates::{OrderEvent, Position, Recorded};
use jiff::Timestamp;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::document;

/// An event's place among all others: when the provider sent it (when it was recorded, where the sender did not say); within one
/// such time, which may be as coarse as a second, what follows on what by its kind ([`rank`]); and then its position, so that no two
/// events are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stamp(Timestamp, u8, Position);

impl Stamp {
    pub(crate) fn of(event: &Recorded) -> Self {
        Self(event.happened_at(), event.order().map_or(0, rank), event.position)
    }
}

/// What outranks what among events of one time, as the life of an order goes: a change outranks an assignment, a record's change
/// what else is reported of it, and the end everything.
fn rank(event: &OrderEvent) -> u8 {
    match event {
        OrderEvent::WebhookUnrecognised(_) | OrderEvent::WebhookQuarantined(_) => 0,
        OrderEvent::AssignmentFailed(_) => 1,
        OrderEvent::MailboxesAssigned(_) => 2,
        OrderEvent::MailboxCreated(_) => 3,
        OrderEvent::SubscriptionRenewing(_) => 4,
        OrderEvent::SubscriptionRenewalFailed(_) => 5,
        OrderEvent::SubscriptionPastDue(_) => 6,
        OrderEvent::SubscriptionExpired(_) => 7,
        OrderEvent::SubscriptionRenewed(_) => 8,
        OrderEvent::SubscriptionUpdated(_) | OrderEvent::MailboxUpdated(_) => 9,
        OrderEvent::SubscriptionCancelled(_) => 10,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Moment(#[serde(with = "aggregates::moment")] Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match document::number(self) {
            Some(number) => number.serialize(serializer),
            None => (Moment(self.0), self.1, self.2).serialize(serializer),
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
                let (Moment(time), rank, position) =
                    Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                let stamp = Stamp(time, rank, position);
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
    use crate::testing::{assigned, created, updated};

    #[test]
    fn within_one_second_a_change_outranks_an_assignment_and_then_the_position_decides() {
        let at = |delivery: crate::testing::Delivery, second: u64, position| {
            let sent = delivery.sent(&format!("2025-10-27T20:00:0{second}Z"));
            Stamp::of(&sent.at(Position(position)))
        };
        let change = || updated("A", "M1", &[], &[]);
        let assignment = || assigned("Z", "O1");
        assert!(at(change(), 0, 1) > at(assignment(), 0, 2));
        assert!(at(change(), 0, 1) > at(created("Z", "M1", "O1", "a.com", "S1"), 0, 2));
        assert!(at(change(), 0, 1) < at(change(), 0, 2));
        assert!(at(assignment(), 1, 1) > at(change(), 0, 2));
    }

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
