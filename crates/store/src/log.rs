//! The event log: appending to it, and reading it.

use aggregates::{EventId, Position, Source, StreamId, SubjectId};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{EventQuery, Head, NewEvent, Reference, StoreError, StoredEvent};
use crate::tree::number;
use sealing::WrappedKey;
use tlog::Growth;

/// A position as a database integer. Databases count in i64 themselves, so no position exceeds it.
pub(super) fn to_i64(position: Position) -> i64 {
    number(position.0)
}

/// Events to append in one atomic step.
pub struct Batch<'a> {
    /// The head that the batch was decided on; the append is refused if the log has moved on.
    pub expected: Head,
    /// When the events are recorded; earlier than `expected.recorded_at` only if the clock was set back
    /// ([`crate::clock::stamp`]), which the store notes.
    pub recorded_at: Timestamp,
    /// The events, for the positions `expected.position + 1, …`.
    pub events: &'a [NewEvent],
    /// Wrapped data keys of subjects that had none.
    pub keys: &'a [(SubjectId, Vec<u8>)],
    /// The nodes that the events add to the Merkle tree.
    pub tree: &'a Growth,
}

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// Everything is durable.
    Done,
    /// Nothing was written: another process appended in between.
    LostRace,
    /// Nothing was written: an event id, a stream's version or a subject's key is already there.
    Conflict,
}

/// A query of the ledger for what its caches lack.
#[derive(Default)]
pub struct Lookup {
    /// Which of these events are recorded?
    pub events: Vec<(Source, EventId)>,
    /// Which streams do these references lead to?
    pub references: Vec<Reference>,
    /// What are these subjects' wrapped data keys?
    pub subjects: Vec<SubjectId>,
}

/// The answers to a [`Lookup`]. An entry without an answer is not recorded.
#[derive(Default)]
pub struct Found {
    /// Recorded events: position and stream.
    pub events: Vec<(Source, EventId, Position, StreamId)>,
    /// Streams with such a reference, oldest first. References are hashes, so the caller checks each stream.
    pub references: Vec<(Reference, StreamId)>,
    /// Wrapped data keys.
    pub keys: Vec<WrappedKey>,
}

/// The append lock, and the events read under it.
pub type Locked<'a> = (Box<dyn AppendLock + 'a>, Vec<StoredEvent>);

/// The right to append next. While it is held no other process appends, so the head does not move.
#[async_trait]
pub trait AppendLock: Send {
    /// Appends a batch, with the results of [`LogStore::append`], and releases the lock.
    async fn append(self: Box<Self>, batch: &Batch<'_>) -> Result<Append, StoreError>;

    /// Releases the lock.
    async fn release(self: Box<Self>);
}

/// The part of a [`Store`](super::Store) that is the event log.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// The head of the log.
    async fn head(&self) -> Result<Head, StoreError>;

    /// How many transactions may write at once.
    fn writers(&self) -> usize {
        1
    }

    /// Appends a batch: all of it, durably, or nothing.
    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError>;

    /// Waits for the append lock, while nothing of this process is in flight, and then reads the events after a
    /// position, with their leaf hashes, at most `limit`. None if the store has no append lock.
    async fn append_lock(&self, _after: Position, _limit: u32) -> Result<Option<Locked<'_>>, StoreError> {
        Ok(None)
    }

    /// Looks up what the ledger's caches lack.
    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError>;

    /// All events of these streams, without sealed sections, in the order of their positions.
    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError>;

    /// Events in the order of their positions.
    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError>;

    /// The events at these positions, with their sealed sections.
    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError>;
}
