//! The store on PostgreSQL: production, any number of service processes on one database.
//!
//! Layout
//! - `connect`: from the URL to the driver's options
//! - `log`: the event log, references and data keys
//! - `checkpoints`: the log's origin, keys and checkpoints
//! - `clock_steps`: where the log's time steps back
//! - `consumers`: named consumers of the feed
//! - `generations`: the projections' tables and checkpoints
//! - `keys`: the wrapped data keys, the master key that wraps them, and the subjects they belong to
//! - `lease`: the right to do what one process does for all
//! - `parked`: rows that stand still
//! - `processes`: the processes that are running
//! - `rows`: reading the projections' rows
//! - `schema`: the objects that are there, against those that should be
//! - `snapshots`: rows as of an earlier position
//! - `steps`: moving projections on
//! - `tokens`: API tokens
//! - `tree`: the Merkle tree, and the log as it stands, for an audit

mod checkpoints;
mod clock_steps;
mod connect;
mod consumers;
mod copy;
mod floor;
mod generations;
mod keys;
mod lease;
mod log;
mod parked;
mod processes;
mod rows;
mod schema;
mod snapshots;
mod steps;
mod stream_snapshots;
mod tokens;
mod tree;

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use aggregates::{ActorId, Position, StreamId, SubjectId, TokenId};
use async_trait::async_trait;
use jiff::Timestamp;
use projections::Column;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{
    Advance, Append, Batch, ClockStep, Consumer, ConsumerName, Count, Difference, Duty, EventFilter, EventQuery, Found,
    Generation, GenerationState, Head, KeptCheckpoint, KeptKey, Lease, Lookup, NewCheckpoint, Outline, ParkedCount,
    ParkedRow, RawEvent, Reference, RowQuery, SchemaCheck, Store, StoreError, StoredEvent, StoredRow, StoredToken,
    StreamSnapshot, Switch, TakenFloor, TreeHead, TreeStore,
};
use crate::access::TokenHash;
use crate::settings::PostgresUrl;
use crate::tlog::{Growth, Hash};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a statement waits for a connection before the store counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Batches under way at once: while one is flushed to disk, the rows of the next are written. A third would only wait.
const LANES: u32 = 2;

/// Settings of the connections that append: a process that holds the head and stops in its tracks does not hold up the others
/// for longer; and bytes as text are of the one kind that the driver reads.
const WRITER: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "2s"), ("bytea_output", "hex")];

/// The store on PostgreSQL.
pub struct PostgresStore {
    /// For the writer alone, so that readers never make it wait.
    writer: PgPool,
    turns: log::Turns,
    /// For everything else. Plans are made afresh for each execution: one made while a table was empty would scan it
    /// for ever.
    pool: PgPool,
    /// What the migrations make, once somebody has asked.
    expected: OnceCell<schema::Expected>,
}

impl PostgresStore {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached or migrated.
    pub async fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        url.check_certificates()?;
        // a URL has one server at least
        let options = url.connect_options().swap_remove(0);
        // compiling a statement, or starting workers for it, takes longer than any of ours, and guesses about arrays make
        // PostgreSQL try
        let options = options.options([("jit", "off"), ("max_parallel_workers_per_gather", "0")]);
        // a pool says only that it got no connection in time, a connection says why
        let mut first = match timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected?,
            Err(_) => return Err(StoreError::Unavailable(format!("no answer within {ACQUIRE_TIMEOUT:?}"))),
        };
        tell_of_migrations(&mut first).await?;
        MIGRATIONS.run(&mut first).await?;
        first.close().await?;
        let pool_options = || PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        // no round trip before each append to see whether the connection still works: the ledger looks up what an
        // append that failed has come to, and tries again
        let writer = pool_options()
            .max_connections(LANES)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(log::prepare(connection)))
            .connect_with(options.clone().options(WRITER))
            .await?;
        let pool = pool_options()
            .max_connections(8)
            // a part of a step (4 MiB and its columns) is to stay in memory while it is written
            .connect_with(options.options([("plan_cache_mode", "force_custom_plan"), ("work_mem", "16MB")]))
            .await?;
        Ok(Self {
            writer,
            turns: log::Turns::new(),
            pool,
            expected: OnceCell::new(),
        })
    }
}

