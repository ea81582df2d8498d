//! The writer's cache between batches. It is exact up to the writer's head: events of other processes are caught up
//! with before the next batch is decided.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use aggregates::{Event, EventId, Order, Position, Recorded, Source, StreamId};
use cqrs_es::Aggregate;
use foldhash::fast::RandomState;
use lru::LruCache;

use super::body_hash::BodyHash;
use store::Reference;

// these unwraps are done by the compiler: a zero would not build

/// How many streams are kept folded.
const STREAMS: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// How many recent event ids are kept: enough for the repeats that a sender's retries make within minutes.
const RECENT: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// How many references are kept, at least half of them at any time.
const REFERENCES: usize = 100_000;

/// A stream, folded.
#[derive(Clone, Default)]
pub(super) struct StreamState {
    /// The version of its newest event; 0 if it has none.
    pub(super) version: u32,
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
pub(super) struct RecordedId {
    pub(super) position: Position,
    pub(super) stream: StreamId,
    /// Of the body; unknown for an event that another process recorded.
    pub(super) body_hash: Option<BodyHash>,
}

/// Which stream each reference leads to. Every batch adds many, and each is rarely looked up, so the older half is
/// forgotten at once and no order is kept.
pub(super) struct References {
    newer: HashMap<Reference, StreamId, RandomState>,
    older: HashMap<Reference, StreamId, RandomState>,
    half: usize,
}

impl References {
    fn new(capacity: usize) -> Self {
        let half = capacity / 2;
        Self {
            newer: HashMap::with_capacity_and_hasher(half, RandomState::default()),
            older: HashMap::with_capacity_and_hasher(half, RandomState::default()),
            half,
        }
    }

    /// The stream that a reference leads to, if it is cached.
    pub(super) fn get(&self, reference: Reference) -> Option<&StreamId> {
        self.newer.get(&reference).or_else(|| self.older.get(&reference))
    }

    /// Caches the stream that a reference leads to.
    pub(super) fn put(&mut self, reference: Reference, stream: StreamId) {
        if self.newer.len() >= self.half {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        self.newer.insert(reference, stream);
    }

    fn clear(&mut self) {
        self.newer.clear();
        self.older.clear();
    }
}

pub(super) struct Cache {
    pub(super) streams: LruCache<StreamId, StreamState>,
    pub(super) recent: LruCache<(Source, EventId), RecordedId>,
    pub(super) references: References,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            streams: LruCache::new(STREAMS),
            recent: LruCache::new(RECENT),
            references: References::new(REFERENCES),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
        self.recent.clear();
        self.references.clear();
    }

    /// Takes in an event that another process appended.
    pub(super) fn observe(&mut self, event: Recorded) {
        let seen = RecordedId {
            position: event.position,
            stream: event.stream.clone(),
            body_hash: None,
        };
        self.recent.put((event.source.clone(), event.event_id.clone()), seen);
        for reference in event.order().map(Reference::leading).unwrap_or_default() {
            self.references.put(reference, event.stream.clone());
        }
        if event.version == 1 && event.order().is_some() {
            // version 1 is the whole stream, so its next event can be decided on
            self.streams.put(event.stream.clone(), StreamState::default());
        }
        if let Some(state) = self.streams.get_mut(&event.stream) {
            state.apply(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(number: i64) -> StreamId {
        StreamId::parse(&format!("order-{number}")).unwrap()
    }

    #[test]
    fn the_newest_half_of_the_references_is_kept_and_no_more_than_all() {
        let mut references = References::new(10);
        for number in 1..=100 {
            references.put(Reference(number), stream(number));
            for kept in (number - 4).max(1)..=number {
                assert_eq!(references.get(Reference(kept)), Some(&stream(kept)), "of {number}");
            }
            assert_eq!(references.get(Reference(number - 10)), None, "of {number}");
        }
        // the later put counts
        references.put(Reference(98), stream(7));
        assert_eq!(references.get(Reference(98)), Some(&stream(7)));
        references.clear();
        assert_eq!(references.get(Reference(100)), None);
    }
}
