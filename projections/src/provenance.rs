//! The provenance of most rows: their user, their provider, and when their events were recorded.

use std::collections::BTreeSet;

use aggregates::{OrderEvent, Position, Recorded, ServiceProvider, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Value;
use crate::merge::Newest;
use crate::stamp::Stamp;

/// How many events with something unreadable a row names: the newest ones. A sender may always send such events.
const INCOMPLETE: usize = 10;

/// The provenance, merged over all events of a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Provenance {
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    user_id: Newest<UserId>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    service_provider: Newest<ServiceProvider>,
    recorded: Option<Span>,
    /// The events with fields or parts that could not be read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    incomplete: BTreeSet<Stamp>,
}

/// When a row's events were recorded, for display and for newest-first lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Span {
    first: First,
    /// When the last event was recorded, if later than the first.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "aggregates::moment::optional"
    )]
    last_at: Option<Timestamp>,
}

/// The event recorded first. Its position is the link to it, and breaks ties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct First {
    #[serde(with = "aggregates::moment")]
    at: Timestamp,
    position: Position,
}

impl First {
    fn is_before(&self, event: &Recorded) -> bool {
        (self.at, self.position) <= (event.recorded_at, event.position)
    }
}

impl Span {
    fn last_at(&self) -> Timestamp {
        self.last_at.unwrap_or(self.first.at)
    }
}

impl Provenance {
    /// Merges one of the row's events.
    pub(crate) fn observe(&mut self, event: &Recorded, stamp: &Stamp) {
        self.user_id.offer(stamp, event.order().and_then(OrderEvent::user_id));
        self.service_provider
            .offer(stamp, event.order().and_then(service_provider));
        if event.order().is_some_and(is_incomplete) {
            self.incomplete.insert(*stamp);
            if self.incomplete.len() > INCOMPLETE {
                self.incomplete.pop_first();
            }
        }
        let at = event.recorded_at;
        let last_at = self.recorded.as_ref().map_or(at, |span| span.last_at().max(at));
        let first = self.recorded.take().map(|span| span.first);
        let first = first.filter(|first| first.is_before(event)).unwrap_or(First {
            at,
            position: event.position,
        });
        let last_at = (last_at > first.at).then_some(last_at);
        self.recorded = Some(Span { first, last_at });
    }

    /// The positions of the newest events with fields or parts that could not be read.
    pub(crate) fn incomplete(&self) -> Vec<Position> {
        self.incomplete.iter().map(Stamp::position).collect()
    }

    /// The user in the newest event that names one.
    pub(crate) fn user_id(&self) -> Option<&UserId> {
        self.user_id.get()
    }

    /// The provider in the newest event that names one.
    pub(crate) fn service_provider(&self) -> Option<&ServiceProvider> {
        self.service_provider.get()
    }

    /// When the first event was recorded.
    pub(crate) fn first_recorded_at(&self) -> Option<Timestamp> {
        self.recorded.as_ref().map(|span| span.first.at)
    }

    /// When the last event was recorded.
    pub(crate) fn last_recorded_at(&self) -> Option<Timestamp> {
        self.recorded.as_ref().map(Span::last_at)
    }

    /// The position of the first event.
    pub(crate) fn first_position(&self) -> Option<Position> {
        self.recorded.as_ref().map(|span| span.first.position)
    }

    /// [`Self::user_id`] in SQL.
    pub(crate) fn user_column(&self) -> Value {
        self.user_id().map(UserId::as_str).into()
    }

    /// [`Self::service_provider`] in SQL.
    pub(crate) fn provider_column(&self) -> Value {
        self.service_provider().map(|provider| provider.0.as_str()).into()
    }

    /// [`Self::first_position`] in SQL.
    pub(crate) fn position_column(&self) -> Value {
        self.first_position().map(|position| Value::count(position.0)).into()
    }
}

fn is_incomplete(event: &OrderEvent) -> bool {
    !event.unreadable().is_empty() || !event.quarantined_parts().is_empty()
}

fn service_provider(event: &OrderEvent) -> Option<&ServiceProvider> {
    match event {
        OrderEvent::MailboxesAssigned(facts) => facts.service_provider.as_ref(),
        OrderEvent::AssignmentFailed(facts) => facts.service_provider.as_ref(),
        OrderEvent::MailboxCreated(facts) => facts.service_provider.as_ref(),
        OrderEvent::MailboxOrderAccepted(facts) | OrderEvent::MailboxOrderFailed(facts) => {
            facts.service_provider.as_ref()
        }
        other => other
            .as_subscription()
            .and_then(|facts| facts.service_provider.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assigned;

    fn observed(events: [&Recorded; 2]) -> Provenance {
        let mut provenance = Provenance::default();
        for event in events {
            provenance.observe(event, &Stamp::of(event));
        }
        provenance
    }

    #[test]
    fn events_recorded_in_the_same_microsecond_have_a_first_one_all_the_same() {
        let event = |id: &str, position| {
            let event = assigned(id, "O1").recorded("2025-10-27T20:00:00Z");
            event.at(Position(position))
        };
        let (a, b) = (event("E2", 1), event("E1", 2));
        assert_eq!(observed([&a, &b]), observed([&b, &a]));
        assert_eq!(observed([&a, &b]).first_position(), Some(a.position));
    }

    #[test]
    fn the_user_is_the_one_whom_the_newest_event_names() {
        let sent = |id: &str, user: &str, at: &str| assigned(id, "O1").user(user).sent(at).at(Position(1));
        let (old, new) = (
            sent("E2", "U1", "2025-10-27T20:00:00Z"),
            sent("E1", "U2", "2025-10-27T20:00:01Z"),
        );
        for events in [[&old, &new], [&new, &old]] {
            assert_eq!(observed(events).user_id().map(UserId::as_str), Some("U2"));
        }
    }
}