/// Says so where a ledger of an earlier version is brought up to date: in a large one that may take a while, and nobody is answered meanwhile.
async fn tell_of_migrations(connection: &mut PgConnection) -> Result<(), StoreError> {
    let found = sqlx::query_scalar("SELECT version FROM _sqlx_migrations");
    let found: Vec<i64> = match found.fetch_all(connection).await.map_err(StoreError::from) {
        // a database that is new
        Err(error) if error.is_missing_table() => Vec::new(),
        found => found?,
    };
    let due = MIGRATIONS.iter().map(|migration| migration.version);
    let due = due.filter(|version| !found.contains(version)).max();
    if let Some((from, to)) = found.iter().max().zip(due) {
        tracing::info!(
            from,
            to,
            "the ledger is of an earlier version: its tables are changed, which may take a while"
        );
    }
    Ok(())
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError> {
        clock_steps::newest(&self.pool, until, limit).await
    }

    async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError> {
        clock_steps::part_at(&self.pool, time, head).await
    }

    async fn check_schema(&self) -> Result<SchemaCheck, StoreError> {
        let expected = self.expected.get_or_try_init(|| schema::expected(&self.pool)).await?;
        schema::check(&self.pool, expected).await
    }

    async fn close(&self) {
        self.pool.close().await;
        self.turns.close();
        self.writer.close().await;
    }

    async fn head(&self) -> Result<Head, StoreError> {
        log::head(&self.pool).await
    }

    fn lanes(&self) -> usize {
        LANES as usize
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        log::append(&self.writer, &self.turns, batch).await
    }

    async fn floor(&self, after: Position, limit: u32) -> Result<Option<TakenFloor<'_>>, StoreError> {
        let (held, events) = floor::take(&self.writer, &self.turns, after, limit).await?;
        Ok(Some((Box::new(held), events)))
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        log::lookup(&self.pool, lookup).await
    }

    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
        log::streams(&self.pool, streams).await
    }

    async fn resume(&self, streams: &[StreamId]) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError> {
        stream_snapshots::resume(&self.pool, streams).await
    }

    async fn keep_snapshots(&self, snapshots: &[StreamSnapshot]) -> Result<(), StoreError> {
        stream_snapshots::keep(&self.pool, snapshots).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        log::events(&self.pool, query).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        log::events_at(&self.pool, positions).await
    }

    async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError> {
        log::reserved_key(&self.pool, subject, offer).await
    }

    async fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        generations::all(&self.pool).await
    }

    async fn create_generation(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        generations::create(&self.pool, name, version, columns).await
    }

    async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError> {
        generations::index(&self.pool, generation, columns).await
    }

    async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        generations::documents(&self.pool, generation, keys).await
    }

    async fn advance(&self, steps: &[Advance]) -> Result<bool, StoreError> {
        steps::advance(&self.pool, steps).await
    }

    async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError> {
        parked::all(&self.pool).await
    }

    async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError> {
        parked::counts(&self.pool).await
    }

    async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError> {
        parked::among(&self.pool, generation, keys).await
    }

    async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError> {
        generations::entrust(&self.pool, building).await
    }

    async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError> {
        generations::switch(&self.pool, building, columns).await
    }

    async fn create_snapshot(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        snapshots::create(&self.pool, name, version, columns).await
    }

    async fn copy_snapshot(
        &self,
        from: &Generation,
        into: &Generation,
        columns: &'static [Column],
    ) -> Result<(), StoreError> {
        snapshots::copy(&self.pool, from, into, columns).await
    }

    async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError> {
        snapshots::set_state(&self.pool, generation, state).await
    }

    async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        generations::drop(&self.pool, generation).await
    }

    async fn differences(
        &self,
        live: &Generation,
        rebuilt: &Generation,
        columns: &'static [Column],
        limit: u32,
    ) -> Result<Option<Vec<Difference>>, StoreError> {
        generations::differences(&self.pool, live, rebuilt, columns, limit).await
    }

    async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError> {
        generations::row_count(&self.pool, generation).await
    }

    async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
        lease::take(&self.pool, duty).await
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, StoreError> {
        consumers::all(&self.pool).await
    }

    async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        consumers::one(&self.pool, name).await
    }

    async fn put_consumer(
        &self,
        name: &ConsumerName,
        filter: &EventFilter,
        position: Position,
        owner: Option<&ActorId>,
    ) -> Result<bool, StoreError> {
        consumers::put(&self.pool, name, filter, position, owner).await
    }

    async fn commit(
        &self,
        name: &ConsumerName,
        from: RangeInclusive<Position>,
        to: Position,
    ) -> Result<bool, StoreError> {
        consumers::commit(&self.pool, name, from, to).await
    }

    async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError> {
        consumers::seen(&self.pool, name).await
    }

    async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError> {
        consumers::delete(&self.pool, name).await
    }

    async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        tokens::create(&self.pool, token).await
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        tokens::all(&self.pool).await
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
        tokens::by_hash(&self.pool, hash).await
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
        tokens::revoke(&self.pool, id, at).await
    }

    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        tokens::used(&self.pool, id, at).await
    }

    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        rows::rows(&self.pool, query).await
    }

    async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError> {
        rows::counts(&self.pool, query, column).await
    }
}

#[async_trait]
impl TreeStore for PostgresStore {
    async fn tree(&self) -> Result<TreeHead, StoreError> {
        tree::tree(&self.pool).await
    }

    async fn tree_hashes(&self, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        tree::hashes(&self.pool, level, numbers).await
    }

    async fn stray_nodes(&self) -> Result<u64, StoreError> {
        tree::stray(&self.pool).await
    }

    async fn grow_tree(&self, from: u64, growth: &Growth) -> Result<bool, StoreError> {
        tree::grow(&self.writer, from, growth).await
    }

    async fn origin(&self, offer: &str) -> Result<String, StoreError> {
        checkpoints::origin(&self.pool, offer).await
    }

    async fn known_origin(&self) -> Result<Option<String>, StoreError> {
        checkpoints::known_origin(&self.pool).await
    }

    async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        checkpoints::keys(&self.pool).await
    }

    async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError> {
        checkpoints::add_key(&self.pool, verifier, checkpoint).await
    }

    async fn add_checkpoint(&self, checkpoint: &NewCheckpoint) -> Result<(), StoreError> {
        checkpoints::add(&self.pool, checkpoint).await
    }

    async fn latest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        checkpoints::latest(&self.pool).await
    }

    async fn checkpoints(&self, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError> {
        checkpoints::page(&self.pool, after, limit).await
    }

    async fn checkpoint_gaps(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
        checkpoints::gaps(&self.pool, limit).await
    }

    async fn references(&self, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError> {
        tree::references(&self.pool, positions).await
    }

    async fn outline(&self) -> Result<Outline, StoreError> {
        tree::outline(&self.pool).await
    }

    async fn scan(
        &self,
        positions: Range<i64>,
        visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
    ) -> Result<(), StoreError> {
        tree::scan(&self.pool, positions, visit).await
    }

    async fn misversioned(&self) -> Result<Option<Position>, StoreError> {
        tree::misversioned(&self.pool).await
    }
}
