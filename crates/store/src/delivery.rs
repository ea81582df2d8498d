//! Deliveries: what came from a sender, and how it was answered. They stand beside the log, for a bounded time.

use aggregates::{Domain, EventId, OrderId, Position, Source};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryOutcome {
    /// It is recorded as a new event.
    Recorded,
    /// It had been recorded before.
    Duplicate,
    /// It could not be used and is kept, sealed, as a quarantined event.
    Quarantined,
    /// It is recorded as an event of an unknown kind.
    Unrecognised,
    /// It was not taken.
    Refused,
}

impl DeliveryOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Recorded,
        Self::Duplicate,
        Self::Quarantined,
        Self::Unrecognised,
        Self::Refused,
    ];

    /// The name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::Unrecognised => "unrecognised",
            Self::Refused => "refused",
        }
    }

    /// The outcome with this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// A delivery to be listed.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// When it was answered.
    pub at: Timestamp,
    /// The source that it claims to be of.
    pub source: Source,
    /// Where it came from, as it is shown.
    pub address: String,
    /// Where it came from, as it is counted: an address, or a network of IPv6.
    pub sender: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// Why it was refused.
    pub cause: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The request id of the answer.
    pub request_id: String,
    /// The position of its event; of a duplicate, the first one's.
    pub position: Option<Position>,
    /// Of one that is refused or quarantined: the event id that its body claims.
    pub event_id: Option<EventId>,
    /// Of such a one: the order that its body claims.
    pub order_id: Option<OrderId>,
    /// Of such a one: the domains that its body claims, separated by spaces.
    pub domains: Option<String>,
}

/// A delivery as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// When it was answered.
    pub at: Timestamp,
    /// The source that it claims to be of.
    pub source: Source,
    /// Where it came from.
    pub address: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// Why it was refused.
    pub cause: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The request id of the answer.
    pub request_id: String,
    /// The position of its event; of a duplicate, the first one's.
    pub position: Option<Position>,
    /// Its event id: the recorded event's; of one that is refused or quarantined, the one that its body claims.
    pub event_id: Option<EventId>,
}

/// Which deliveries are about a thing: those of its events, and refused or quarantined ones that claim to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The events.
    pub positions: Vec<Position>,
    /// The claimed event id.
    pub event_id: Option<EventId>,
    /// The claimed order.
    pub order_id: Option<OrderId>,
    /// A claimed domain.
    pub domain: Option<Domain>,
}

/// Which deliveries to read, the last listed first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    /// Only those about a thing.
    pub about: Option<About>,
    /// Only those of this source.
    pub source: Option<Source>,
    /// Only those with one of these outcomes; any outcome if there are none.
    pub outcomes: Vec<DeliveryOutcome>,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only those with a lower number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

topic! {
    /// The part of a [`Store`](super::Store) that lists deliveries.
    pub trait DeliveryStore {
        /// Adds deliveries, all or none.
        async fn add_deliveries(&self, deliveries: &[NewDelivery]) -> Result<(), StoreError>;

        /// Notes that an authentic webhook came from these senders at a time.
        async fn know_senders(&self, senders: &[String], at: Timestamp) -> Result<(), StoreError>;

        /// The senders of authentic webhooks, the latest first, at most `limit`.
        async fn known_senders(&self, limit: u32) -> Result<Vec<String>, StoreError>;

        /// Deliveries, the last listed first.
        async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError>;

        /// One of them.
        async fn delivery(&self, id: u64) -> Result<Option<Delivery>, StoreError>;

        /// Removes deliveries and known senders from before a time, at most `limit` of the former; returns how many
        /// deliveries.
        async fn expire_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

        /// Keeps the newest `most` refused deliveries, and of one sender the newest `most_of_one`; returns how many were
        /// removed.
        async fn thin_refused_deliveries(&self, most: u32, most_of_one: u32) -> Result<u64, StoreError>;
    }
}
