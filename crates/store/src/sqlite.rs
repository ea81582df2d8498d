//! The store on SQLite: embedded, nothing to set up. WAL, and `synchronous=FULL`: a commit is on disk when it returns.
//!
//! Layout
//! - `backup`: a copy while others write
//! - `log`: the event log, references and data keys
//! - `checkpoints`: the log's origin, keys and checkpoints
//! - `clock_steps`: where the log's time steps back
//! - `consumers`: named consumers of the feed
//! - `generations`: the projections' tables and checkpoints
//! - `keys`: the wrapped data keys, the master key that wraps them, and the subjects they belong to
//! - `lease`: the right to do what one process does for all
//! - `parked`: rows that stand still
//! - `processes`: the processes that are running
//! - `schema`: the objects that are there, against those that should be
//! - `access`: the file, its modes, and what may only be read
//! - `rows`: reading the projections' rows
//! - `migrate`: whether a file holds a ledger, and migrations
//! - `snapshots`: rows as of an earlier position
//! - `steps`: moving projections on
//! - `tokens`: API tokens
//! - `wal`: keeping the write-ahead log small
//! - `tree`: the Merkle tree, and the log as it stands, for an audit
//! - `values`: values of the ledger as the database has them

mod access;
mod backup;
mod checkpoints;
mod clock_steps;
mod consumers;
mod generations;
mod keys;
mod lease;
mod log;
mod migrate;
mod parked;
mod processes;
mod rows;
mod schema;
mod snapshots;
mod steps;
mod stream_snapshots;
mod tokens;
mod tree;
mod values;
mod wal;

