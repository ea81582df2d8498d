//! An event as the ledger holds it: the envelope that projections fold over.

use jiff::Timestamp;

use crate::{AccessEvent, Event, EventId, OrderEvent, Position, Source, StreamId, SubjectId};

/// One recorded event.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its place in the whole ledger.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream: 1, 2, 3, …
    pub version: u32,
    /// Who sent it.
    pub source: Source,
    /// The sender's id of it.
    pub event_id: EventId,
    /// When it was appended, UTC, in microseconds. Never decreases with the position.
    pub recorded_at: Timestamp,
    /// Whom its sealed sections are about.
    pub subject: SubjectId,
    /// What happened.
    pub event: Event,
}

impl Recorded {
    /// What the provider reported, if it is that.
    pub fn order(&self) -> Option<&OrderEvent> {
        self.event.as_order()
    }

    /// What somebody did with the ledger, if it is that.
    pub fn access(&self) -> Option<&AccessEvent> {
        self.event.as_access()
    }

    /// The best that is known of when it happened: when the provider sent it, else when it was recorded.
    pub fn happened_at(&self) -> Timestamp {
        self.event.sent_at().unwrap_or(self.recorded_at)
    }
}
