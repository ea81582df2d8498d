//! The two stores behind one trait: PostgreSQL and SQLite, each written in its own dialect.
//!
//! Layout
//! - `event`: an event as it is written and as it is read back
//! - `consumer`: a named consumer of the feed
//! - `keys`: the wrapped data keys, the master key that wraps them, and the subjects they belong to
//! - `duty`, `lease`: what one process does for all, and the right to do it
//! - `outcome`: what a store tells of a projection's generations
//! - `parts`: statements of a bounded size
//! - `process`, `processes`: a running process and what it holds; what some of them lack
//! - `token`, `scope`: an API token, and what it may do
//! - `url`, `postgres_url`: where the database is
//! - `clock`: the log's time
//! - `tasks`: work that goes on beside its caller
//! - `query`: what can be asked of the event log and of a projection's rows
//! - `schema`: the database's objects against those that the migrations make
//! - `error`: what can go wrong, told apart by what a caller can do about it
//! - `trim`: keeping the write-ahead log small
//! - `nearest`: what a misspelt word was meant to be
//! - `mode`: what a store is opened for, and whether its schema is fit for that
//! - `tree`: the Merkle tree, its checkpoints, and the log as it stands, for an audit
//! - `postgres`, `sqlite`: the implementations
//!
//! The order of the log is total and gap-free: [`Store::append`] compares and sets the head in the same atomic step that
//! writes the rows, so a reader who has seen position *n* has seen everything up to *n*.

pub mod clock;
mod consumer;
mod duty;
mod error;
mod event;
mod keys;
mod lease;
mod mode;
pub mod nearest;
mod outcome;
mod parts;
mod postgres;
pub mod postgres_url;
mod process;
pub mod processes;
mod query;
mod schema;
mod scope;
mod sqlite;
pub mod tasks;
mod token;
mod tree;
mod trim;
pub mod url;

use std::ops::RangeInclusive;
use std::sync::Arc;

use aggregates::{ActorId, EventId, Position, Source, StreamId, SubjectId, TokenId};
use async_trait::async_trait;
use jiff::Timestamp;
use projections::Column;

pub use consumer::{Consumer, ConsumerName};
pub use duty::Duty;
pub use error::StoreError;
pub use event::{NewEvent, Reference, SealedSections, StoredEvent, StreamSnapshot};
pub use keys::{KeyStore, Mark, Rewrapped, SubjectState};
pub use lease::{Fence, Lease, LeaseState, TERM as LEASE_TERM};
pub use mode::Mode;
pub use outcome::{ParkedCount, Switch};
pub use postgres::PostgresStore;
pub use process::{GONE, Holds, Process, ProcessStore, SeenProcess};
pub use query::{
    Category, Comparison, Condition, Count, EventFilter, EventQuery, NamedBy, Parts, RowQuery, SortOrder, StoredRow,
};
pub use schema::{ObjectKind, SchemaCheck, SchemaFault};
pub use scope::{Scope, Scopes};
pub use sqlite::{SqliteStore, copy as copy_sqlite};
pub use token::{StoredToken, TOKEN_PREFIX, TokenHash};
pub use tree::{KeptCheckpoint, KeptKey, NewCheckpoint, Outline, RawEvent, RawHead, TreeHead, TreeStore};
pub use trim::{WriteAheadLog, keep_trimmed};

use crate::url::DatabaseUrl;
use sealing::WrappedKey;
use tlog::Growth;

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of the newest event; 0 while there is none.
    pub position: Position,
    /// When that event was recorded.
    pub recorded_at: Timestamp,
}

/// Where the log's time steps back: a clock had run ahead, and was set right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The first event behind the step.
    pub position: Position,
    /// When the event in front of it was recorded, by the clock that ran ahead.
    pub from: Timestamp,
    /// When it was recorded itself.
    pub to: Timestamp,
}

impl std::fmt::Display for ClockStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, from, to } = self;
        write!(
            f,
            "a clock that ran ahead was set back by {} s at position {position}: events in front of it are stamped as late as {from}, and \
             it is stamped {to}",
            from.duration_since(*to).as_secs()
        )
    }
}

