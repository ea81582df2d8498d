//! What the writer remembers between batches. Always true up to the head that it stands for: whatever another process
//! appends is caught up with before the next batch is decided.

use std::num::NonZeroUsize;

use aggregates::{Event, EventId, Order, Position, Recorded, Source, StreamId};
use cqrs_es::Aggregate;
use lru::LruCache;

use super::body_hash::BodyHash;
use crate::store::Reference;

// these unwraps are done by the compiler: a zero would not build

/// How many streams are kept folded.
const STREAMS: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// How many recent event ids are kept: enough for every repeat that a sender's retries make within minutes.
const RECENT: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// How many references are kept.
const REFERENCES: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// A stream, folded.
#[derive(Clone, Default)]
pub(super) struct StreamState {
    /// The version of its newest event; 0 if it has none.
    pub(super) version: u32,
    /// The version of its newest snapshot that is known of here; 0 if there is none.
    pub(super) kept: u32,
    /// The fold.
    pub(super) order: Order,
}

impl StreamState {
    /// Folds one more event in.
    pub(super) fn apply(&mut self, event: Recorded) {
        self.version = event.version;
        if let Event::Order(event) = event.event {
            self.order.apply(event);
        }
    }
}

/// Where an event id was seen.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    /// Of the body; unknown for an event that another process recorded.
    pub(super) body_hash: Option<BodyHash>,
}

pub(super) struct Cache {
    pub(super) streams: LruCache<StreamId, StreamState>,
    pub(super) recent: LruCache<(Source, EventId), Seen>,
    pub(super) references: LruCache<Reference, StreamId>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            streams: LruCache::new(STREAMS),
            recent: LruCache::new(RECENT),
            references: LruCache::new(REFERENCES),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
        self.recent.clear();
        self.references.clear();
    }

    /// Takes in an event that another process has appended.
    pub(super) fn observe(&mut self, event: Recorded) {
        let seen = Seen {
            position: event.position,
            stream: event.stream.clone(),
            body_hash: None,
        };
        self.recent.put((event.source.clone(), event.event_id.clone()), seen);
        for reference in event.order().map(Reference::leading).unwrap_or_default() {
            self.references.put(reference, event.stream.clone());
        }
        if event.version == 1 && event.order().is_some() {
            // all of its stream, so its next event can be decided on
            self.streams.put(event.stream.clone(), StreamState::default());
        }
        if let Some(state) = self.streams.get_mut(&event.stream) {
            state.apply(event);
        }
    }
}
