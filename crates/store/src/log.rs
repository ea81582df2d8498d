//! The event log: appending to it, and reading it.

use aggregates::{EventId, Position, Source, StreamId, SubjectId};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{EventQuery, Head, NewEvent, Reference, StoreError, StoredEvent, StreamSnapshot};
use crate::tree::number;
use sealing::WrappedKey;
use tlog::Growth;

/// A position as the databases have it. They count in i64 themselves, so none is ever beyond it.
pub(super) fn to_i64(position: Position) -> i64 {
    number(position.0)
}

/// Events to append in one atomic step.
pub struct Batch<'a> {
    /// The head that the batch was decided on; the append is refused if the log has moved on.
    pub expected: Head,
    /// When the events are recorded; before `expected.recorded_at` only where the clock was set back ([`crate::clock::stamp`]), which the
    /// store notes.
    pub recorded_at: Timestamp,
    /// The events, for the positions `expected.position + 1, …`.
    pub events: &'a [NewEvent],
    /// Wrapped data keys of subjects that had none.
    pub keys: &'a [(SubjectId, Vec<u8>)],
    /// What the events add to the Merkle tree.
    pub tree: &'a Growth,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// Everything is durable.
    Done,
    /// Nothing was written: another process appended in between.
    LostRace,
    /// Nothing was written: an event id, a stream's version or a subject's key is already there.
    Conflict,
}

/// What the ledger asks of the log when its caches don't know.
#[derive(Default)]
pub struct Lookup {
    /// Which of these events are recorded?
    pub events: Vec<(Source, EventId)>,
    /// Which streams do these references lead to?
    pub references: Vec<Reference>,
    /// What are these subjects' wrapped data keys?
    pub subjects: Vec<SubjectId>,
}

/// The answers to a [`Lookup`]. What is missing is not recorded.
#[derive(Default)]
pub struct Found {
    /// Recorded events: position and stream.
    pub events: Vec<(Source, EventId, Position, StreamId)>,
    /// Streams that carry a reference, oldest first. A reference is a hash: what it leads to has to be checked.
    pub references: Vec<(Reference, StreamId)>,
    /// Wrapped data keys.
    pub keys: Vec<WrappedKey>,
}

/// The append lock, and the events that were asked for.
pub type Locked<'a> = (Box<dyn AppendLock + 'a>, Vec<StoredEvent>);

/// The right to append next. While it is held nobody else appends, so the end of the log stays where it is.
#[async_trait]
pub trait AppendLock: Send {
    /// Appends a batch, or finds that it cannot be, as [`LogStore::append`] does, and gives up the right.
    async fn append(self: Box<Self>, batch: &Batch<'_>) -> Result<Append, StoreError>;

    /// Gives it up.
    async fn release(self: Box<Self>);
}

/// The part of a [`Store`](super::Store) that is the event log.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// The end of the log.
    async fn head(&self) -> Result<Head, StoreError>;

    /// How many transactions may write at once.
    fn writers(&self) -> usize {
        1
    }

    /// Appends a batch: all of it, durably, or nothing.
    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError>;

    /// Waits for the right to append next, while nothing of this process is in flight, and reads the events after a position
    /// that are there by then, with their leaf hashes, at most `limit`. None where processes do not wait for each other in
    /// the order of asking.
    async fn append_lock(&self, _after: Position, _limit: u32) -> Result<Option<Locked<'_>>, StoreError> {
        Ok(None)
    }

    /// Answers what the ledger's caches don't know.
    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError>;

    /// All events of these streams, without sealed sections, in the order of their positions.
    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError>;

    /// The events of these streams from their snapshots on, with their leaf hashes, in the order of their positions: of a stream
    /// that has none, all of them. With the event at whose version a snapshot was taken comes the snapshot; one that was taken at
    /// none of the stream's versions counts as none.
    async fn resume(&self, streams: &[StreamId]) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError>;

    /// Keeps snapshots of streams, each of another one, instead of those that are kept. A crash may bring back the ones before.
    /// Gives up soon if somebody is in the way.
    async fn keep_snapshots(&self, snapshots: &[StreamSnapshot]) -> Result<(), StoreError>;

    /// Events in the order of their positions.
    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError>;

    /// The events at these positions, with their sealed sections.
    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError>;
}
