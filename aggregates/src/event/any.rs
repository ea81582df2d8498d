//! An event of any family, as recorded in the ledger.

use jiff::Timestamp;

use super::{AccessEvent, OrderEvent};
use crate::error::EventError;

/// An event of the ledger: a provider's report about an order, or an action on the ledger.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A webhook's report.
    Order(OrderEvent),
    /// An action on the ledger.
    Access(AccessEvent),
}

impl Event {
    /// Every stored type string of every family.
    pub fn type_names() -> impl Iterator<Item = &'static str> {
        let types = OrderEvent::EVENT_TYPES.iter().chain(AccessEvent::EVENT_TYPES);
        types.map(|(name, _)| *name)
    }

    /// Reads an event as stored: facts of an older schema version are upcast first.
    ///
    /// # Errors
    /// [`EventError`] for a type or schema version that this version does not know, or facts that do not fit.
    pub fn from_stored(type_name: &str, schema_version: u32, facts: &str) -> Result<Self, EventError> {
        if AccessEvent::EVENT_TYPES.iter().any(|(name, _)| *name == type_name) {
            return AccessEvent::from_stored(type_name, schema_version, facts).map(Self::Access);
        }
        OrderEvent::from_stored(type_name, schema_version, facts).map(Self::Order)
    }

    /// The stored type string.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Order(event) => event.type_name(),
            Self::Access(event) => event.type_name(),
        }
    }

    /// The schema version that this code writes.
    pub fn schema_version(&self) -> u32 {
        match self {
            Self::Order(event) => event.schema_version(),
            Self::Access(event) => event.schema_version(),
        }
    }

    /// The facts as canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// As [`OrderEvent::to_facts`].
    pub fn to_facts(&self) -> Result<String, EventError> {
        match self {
            Self::Order(event) => event.to_facts(),
            Self::Access(event) => event.to_facts(),
        }
    }

    /// The event as an order's, if it is one.
    pub fn as_order(&self) -> Option<&OrderEvent> {
        match self {
            Self::Order(event) => Some(event),
            Self::Access(_) => None,
        }
    }

    /// The event as an access event, if it is one.
    pub fn as_access(&self) -> Option<&AccessEvent> {
        match self {
            Self::Order(_) => None,
            Self::Access(event) => Some(event),
        }
    }

    /// When the provider sent the webhook, for an event of a webhook.
    pub fn sent_at(&self) -> Option<Timestamp> {
        self.as_order().and_then(OrderEvent::sent_at)
    }
}

impl From<OrderEvent> for Event {
    fn from(event: OrderEvent) -> Self {
        Self::Order(event)
    }
}

impl From<AccessEvent> for Event {
    fn from(event: AccessEvent) -> Self {
        Self::Access(event)
    }
}
