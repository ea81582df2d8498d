//! The log's origin, keys and checkpoints on PostgreSQL.

use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgExecutor, PgPool, PgRow};

use super::log::{moment, position};
use super::tree::number;
use crate::clock::now;
use crate::store::{KeptCheckpoint, KeptKey, NewCheckpoint, StoreError};

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
        add(&mut *tx, checkpoint).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn add(executor: impl PgExecutor<'_>, checkpoint: &NewCheckpoint) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO checkpoints (size, root, note, created_at) VALUES ($1, $2, $3, $4)")
        .bind(number(checkpoint.size))
        .bind(checkpoint.root.as_slice())
        .bind(&checkpoint.note)
        .bind(checkpoint.created_at.to_sqlx())
        .execute(executor)
        .await?;
    Ok(())
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
