//! API tokens, on SQLite.

use aggregates::TokenId;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::values::moment;
use crate::TokenHash;
use crate::clock::rfc3339_micros;
use crate::{StoreError, StoredToken, token};

pub(super) async fn create(writer: &SqlitePool, new: &StoredToken) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tokens (id, name, scopes, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(new.id.as_str())
        .bind(&new.name)
        .bind(new.scopes.to_string())
        .bind(new.hash.as_bytes().as_slice())
        .bind(rfc3339_micros(new.created_at))
        .bind(new.expires_at.map(rfc3339_micros))
        .execute(writer)
        .await?;
    Ok(())
}

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<StoredToken>, StoreError> {
    let rows = sqlx::query("SELECT * FROM tokens ORDER BY created_at, id")
        .fetch_all(pool)
        .await?;
    rows.iter().map(stored).collect()
}

pub(super) async fn by_hash(pool: &SqlitePool, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
    let query = sqlx::query("SELECT * FROM tokens WHERE hash = ?").bind(hash.as_bytes().as_slice());
    query.fetch_optional(pool).await?.as_ref().map(stored).transpose()
}

pub(super) async fn revoke(writer: &SqlitePool, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query("UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL");
    let query = query.bind(rfc3339_micros(at)).bind(id.as_str());
    Ok(query.execute(writer).await?.rows_affected() > 0)
}

pub(super) async fn used(writer: &SqlitePool, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
    // times are of one length and so sort as text; `max` of anything and NULL is NULL
    let query = sqlx::query("UPDATE tokens SET last_used_at = max(coalesce(last_used_at, ''), ?) WHERE id = ?");
    query.bind(rfc3339_micros(at)).bind(id.as_str()).execute(writer).await?;
    Ok(())
}

fn stored(row: &SqliteRow) -> Result<StoredToken, StoreError> {
    let optional = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        let at: Option<&str> = row.try_get(column)?;
        at.map(|_| moment(row, column)).transpose()
    };
    Ok(StoredToken {
        id: TokenId::try_from(row.try_get::<String, _>("id")?)?,
        name: row.try_get("name")?,
        scopes: token::scopes(row.try_get("scopes")?)?,
        hash: token::hash(row.try_get("hash")?)?,
        created_at: moment(row, "created_at")?,
        expires_at: optional("expires_at")?,
        last_used_at: optional("last_used_at")?,
        revoked_at: optional("revoked_at")?,
    })
}
