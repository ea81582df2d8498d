//! The log's origin, keys and checkpoints on PostgreSQL.

use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgPool, PgRow};

use super::lease;
use super::tree::number;
use super::values::{moment, position};
use crate::clock::now;
use crate::{Fence, KeptCheckpoint, KeptKey, NewCheckpoint, StoreError};

pub(super) async fn origin(pool: &PgPool, offer: &str) -> Result<String, StoreError> {
    sqlx::query("INSERT INTO log_origin (origin) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(offer)
        .execute(pool)
        .await?;
    Ok(sqlx::query_scalar("SELECT origin FROM log_origin")
        .fetch_one(pool)
        .await?)
}

pub(super) async fn known_origin(pool: &PgPool) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT origin FROM log_origin")
        .fetch_optional(pool)
        .await?)
}

pub(super) async fn keys(pool: &PgPool) -> Result<Vec<KeptKey>, StoreError> {
    let rows = sqlx::query("SELECT verifier, created_at FROM signing_keys ORDER BY id")
        .fetch_all(pool)
        .await?;
    let key = |row: PgRow| {
        Ok(KeptKey {
            verifier: row.try_get("verifier")?,
            created_at: moment(&row, "created_at")?,
        })
    };
    rows.into_iter().map(key).collect()
}

pub(super) async fn add_key(
    pool: &PgPool,
    verifier: &str,
    checkpoint: Option<&NewCheckpoint>,
) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO signing_keys (verifier, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(verifier)
        .bind(now().to_sqlx())
        .execute(&mut *tx)
        .await?;
    if let Some(checkpoint) = checkpoint {
        insert(&mut tx, checkpoint).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn add(pool: &PgPool, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    insert(&mut tx, checkpoint).await?;
    lease::check(&mut tx, under).await?;
    Ok(tx.commit().await?)
}

/// Keeps a checkpoint under the next number, unless it is kept already.
async fn insert(tx: &mut PgConnection, checkpoint: &NewCheckpoint) -> Result<(), StoreError> {
    // one at a time takes a number
    sqlx::query("LOCK TABLE checkpoints IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO checkpoints (number, size, root, note, created_at)
         SELECT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints), $1, $2, $3, $4
         WHERE NOT EXISTS (SELECT FROM checkpoints WHERE size = $1 AND note = $3)",
    )
    .bind(number(checkpoint.size))
    .bind(checkpoint.root.as_slice())
    .bind(&checkpoint.note)
    .bind(checkpoint.created_at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn gaps(pool: &PgPool, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
    let query = sqlx::query_as(
        "SELECT before, number FROM (
             SELECT number, lag(number, 1, 0::bigint) OVER (ORDER BY number) AS before FROM checkpoints
         ) AS numbered WHERE number <> before + 1 ORDER BY number LIMIT $1",
    );
    Ok(query.bind(i64::from(limit)).fetch_all(pool).await?)
}

pub(super) async fn latest(pool: &PgPool) -> Result<Option<KeptCheckpoint>, StoreError> {
    let row = sqlx::query("SELECT id, size, root, note, created_at FROM checkpoints ORDER BY id DESC LIMIT 1")
        .fetch_optional(pool)
        .await?;
    row.map(kept).transpose()
}

pub(super) async fn page(pool: &PgPool, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, size, root, note, created_at FROM checkpoints
         WHERE (size, id) > ($1, $2) ORDER BY size, id LIMIT $3",
    )
    .bind(number(after.0))
    .bind(after.1)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(kept).collect()
}

fn kept(row: PgRow) -> Result<KeptCheckpoint, StoreError> {
    Ok(KeptCheckpoint {
        id: row.try_get("id")?,
        size: position(&row, "size")?.0,
        root: row.try_get("root")?,
        note: row.try_get("note")?,
        created_at: moment(&row, "created_at")?,
    })
}
