//! Stamps: which of two events is the newer one.
//!
//! A view may name the same event in a dozen places, and stamps are most of its bytes. So a document writes a stamp
//! once, at its first place, and its number after that: the first one written is number 0.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use aggregates::{OrderEvent, Position, Recorded};
use jiff::Timestamp;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The sort key of an event: when the provider sent it (when it was recorded, if the sender did not say); for equal
/// times, which may be as coarse as a second, the rank of its kind ([`rank`]); and then its position, so that no two
/// events are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stamp(Timestamp, u8, Position);

impl Stamp {
    pub(crate) fn of(event: &Recorded) -> Self {
        Self(event.happened_at(), event.order().map_or(0, rank), event.position)
    }

    /// When the event happened.
    pub(crate) fn time(&self) -> Timestamp {
        self.0
    }

    /// The event's position.
    pub(crate) fn position(&self) -> Position {
        self.2
    }
}

/// The rank of an event among events of the same time, following the life of an order: a change outranks an assignment,
/// a change of a record outranks other reports about it, and an end outranks everything. Each kind has its own: two
/// kinds may meet in one row, and their order must not depend on which was recorded first.
fn rank(event: &OrderEvent) -> u8 {
    match event {
        OrderEvent::WebhookUnrecognised(_) => 0,
        OrderEvent::WebhookQuarantined(_) => 1,
        OrderEvent::DomainRegistrationFailed(_) => 2,
        OrderEvent::DomainRegistered(_) => 3,
        OrderEvent::AssignmentFailed(_) => 4,
        OrderEvent::MailboxOrderFailed(_) => 5,
        OrderEvent::MailboxOrderAccepted(_) => 6,
        OrderEvent::MailboxesAssigned(_) => 7,
        OrderEvent::MailboxCreated(_) => 8,
        OrderEvent::MailboxWarmupStarted(_) => 9,
        OrderEvent::SubscriptionRenewing(_) => 10,
        OrderEvent::SubscriptionRenewalFailed(_) => 11,
        OrderEvent::DomainRenewalFailed(_) => 12,
        OrderEvent::SubscriptionPastDue(_) => 13,
        OrderEvent::DomainGracePeriodBegan(_) => 14,
        OrderEvent::SubscriptionExpired(_) => 15,
        OrderEvent::DomainExpired(_) => 16,
        OrderEvent::SubscriptionRenewed(_) => 17,
        OrderEvent::DomainRenewed(_) => 18,
        OrderEvent::SubscriptionUpdated(_) => 19,
        OrderEvent::MailboxUpdated(_) => 20,
        OrderEvent::MailboxExported(_) => 21,
        OrderEvent::DnsRecordUpdated(_) => 22,
        OrderEvent::MailboxWarmupRemoved(_) => 23,
        OrderEvent::SubscriptionCancelled(_) => 24,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct StampTime(#[serde(with = "aggregates::moment")] Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match number(self) {
            Some(number) => number.serialize(serializer),
            None => (StampTime(self.0), self.1, self.2).serialize(serializer),
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
                let stamp = usize::try_from(number).ok().and_then(numbered);
                stamp.ok_or_else(|| E::custom(format!("there is no stamp with the number {number}")))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Stamp, A::Error> {
                let (StampTime(time), rank, position) =
                    Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                let stamp = Stamp(time, rank, position);
                spelled(&stamp);
                Ok(stamp)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

thread_local! {
    /// The stamps of the document that this thread is reading or writing, if any.
    static STAMPS: RefCell<Option<Stamps>> = const { RefCell::new(None) };
}

/// The stamps of one document, in the order of writing.
#[derive(Default)]
struct Stamps {
    spelled: Vec<Stamp>,
    /// The numbers of all but the first few, which are compared instead: that usually suffices.
    numbers: HashMap<Stamp, usize>,
}

/// How many stamps are compared before the map is used.
const FEW: usize = 4;

/// Reads or writes one document.
pub(crate) fn numbered_within<T>(document: impl FnOnce() -> T) -> T {
    STAMPS.set(Some(Stamps::default()));
    let done = document();
    STAMPS.set(None);
    done
}

/// The number of a stamp that the document has already written; none if it has to be written now.
fn number(stamp: &Stamp) -> Option<usize> {
    STAMPS.with_borrow_mut(|stamps| {
        let Stamps { spelled, numbers } = stamps.as_mut()?;
        let few = spelled.iter().take(FEW).position(|known| known == stamp);
        let known = few.or_else(|| numbers.get(stamp).copied());
        if known.is_none() {
            if spelled.len() >= FEW {
                numbers.insert(*stamp, spelled.len());
            }
            spelled.push(*stamp);
        }
        known
    })
}

/// Adds a stamp that the document writes.
fn spelled(stamp: &Stamp) {
    STAMPS.with_borrow_mut(|stamps| {
        if let Some(stamps) = stamps {
            stamps.spelled.push(*stamp);
        }
    });
}

/// The stamp with this number.
fn numbered(number: usize) -> Option<Stamp> {
    STAMPS.with_borrow(|stamps| stamps.as_ref()?.spelled.get(number).cloned())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

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
    fn each_kind_of_event_has_a_rank_of_its_own() {
        let golden = [
            include_str!("../../aggregates/golden/events.jsonl"),
            include_str!("../../aggregates/golden/mailbox_events.jsonl"),
            include_str!("../../aggregates/golden/further_events.jsonl"),
        ];
        let mut ranks = BTreeMap::new();
        for line in golden.into_iter().flat_map(str::lines) {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = event["type"].as_str().unwrap().to_owned();
            let schema = u32::try_from(event["schemaVersion"].as_u64().unwrap()).unwrap();
            let event = OrderEvent::from_stored(&name, schema, &event["facts"].to_string()).unwrap();
            ranks.insert(name, rank(&event));
        }
        assert_eq!(ranks.len(), OrderEvent::EVENT_TYPES.len());
        let different: BTreeSet<u8> = ranks.values().copied().collect();
        assert_eq!(different.len(), ranks.len(), "{ranks:?}");
    }
}