pub use backup::copy;

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aggregates::{ActorId, Position, StreamId, SubjectId, TokenId};
use async_trait::async_trait;
use jiff::Timestamp;
use projections::Column;
use sqlx::Connection;
use sqlx::sqlite::{SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::lease::{LeaseTable, Leases};
use super::{
    Advance, Append, Batch, ClockStep, Consumer, ConsumerName, Count, Difference, Duty, EventFilter, EventQuery, Fence,
    Found, Generation, GenerationState, Head, KeptCheckpoint, KeptKey, Lease, LeaseState, Lookup, Mode, NewCheckpoint,
    Outline, ParkedCount, ParkedRow, RawEvent, Reference, RowQuery, SchemaCheck, Store, StoreError, StoredEvent,
    StoredRow, StoredToken, StreamSnapshot, Switch, TreeHead, TreeStore, WriteAheadLog,
};
use crate::TokenHash;
use migrate::MIGRATIONS;
use tlog::{Growth, Hash};

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before connecting again to a file that another process is making.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// What the writing connection may keep of the file in memory, in KiB as SQLite has it (below zero). Rows come in at random
/// places of their tables; of what does not fit, each transaction reads and writes pages over and over.
const WRITER_CACHE: &str = "-65536";
/// How many statements the writing connection keeps prepared: one for each table and number of rows.
const WRITER_STATEMENTS: usize = 256;
/// So large may the write-ahead log become, in pages of 4 KiB, before it is moved into the database file. A page of an index
/// whose keys come in no order changes again and again until then, and is moved once.
const WAL_PAGES: &str = "8192";

/// The store on SQLite.
pub struct SqliteStore {
    /// The one connection that writes: SQLite has one writer at a time anyway.
    writer: SqlitePool,
    /// Readers; under WAL they neither wait for the writer nor hold it up.
    pool: SqlitePool,
    leases: Leases<lease::Table>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file; makes it, and brings its schema up to date, if it is opened for that.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened, or is not fit for what it is opened for.
    pub async fn open(path: &Path, mode: Mode) -> Result<Self, StoreError> {
        match mode {
            Mode::Migrate => {}
            _ if !path.exists() => return Err(StoreError::NoLedger),
            Mode::Existing => {}
            Mode::ReadOnly => return access::open_to_read(path).await,
        }
        Self::open_to_write(path, mode).await
    }

    async fn open_to_write(path: &Path, mode: Mode) -> Result<Self, StoreError> {
        let mut options = access::options(path).synchronous(SqliteSynchronous::Full);
        if mode == Mode::Migrate {
            access::make(path)?;
            options = options.journal_mode(SqliteJournalMode::Wal);
        } else {
            // before anything is changed: another program's file is not ours to turn WAL on in
            migrate::check(access::options(path)).await?;
        }
        let writing = options
            .clone()
            .statement_cache_capacity(WRITER_STATEMENTS)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            // what a statement would have to undo, which else goes to a file
            .pragma("temp_store", "MEMORY");
        let begun = Instant::now();
        let writer = loop {
            let connecting = SqlitePoolOptions::new()
                .max_connections(1)
                // a transaction that SQLite has ended of its own accord, since the disk was full, goes on for whoever counts BEGINs
                .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
            match connecting.connect_with(writing.clone()).await.map_err(StoreError::from) {
                // while another process turns WAL on in a new file, SQLite does not wait by itself
                Err(error) if mode == Mode::Migrate && error.is_transient() && begun.elapsed() < BUSY_TIMEOUT => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                connected => break connected?,
            }
        };
        // in one transaction that holds the write lock, so that processes which start at once take turns
        match writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from) {
            Ok(mut tx) if mode == Mode::Migrate => {
                migrate::migrate(&mut tx).await?;
                tx.commit().await?;
            }
            // it may be written, then
            Ok(tx) => tx.rollback().await?,
            // whoever reads need not wait for whoever writes
            Err(StoreError::Unavailable(_)) if mode == Mode::ReadOnly => {}
            Err(error) => return Err(error),
        }
        let pool = access::readers(options).await?;
        Ok(Self::over(writer, pool, path))
    }

    fn over(writer: SqlitePool, pool: SqlitePool, path: &Path) -> Self {
        let leases = lease::Table {
            writer: writer.clone(),
            pool: pool.clone(),
        };
        let leases = Leases::new(leases, Leases::<()>::holder("warmledger"));
        Self {
            writer,
            pool,
            path: path.to_owned(),
            leases,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn probe(&self) -> Result<(), StoreError> {
        log::probe(&self.writer).await
    }

    async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError> {
        clock_steps::newest(&self.pool, until, limit).await
    }

    async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError> {
        clock_steps::part_at(&self.pool, time, head).await
    }

    async fn check_schema(&self) -> Result<SchemaCheck, StoreError> {
        schema::check(&self.pool).await
    }

    async fn close(&self) {
        self.leases.close().await;
        self.pool.close().await;
        self.writer.close().await;
    }

    async fn trim(&self, idle: bool) -> Result<Option<WriteAheadLog>, StoreError> {
        let above = if idle { 0 } else { wal::KEPT };
        wal::trim(&self.pool, &self.path, above).await.map(Some)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        log::head(&self.pool).await
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        log::append(&self.writer, batch).await
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
        stream_snapshots::keep(&self.writer, snapshots).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        log::events(&self.pool, query).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        log::events_at(&self.pool, positions).await
    }

    async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError> {
        log::reserved_key(&self.writer, subject, offer).await
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
        generations::create(&self.writer, name, version, columns).await
    }

    async fn index_generation(&self, _: &Generation, _: &'static [Column]) -> Result<(), StoreError> {
        // it has them from the start: making them at once would hold up SQLite's one writer, and every webhook with it
        Ok(())
    }

    async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        generations::documents(&self.pool, generation, keys).await
    }

    async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError> {
        steps::advance(&self.writer, steps, under).await
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
        generations::entrust(&self.writer, building).await
    }

    async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError> {
        generations::switch(&self.writer, building, columns).await
    }

    async fn create_snapshot(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        snapshots::create(&self.writer, name, version, columns).await
    }

    async fn copy_snapshot(
        &self,
        from: &Generation,
        into: &Generation,
        columns: &'static [Column],
    ) -> Result<(), StoreError> {
        snapshots::copy(&self.writer, from, into, columns).await
    }

    async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError> {
        snapshots::set_state(&self.writer, generation, state).await
    }

    async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        generations::drop(&self.writer, generation).await
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
        generations::row_count(&self.pool, &self.writer, generation).await
    }

    async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
        self.leases.take(duty).await
    }

    async fn leases(&self) -> Result<Vec<LeaseState>, StoreError> {
        self.leases.table.all().await
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
        consumers::put(&self.writer, name, filter, position, owner).await
    }

    async fn commit(
        &self,
        name: &ConsumerName,
        from: RangeInclusive<Position>,
        to: Position,
        under: Option<Fence>,
    ) -> Result<bool, StoreError> {
        consumers::commit(&self.writer, name, from, to, under).await
    }

    async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError> {
        consumers::seen(&self.writer, name).await
    }

    async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError> {
        consumers::delete(&self.writer, name).await
    }

    async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        tokens::create(&self.writer, token).await
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        tokens::all(&self.pool).await
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
        tokens::by_hash(&self.pool, hash).await
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
        tokens::revoke(&self.writer, id, at).await
    }

    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        tokens::used(&self.writer, id, at).await
    }

    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        rows::rows(&self.pool, query).await
    }

    async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError> {
        rows::counts(&self.pool, query, column).await
    }
}

#[async_trait]
impl TreeStore for SqliteStore {
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
        checkpoints::origin(&self.writer, offer).await
    }

    async fn known_origin(&self) -> Result<Option<String>, StoreError> {
        checkpoints::known_origin(&self.pool).await
    }

    async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        checkpoints::keys(&self.pool).await
    }

    async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError> {
        checkpoints::add_key(&self.writer, verifier, checkpoint).await
    }

    async fn add_checkpoint(&self, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError> {
        checkpoints::add(&self.writer, checkpoint, under).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_was_full_does_not_keep_the_writer_from_writing() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("ledger.db"), Mode::Migrate)
            .await
            .unwrap();
        // no page more than there are
        let mut connection = store.writer.acquire().await.unwrap();
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&mut *connection)
            .await
            .unwrap();
        drop(connection);
        let mut tx = store.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let large = "INSERT OR FAIL INTO refs (ref, position) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i, i FROM n";
        let error = sqlx::query(large).execute(&mut *tx).await.unwrap_err();
        assert_eq!(
            error.as_database_error().and_then(|error| error.code()).as_deref(),
            Some("13"),
            "{error}"
        );
        drop(tx);
        let tx = store.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        tx.commit().await.unwrap();
    }
}