/// The last part of the log that begins no later than $1, up to position $2, in both dialects.
const PART_AT: &str = "
    SELECT first, (SELECT min(position) FROM clock_steps WHERE position > first AND position <= $2) AS behind
    FROM (SELECT coalesce(max(position), 0) AS first FROM clock_steps WHERE stepped_to <= $1 AND position <= $2) AS part";

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
    /// Whether the batch that this one counts on is still under way. The store takes this one in after it, or refuses it: the
    /// tree has to be the one that was counted on, since another process may have brought the head to the same position.
    pub behind: bool,
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

/// The life of one generation of a projection's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GenerationState {
    /// Being filled beside the live one.
    Building,
    /// Read by everybody.
    Live,
    /// Replaced; its table is dropped once no reader can be in it.
    Retired,
    /// To become a snapshot: folded up to the position that it is wanted for.
    Filling,
    /// The rows as of its position. Never changes any more.
    Snapshot,
}

impl GenerationState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Retired => "retired",
            Self::Filling => "filling",
            Self::Snapshot => "snapshot",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "building" => Ok(Self::Building),
            "live" => Ok(Self::Live),
            "retired" => Ok(Self::Retired),
            "filling" => Ok(Self::Filling),
            "snapshot" => Ok(Self::Snapshot),
            other => Err(StoreError::Corrupt(format!("generation state {other:?}"))),
        }
    }
}

/// The table of a generation. Names come from the code, never from a user.
fn table_name(generation: &Generation) -> String {
    format!("{}_g{}", generation.name, generation.generation)
}

/// Rows that are copied in one transaction: each is over soon, so that nobody waits for it.
const COPIED_AT_ONCE: usize = 5_000;

/// The columns' names, comma-separated.
fn column_names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// One generation of a projection.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The projection.
    pub name: String,
    /// 1, 2, 3, … for each projection.
    pub generation: i64,
    /// The projection's `VERSION` that fills it.
    pub version: u32,
    /// Its checkpoint: everything up to here is folded in.
    pub position: Position,
    /// What it is used for.
    pub state: GenerationState,
    /// Whether the service itself fills it, and goes on with it after a restart; else a command does.
    pub by_service: bool,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// A change of one row of a projection.
pub struct RowChange {
    /// The row's key.
    pub key: String,
    /// Whether there is no such row yet. Only where that is certain: it is written without looking for one.
    pub is_new: bool,
    /// The new document and its columns, or none to remove the row.
    pub row: Option<(String, projections::Row)>,
}

impl RowChange {
    /// The new document.
    pub fn document(&self) -> Option<&str> {
        self.row.as_ref().map(|(document, _)| document.as_str())
    }
}

/// One step of a projection: rows and checkpoint move together.
pub struct Advance {
    /// The generation; its `position` is the checkpoint that the step was made from.
    pub from: Generation,
    /// The columns of its table.
    pub columns: &'static [Column],
    /// The new checkpoint.
    pub to: Position,
    /// The rows that change, in the order of their keys.
    pub changes: Vec<RowChange>,
    /// Rows that stand still from now on, since an event could not be folded into them.
    pub parked: Vec<Parked>,
    /// Rows that no longer do.
    pub unparked: Vec<String>,
    /// Rows whose events were passed over, since they stand still. If one no longer does, the step is refused.
    pub skipped: Vec<String>,
}

impl Advance {
    /// What becomes of the row with this key, if it changes.
    pub fn change(&self, key: &str) -> Option<&RowChange> {
        let found = self.changes.binary_search_by(|change| change.key.as_str().cmp(key));
        found.ok().map(|index| &self.changes[index])
    }

    /// How much is written, in bytes of documents.
    pub fn size(&self) -> usize {
        let documents = self.changes.iter().filter_map(RowChange::document);
        documents.map(str::len).sum()
    }
}

