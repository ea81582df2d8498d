//! A copy of the database while others write to it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::StoreError;

/// What the copy may keep in memory, in KiB as SQLite has it (below zero).
const CACHE: &str = "-65536";

/// Writes the database at `source`, as it is at one moment, into a new file at `target`. It reads one snapshot, so that it
/// neither waits for a writer nor is held up by what comes in meanwhile; what was deleted is not in the copy. The file is
/// not yet on disk for good.
///
/// # Errors
/// [`StoreError`] if there is something at `target` already, or the database cannot be read or the copy not be written.
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
