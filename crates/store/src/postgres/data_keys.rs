//! Data keys: the statements specific to PostgreSQL.

use aggregates::SubjectId;
use sqlx::AssertSqlSafe;

use super::PostgresStore;
use super::columns::{KEYS, key};
use super::values::{DbConnection, DbPool};
use crate::{Rewrapped, StoreError};
use sealing::WrappedKey;

/// Wrapped data keys of these subjects.
pub(super) async fn wrapped(pool: &DbPool, subjects: &[SubjectId]) -> Result<Vec<WrappedKey>, StoreError> {
    let subjects: Vec<&str> = subjects.iter().map(SubjectId::as_str).collect();
    let query = sqlx::query(AssertSqlSafe(format!("{KEYS} WHERE subject = ANY ($1)"))).bind(subjects);
    query.fetch_all(pool).await?.iter().map(key).collect()
}

/// Replaces keys; returns how many were still there to be replaced.
pub(super) async fn rewrap(tx: &mut DbConnection, keys: &[Rewrapped]) -> Result<u64, StoreError> {
    let sql = "UPDATE data_keys SET wrapped = new.to_wrapped
               FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS new (subject, from_wrapped, to_wrapped)
               WHERE data_keys.subject = new.subject AND data_keys.wrapped = new.from_wrapped";
    let done = sqlx::query(sql)
        .bind(keys.iter().map(|key| key.subject.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.from.as_slice()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.to.as_slice()).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

/// Does nothing: PostgreSQL reuses the space of deleted rows in its own time.
pub(super) async fn scrub(_: &PostgresStore) -> Result<(), StoreError> {
    Ok(())
}