/// A row that stands still.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its key.
    pub key: String,
    /// The event that could not be folded. The row is the fold of those before it.
    pub position: Position,
    /// What was wrong.
    pub error: String,
}

/// A row that stands still, as the store has it.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// The projection.
    pub name: String,
    /// The generation.
    pub generation: i64,
    /// Since when.
    pub parked_at: Timestamp,
    /// The row.
    pub parked: Parked,
}

impl ParkedRow {
    /// Whether it is a row of the generation.
    pub fn is_of(&self, generation: &Generation) -> bool {
        self.name == generation.name && self.generation == generation.generation
    }
}

/// A row that is not the same in two generations: document and columns as JSON text, none where the row is missing.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Difference {
    /// The row's key.
    pub key: String,
    /// As it is read today.
    pub live: Option<String>,
    /// As the rebuild made it.
    pub rebuilt: Option<String>,
}

/// The right to append next, and the events that were asked for.
pub type TakenFloor<'a> = (Box<dyn Floor + 'a>, Vec<StoredEvent>);

/// The right to append next. While it is held nobody else appends, so the end of the log stays where it is.
#[async_trait]
pub trait Floor: Send {
    /// Appends a batch, or finds that it cannot be, as [`Store::append`] does, and gives up the right.
    async fn append(self: Box<Self>, batch: &Batch<'_>) -> Result<Append, StoreError>;

    /// Gives it up.
    async fn leave(self: Box<Self>);
}

/// A database that holds the event log, the wrapped data keys and the projections' rows.
#[async_trait]
pub trait Store: KeyStore + ProcessStore + TreeStore {
    /// Whether an append would succeed, as far as that can be told without one: what it needs is tried, and reaches the disk.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Compares tables, keys, triggers, functions and views with what the migrations and the projections make. Objects beside them are
    /// left alone.
    async fn check_schema(&self) -> Result<SchemaCheck, StoreError>;

    /// Lets go of all connections; SQLite moves its write-ahead log into the database file.
    async fn close(&self);

    /// Makes a file small again into which changes are written before they enter the database, and tells how large it is; none
    /// where there is no such file. Nobody waits for it. While the ledger is `idle` it is emptied however small it is.
    async fn trim(&self, _idle: bool) -> Result<Option<WriteAheadLog>, StoreError> {
        Ok(None)
    }

    /// The end of the log.
    async fn head(&self) -> Result<Head, StoreError>;

    /// The newest `limit` places up to a position at which the log's time steps back, the newest first.
    async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError>;

    /// The part of the log up to `head`, between two steps back of its time or at its end, in which a moment lies: the last one that begins
    /// no later. The first position of it and the one behind its last; what comes before the first step is the part of every earlier moment.
    async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError>;

    /// How much may be written at once: as many batches of events, each behind the one before.
    fn lanes(&self) -> usize {
        1
    }

    /// Appends a batch: all of it, durably, or nothing. Batches under way at once are appended in the order of the calls.
    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError>;

    /// Waits for the right to append next, while nothing of this process is under way, and reads the events after a position
    /// that are there by then, with their leaf hashes, at most `limit`. None where processes do not wait for each other in
    /// the order of asking.
    async fn floor(&self, _after: Position, _limit: u32) -> Result<Option<TakenFloor<'_>>, StoreError> {
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

    /// The wrapped data key of a reserved subject; `offer` is stored and returned if there is none yet.
    async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// All generations of all projections.
    async fn generations(&self) -> Result<Vec<Generation>, StoreError>;

