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
/// a change of a record outranks other reports about it, and an end outranks everything.
fn rank(event: &OrderEvent) -> u8 {
    match event {
        OrderEvent::WebhookUnrecognised(_) | OrderEvent::WebhookQuarantined(_) => 0,
        OrderEvent::AssignmentFailed(_)
        | OrderEvent::MailboxOrderFailed(_)
        | OrderEvent::DomainRegistrationFailed(_) => 1,
        OrderEvent::MailboxesAssigned(_) | OrderEvent::MailboxOrderAccepted(_) | OrderEvent::DomainRegistered(_) => 2,
        OrderEvent::MailboxCreated(_) => 3,
        OrderEvent::SubscriptionRenewing(_) | OrderEvent::MailboxWarmupStarted(_) => 4,
        OrderEvent::SubscriptionRenewalFailed(_) | OrderEvent::DomainRenewalFailed(_) => 5,
        OrderEvent::SubscriptionPastDue(_) | OrderEvent::DomainGracePeriodBegan(_) => 6,
        OrderEvent::SubscriptionExpired(_) | OrderEvent::DomainExpired(_) => 7,
        OrderEvent::SubscriptionRenewed(_) | OrderEvent::DomainRenewed(_) => 8,
        OrderEvent::SubscriptionUpdated(_)
        | OrderEvent::MailboxUpdated(_)
        | OrderEvent::MailboxExported(_)
        | OrderEvent::MailboxWarmupRemoved(_)
        | OrderEvent::DnsRecordUpdated(_) => 9,
        OrderEvent::SubscriptionCancelled(_) => 10,
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
}
