//! The file of a ledger on SQLite: creating it, and read-only access.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::{BUSY_TIMEOUT, SqliteStore, migrate, wal};
use crate::{Mode, StoreError};

/// How many rows a query may be ahead of its reader: each wait of one for the other is a switch of threads.
const ROWS_WAITING: usize = 1_000;
/// The page cache of each reading connection, in KiB in SQLite's notation (below zero).
const READER_CACHE: &str = "-8192";

/// The options of every connection. Creates no file, and changes nothing in one.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // a destroyed key is overwritten with zeros
        .pragma("secure_delete", "ON")
        // a reader may keep the write-ahead log from restarting; it shrinks once it can restart
        .pragma("journal_size_limit", wal::KEPT.to_string())
        .row_buffer_size(ROWS_WAITING)
        .busy_timeout(BUSY_TIMEOUT)
}

/// The pool for reads.
pub(super) async fn readers(options: SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(4);
    Ok(pool.connect_with(options.pragma("cache_size", READER_CACHE)).await?)
}

/// Creates the file, private to its owner; SQLite gives its other files the same mode. An existing file is not opened:
/// closing it would drop the locks of this process's other connections to it (fcntl(2)), and another process, believing
/// itself alone, would then remove the write-ahead log under them.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::Unavailable(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Opens a ledger for reading: writable as well if the file and its directory allow that.
pub(super) async fn open_to_read(path: &Path) -> Result<SqliteStore, StoreError> {
    let refused = match SqliteStore::open_to_write(path, Mode::ReadOnly).await {
        Err(error @ (StoreError::ReadOnly(_) | StoreError::Unavailable(_))) => error,
        opened => return opened,
    };
    // with a write-ahead log: read-only works if its index exists
    let options = options(path).read_only(true);
    let options = match migrate::check(options.clone()).await {
        Ok(()) => options,
        Err(StoreError::ReadOnly(_) | StoreError::Unavailable(_)) => {
            let log = beside(path, "-wal");
            if log.metadata().is_ok_and(|log| log.len() > 0) {
                return Err(StoreError::Unsuitable(format!(
                    "the newest events stand in {}, which cannot be read where nothing can be written ({refused}): copy the database \
                     and that file to a directory of yours",
                    log.display()
                )));
            }
            // everything is in the file, and no process writes to it
            let options = options.immutable(true);
            migrate::check(options.clone()).await?;
            options
        }
        Err(error) => return Err(error),
    };
    let (writer, pool) = (readers(options.clone()).await?, readers(options).await?);
    Ok(SqliteStore::over(writer, pool, path))
}

/// The path of a file next to another, with a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(suffix);
    path.into()
}