    /// Makes a table for a new generation with its checkpoint at 0. A projection's first one is live at once and gets
    /// the stable view; a later one is building. If one is building already, that one is returned.
    async fn create_generation(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError>;

    /// Makes what indexes a generation still lacks that was filled without readers, and is to have some.
    async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError>;

    /// The documents of the rows with these keys in a generation.
    async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError>;

    /// Moves projections on, all of them in one transaction. `false`, and nothing written, if a checkpoint is not
    /// where it was, or a row that was passed over does not stand still any more: another process was faster.
    /// [`StoreError::Overtaken`], and nothing written, if somebody else has taken over the lease that it is done `under`.
    async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError>;

    /// The rows that stand still, of all generations.
    async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError>;

    /// How many rows stand still in each generation in which some do.
    async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError>;

    /// Those of the keys whose rows stand still in a generation.
    async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError>;

    /// Writes down that a building generation is filled by the service itself, which goes on with it after a restart.
    async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError>;

    /// Makes a building generation live and retires the one before, in one transaction, provided that the building one
    /// is not behind the live one and that no reader holds the stable view.
    async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError>;

    /// Makes a table for a snapshot, filling, with its checkpoint at 0.
    async fn create_snapshot(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError>;

    /// Copies rows and checkpoint of a snapshot into an empty filling one, some thousand rows a transaction.
    async fn copy_snapshot(
        &self,
        from: &Generation,
        into: &Generation,
        columns: &'static [Column],
    ) -> Result<(), StoreError>;

    /// Gives a generation that is neither live nor building another state: of a snapshot's life, or retired.
    async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError>;

    /// Drops a generation that is not live, with its table; [`StoreError::Locked`], and nothing dropped, while somebody
    /// is reading that.
    async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError>;

    /// The rows in which two generations differ, at most `limit`. None if their checkpoints are not the same, since
    /// then they may well differ.
    async fn differences(
        &self,
        live: &Generation,
        rebuilt: &Generation,
        columns: &'static [Column],
        limit: u32,
    ) -> Result<Option<Vec<Difference>>, StoreError>;

    /// How many rows a generation has. Written down by every step, so this reads one row; a generation from before
    /// that is counted once.
    async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError>;

    /// The lease on a duty; none while another process has it.
    async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError>;

    /// All leases that were ever taken.
    async fn leases(&self) -> Result<Vec<LeaseState>, StoreError>;

    /// All named consumers, by name.
    async fn consumers(&self) -> Result<Vec<Consumer>, StoreError>;

    /// One of them.
    async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError>;

    /// Makes a consumer of this owner with its checkpoint at `position`, or sets the filter of the one that is there and leaves
    /// its checkpoint and its owner alone. Tells whether it is new.
    async fn put_consumer(
        &self,
        name: &ConsumerName,
        filter: &EventFilter,
        position: Position,
        owner: Option<&ActorId>,
    ) -> Result<bool, StoreError>;

    /// Moves a consumer's checkpoint if it stands within `from`. `false`, and nothing changed, if it does not, or if
    /// there is no such consumer. [`StoreError::Overtaken`] if somebody else has taken over the lease that it is done `under`.
    async fn commit(
        &self,
        name: &ConsumerName,
        from: RangeInclusive<Position>,
        to: Position,
        under: Option<Fence>,
    ) -> Result<bool, StoreError>;

    /// Notes that a consumer is there now.
    async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError>;

    /// Forgets a consumer. Tells whether there was one.
    async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError>;

    /// Keeps a new token.
    async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError>;

    /// All tokens, those that are no longer good included, in the order in which they were made.
    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError>;

    /// The token with this hash.
    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError>;

    /// Revokes a token. `false`, and nothing changed, if there is no such token or it was revoked before.
    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError>;

    /// Notes that a token was used then.
    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError>;

    /// Rows of a projection: of its live generation, unless the query names another.
    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError>;

    /// How many rows there are for each value of a column, most first.
    async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError>;
}

/// Opens the store that a URL names.
///
/// # Errors
/// [`StoreError`] if it cannot be reached; [`StoreError::NoLedger`] or [`StoreError::Unsuitable`] if it is not fit for what it is opened for.
pub async fn open(url: &DatabaseUrl, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        DatabaseUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path, mode).await?)),
        DatabaseUrl::Postgres(url) => Ok(Arc::new(PostgresStore::open(url, mode).await?)),
    }
}
