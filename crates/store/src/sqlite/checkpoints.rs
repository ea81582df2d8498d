//! The log's origin, keys and checkpoints on SQLite.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::lease;
use super::tree::number;
use super::values::{moment, position};
use crate::clock::{now, rfc3339_micros};
use crate::{Fence, KeptCheckpoint, KeptKey, NewCheckpoint, StoreError};

pub(super) async fn origin(pool: &SqlitePool, offer: &str) -> Result<String, StoreError> {
    sqlx::query("INSERT INTO log_origin (only_row, origin) VALUES (1, ?) ON CONFLICT DO NOTHING")
        .bind(offer)
        .execute(pool)
        .await?;
    Ok(sqlx::query_scalar("SELECT origin FROM log_origin")
        .fetch_one(pool)
        .await?)
}

pub(super) async fn known_origin(pool: &SqlitePool) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT origin FROM log_origin")
        .fetch_optional(pool)
        .await?)
}

pub(super) async fn keys(pool: &SqlitePool) -> Result<Vec<KeptKey>, StoreError> {
    let rows = sqlx::query("SELECT verifier, created_at FROM signing_keys ORDER BY id")
        .fetch_all(pool)
        .await?;
    let key = |row: SqliteRow| {
        Ok(KeptKey {
            verifier: row.try_get("verifier")?,
            created_at: moment(&row, "created_at")?,
        })
    };
    rows.into_iter().map(key).collect()
}

pub(super) async fn add_key(
    pool: &SqlitePool,
    verifier: &str,
    checkpoint: Option<&NewCheckpoint>,
) -> Result<(), StoreError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO signing_keys (verifier, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(verifier)
        .bind(rfc3339_micros(now()))
        .execute(&mut *tx)
        .await?;
    if let Some(checkpoint) = checkpoint {
        insert(&mut tx, checkpoint).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn add(pool: &SqlitePool, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    lease::check(&mut tx, under).await?;
    insert(&mut tx, checkpoint).await?;
    Ok(tx.commit().await?)
}

/// Keeps a checkpoint under the next number, unless it is kept already.
async fn insert(tx: &mut SqliteConnection, checkpoint: &NewCheckpoint) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO checkpoints (number, size, root, note, created_at)
         SELECT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints), ?1, ?2, ?3, ?4
         WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = ?1 AND note = ?3)",
    )
    .bind(number(checkpoint.size))
    .bind(checkpoint.root.as_slice())
    .bind(&checkpoint.note)
    .bind(rfc3339_micros(checkpoint.created_at))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn gaps(pool: &SqlitePool, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
    let query = sqlx::query_as(
        "SELECT before, number FROM (
             SELECT number, lag(number, 1, 0) OVER (ORDER BY number) AS before FROM checkpoints
         ) WHERE number <> before + 1 ORDER BY number LIMIT ?",
    );
    Ok(query.bind(i64::from(limit)).fetch_all(pool).await?)
}

pub(super) async fn latest(pool: &SqlitePool) -> Result<Option<KeptCheckpoint>, StoreError> {
    let row = sqlx::query("SELECT id, size, root, note, created_at FROM checkpoints ORDER BY id DESC LIMIT 1")
        .fetch_optional(pool)
        .await?;
    row.map(kept).transpose()
}

pub(super) async fn page(pool: &SqlitePool, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, size, root, note, created_at FROM checkpoints
         WHERE (size, id) > (?, ?) ORDER BY size, id LIMIT ?",
    )
    .bind(number(after.0))
    .bind(after.1)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(kept).collect()
}

fn kept(row: SqliteRow) -> Result<KeptCheckpoint, StoreError> {
    Ok(KeptCheckpoint {
        id: row.try_get("id")?,
        size: position(&row, "size")?.0,
        root: row.try_get("root")?,
        note: row.try_get("note")?,
        created_at: moment(&row, "created_at")?,
    })
}
