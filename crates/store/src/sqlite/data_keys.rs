//! Data keys: the statements specific to SQLite.

use std::time::Duration;

use aggregates::SubjectId;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::SqliteStore;
use super::columns::{KEYS, key};
use super::values::{DbConnection, DbPool};
use crate::{Rewrapped, StoreError};
use sealing::WrappedKey;

/// How many attempts are made to empty the write-ahead log while readers use it.
const SCRUBS: usize = 20;
/// How long each attempt waits for readers; it blocks writers meanwhile.
const SCRUB_WAIT: Duration = Duration::from_millis(100);
/// The pause between two attempts.
const SCRUB_PAUSE: Duration = Duration::from_millis(100);

/// Wrapped data keys of these subjects.
pub(super) async fn wrapped(pool: &DbPool, subjects: &[SubjectId]) -> Result<Vec<WrappedKey>, StoreError> {
    let sql = format!("{KEYS} WHERE data_keys.subject = $1");
    let mut found = Vec::new();
    for subject in subjects {
        let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(subject.as_str());
        if let Some(row) = query.fetch_optional(pool).await? {
            found.push(key(&row)?);
        }
    }
    Ok(found)
}

/// Replaces keys; returns how many were still there to be replaced.
pub(super) async fn rewrap(tx: &mut DbConnection, keys: &[Rewrapped]) -> Result<u64, StoreError> {
    let mut replaced = 0;
    for key in keys {
        let query = sqlx::query("UPDATE data_keys SET wrapped = $1 WHERE subject = $2 AND wrapped = $3");
        let query = query
            .bind(key.to.as_slice())
            .bind(key.subject.as_str())
            .bind(key.from.as_slice());
        replaced += query.execute(&mut *tx).await?.rows_affected();
    }
    Ok(replaced)
}

/// Empties the write-ahead log.
pub(super) async fn scrub(store: &SqliteStore) -> Result<(), StoreError> {
    // deleted bytes in the database file are overwritten with zeros at once: `secure_delete`
    let options = store.pool.connect_options().as_ref().clone().busy_timeout(SCRUB_WAIT);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    for _ in 0..SCRUBS {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut connection)
            .await?;
        if row.try_get::<i64, _>(0)? == 0 {
            connection.close().await?;
            return Ok(());
        }
        tokio::time::sleep(SCRUB_PAUSE).await;
    }
    let busy = "the write-ahead log is being read all the time, and cannot be emptied";
    Err(StoreError::Unavailable(busy.to_owned()))
}
