//! A recorded event: the envelope that projections fold over.

use jiff::Timestamp;

use crate::{AccessEvent, Event, EventId, OrderEvent, Position, Source, StreamId, SubjectId};

/// One recorded event.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its position in the ledger.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream: 1, 2, 3, …
    pub version: u32,
    /// The source that sent it.
    pub source: Source,
    /// The sender's event id.
    pub event_id: EventId,
    /// When it was appended, UTC, in microseconds. Decreases with the position only if a clock was set back.
    pub recorded_at: Timestamp,
    /// The subject of its sealed sections.
    pub subject: SubjectId,
    /// The event itself.
    pub event: Event,
}

impl Recorded {
    /// The event as an order's, if it is one.
    pub fn order(&self) -> Option<&OrderEvent> {
        self.event.as_order()
    }

    /// The event as an access event, if it is one.
    pub fn access(&self) -> Option<&AccessEvent> {
        self.event.as_access()
    }

    /// The best known time of the event: when the provider sent it, else when it was recorded.
    pub fn happened_at(&self) -> Timestamp {
        self.event.sent_at().unwrap_or(self.recorded_at)
    }
}
