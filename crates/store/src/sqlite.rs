//! The store on SQLite: embedded, no setup needed. WAL, and `synchronous=FULL`: a commit is on disk when it returns.
//!
//! Layout
//! - `access`, `backup`, `wal`: the file, its modes, and read-only access; a copy while others write; a small
//!   write-ahead log
//! - `values`: the driver's types, values as stored, and words of its dialect
//! - `migrate`, `schema`: whether a file holds a ledger, and migrations; the existing objects
//! - `log`, `nodes`, `email_refs`, `delivery_rows`, `data_keys`: the event log; new nodes of the Merkle tree, hashes of
//!   addresses, deliveries; data keys
//! - `tables`, `steps`: the projections' tables; advancing them
//! - `lease`: the table of leases
//! - the rest: `both/`

mod access;
mod backup;
mod data_keys;
mod delivery_rows;
mod email_refs;
mod lease;
mod log;
mod migrate;
mod nodes;
mod schema;
mod steps;
mod tables;
mod values;
mod wal;

/// The code shared by both stores.
#[path = "both/all.rs"]
mod both;

pub use backup::copy;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use both::{advances, columns, events, generations, leases, migrations, rows, statements};
use sqlx::sqlite::{Sqlite, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Transaction};

use super::lease::Leases;
use super::{Mode, SchemaCheck, Store, StoreError, UpkeepStore, WriteAheadLog};
use migrate::MIGRATIONS;

/// The name of the store in the shared modules.
use SqliteStore as SqlStore;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before connecting again to a file that another process is making.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The page cache of the writing connection, in KiB in SQLite's notation (below zero). Rows are inserted at random
/// places of their tables; pages that do not fit are read and written again by every transaction.
const WRITER_CACHE: &str = "-65536";
/// How many statements the writing connection keeps prepared: one for each table and number of rows.
const WRITER_STATEMENTS: usize = 256;
/// The size of the write-ahead log, in pages of 4 KiB, at which it is checkpointed into the database file. An index
/// page with random keys changes many times until then, and is moved once.
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
    /// Opens the file; creates it and migrates its schema if the mode says so.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened, or does not fit the mode.
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
            // before any change: another program's file must not be switched to WAL
            migrate::check(access::options(path)).await?;
        }
        let writing = options
            .clone()
            .statement_cache_capacity(WRITER_STATEMENTS)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            // for statement journals, which otherwise go to a file
            .pragma("temp_store", "MEMORY");
        let begun = Instant::now();
        let writer = loop {
            let connecting = SqlitePoolOptions::new()
                .max_connections(1)
                // SQLite ends a transaction by itself if the disk is full, but the driver, which counts BEGINs, thinks
                // it is open
                .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
            match connecting.connect_with(writing.clone()).await.map_err(StoreError::from) {
                // while another process switches a new file to WAL, SQLite does not wait by itself
                Err(error) if mode == Mode::Migrate && error.is_transient() && begun.elapsed() < BUSY_TIMEOUT => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                connected => break connected?,
            }
        };
        // in one transaction that holds the write lock, so that processes that start at once take turns
        match writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from) {
            Ok(mut tx) if mode == Mode::Migrate => {
                migrate::migrate(&mut tx).await?;
                tx.commit().await?;
            }
            // the file is writable
            Ok(tx) => tx.rollback().await?,
            // a reader need not wait for a writer
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

    /// The pool for reads.
    fn reading(&self) -> &SqlitePool {
        &self.pool
    }

    /// The pool for writes.
    fn writing(&self) -> &SqlitePool {
        &self.writer
    }

    /// The pool for reads of whole tables.
    fn scanning(&self) -> &SqlitePool {
        &self.pool
    }

    /// Begins a writing transaction: it excludes all other writers.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Begins a writing transaction with many rows.
    async fn begin_long(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.begin().await
    }

    /// Begins a transaction that reads whole tables in one snapshot, taken by its first statement.
    async fn begin_to_read(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin().await
    }

    /// Runs a call, without a time-out: SQLite is never away.
    async fn soon<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        Ok(call.await?)
    }

    /// As [`Self::soon`], for a query that the caller composed.
    async fn looking<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.soon(call).await
    }

    /// As [`Self::soon`], for a call over whole tables.
    async fn in_time<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.soon(call).await
    }
}

impl Store for SqliteStore {}

#[async_trait]
impl UpkeepStore for SqliteStore {
    async fn probe(&self) -> Result<(), StoreError> {
        // rewrites the head unchanged, down to the disk
        sqlx::query("UPDATE head SET position = position")
            .execute(&self.writer)
            .await?;
        Ok(())
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
        // the file cannot grow by a page
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
