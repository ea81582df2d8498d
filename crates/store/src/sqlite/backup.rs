//! A copy of the database while others write to it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::StoreError;

/// The page cache of the copy, in KiB in SQLite's notation (below zero).
const CACHE: &str = "-65536";

/// Writes a snapshot of the database at `source` into a new file at `target`. It neither waits for a writer nor is
/// delayed by later writes; deleted data is not in the copy. The file is not synced to disk yet.
///
/// # Errors
/// [`StoreError`] if `target` exists already, or the database cannot be read or the copy not be written.
pub async fn copy(source: &Path, target: &Path) -> Result<(), StoreError> {
    let mut connection: SqliteConnection = SqliteConnectOptions::new()
        .filename(source)
        .read_only(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", CACHE)
        .connect()
        .await?;
    let copied = sqlx::query("VACUUM INTO ?")
        .bind(target.to_string_lossy())
        .execute(&mut connection)
        .await;
    connection.close().await?;
    copied?;
    Ok(())
}
