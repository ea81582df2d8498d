//! The two stores behind one trait: PostgreSQL and SQLite, each written in its own dialect.
//!
//! Layout
//! - `topic`: how the parts of the trait are declared
//! - `log`, `event`: the event log; an event as written and as read back
//! - `clock_steps`, `clock`: where the log's time decreases; the time itself
//! - `emails`: which events have an e-mail address, by keyed hashes
//! - `tree`: the Merkle tree, its checkpoints, and the unchecked rows of the log, for an audit
//! - `keys`: the wrapped data keys, the master key that wraps them, and the subjects they belong to
//! - `generation`, `parked`: the projections' generations, and their parked rows
//! - `head`: the head of the log
//! - `query`: queries on the event log and on a projection's rows
//! - `consumer`: a named consumer of the feed
//! - `delivery`, `refused`: what came and how it was answered; refused webhooks that are kept aside
//! - `token`, `scope`: an API token, and its scopes
//! - `duty`, `lease`: the work that one process does for all, and the right to do it
//! - `process`, `processes`: a running process and the keys it holds; the processes that lack some
//! - `upkeep`, `schema`, `trim`: database maintenance; the schema compared with the migrations'; a small write-ahead
//!   log
//! - `url`, `postgres_url`, `mode`: where the database is, the mode it is opened in, and whether its schema fits that
//!   mode
//! - `error`: store errors, distinguished by how a caller can react
//! - `parts`, `tasks`, `nearest`: statements of a bounded size; background tasks; corrections of misspelt words
//! - `postgres`, `sqlite`: the implementations
//! - `both/`: code shared by both except for the driver's types: each file is compiled as a module of `postgres` and as
//!   one of `sqlite`, and `super` has the driver's types, `SqlStore` for the store, and the parts that differ by
//!   dialect
//!
//! The order of the log is total and gap-free: [`LogStore::append`] compares and sets the head in the same atomic step
//! that writes the rows, so a reader that has seen position *n* has seen everything up to *n*.

#[macro_use]
mod topic;

pub mod clock;
mod clock_steps;
mod consumer;
mod delivery;
mod duty;
mod emails;
mod error;
mod event;
mod generation;
mod head;
mod keys;
mod lease;
mod log;
mod mode;
pub mod nearest;
mod parked;
mod parts;
mod postgres;
pub mod postgres_url;
mod process;
pub mod processes;
mod query;
mod refused;
mod schema;
mod scope;
mod sqlite;
pub mod tasks;
mod token;
mod tree;
mod trim;
mod upkeep;
pub mod url;

use std::sync::Arc;

pub use clock_steps::{ClockStep, ClockStepStore};
pub use consumer::{Consumer, ConsumerName, ConsumerStore};
pub use delivery::{About, Delivery, DeliveryOutcome, DeliveryQuery, DeliveryStore, NewDelivery};
pub use duty::Duty;
pub use emails::{EmailRef, EmailStore};
pub use error::StoreError;
pub use event::{NewEvent, Reference, SealedSections, StoredEvent};
pub use generation::{Advance, Difference, Generation, GenerationState, GenerationStore, Parked, RowChange, Switch};
pub use head::Head;
pub use keys::{KeyStore, Mark, Rewrapped, SubjectState};
pub use lease::{Fence, Lease, LeaseState, LeaseStore, TERM as LEASE_TERM};
pub use log::{Append, AppendLock, Batch, Found, Locked, LogStore, Lookup};
pub use mode::Mode;
pub use parked::{ParkedCount, ParkedRow, ParkedStore};
pub use postgres::PostgresStore;
pub use process::{GONE, Holds, Process, ProcessStore, SeenProcess};
pub use query::{
    Category, Comparison, Condition, Count, EventFilter, EventQuery, NamedBy, Parts, RowQuery, RowStore, SortOrder,
    StoredRow, Sum, SumColumns,
};
pub use refused::{KeptRefused, RefusedBounds, RefusedStore, RefusedWebhook};
pub use schema::{ObjectKind, SchemaCheck, SchemaFault};
pub use scope::{Scope, Scopes};
pub use sqlite::{SqliteStore, copy as copy_sqlite};
pub use token::{StoredToken, TOKEN_PREFIX, TokenHash, TokenStore};
pub use topic::Wraps;
pub use tree::{
    CheckpointStore, KeptCheckpoint, KeptKey, NewCheckpoint, Outline, RawEvent, RawHead, TreeHead, TreeStore,
};
pub use trim::{WriteAheadLog, keep_trimmed};
pub use upkeep::UpkeepStore;

use crate::url::DatabaseUrl;

/// A database that holds the event log, the wrapped data keys and the projections' rows: the sum of its parts.
pub trait Store:
    LogStore
    + ClockStepStore
    + EmailStore
    + CheckpointStore
    + KeyStore
    + GenerationStore
    + ParkedStore
    + RowStore
    + ConsumerStore
    + DeliveryStore
    + RefusedStore
    + TokenStore
    + LeaseStore
    + ProcessStore
    + UpkeepStore
{
}

/// Opens the store at a URL.
///
/// # Errors
/// [`StoreError`] if it cannot be reached; [`StoreError::NoLedger`] or [`StoreError::Unsuitable`] if it does not fit
/// the mode.
pub async fn open(url: &DatabaseUrl, mode: Mode) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        DatabaseUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path, mode).await?)),
        DatabaseUrl::Postgres(url) => Ok(Arc::new(PostgresStore::open(url, mode).await?)),
    }
}
