//! API tokens, on PostgreSQL.

use aggregates::TokenId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::values::moment;
use crate::TokenHash;
use crate::{StoreError, StoredToken, token};

const COLUMNS: &str = "id, name, scopes, hash, created_at, expires_at, last_used_at, revoked_at";

pub(super) async fn create(pool: &PgPool, new: &StoredToken) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tokens (id, name, scopes, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(new.id.as_str())
        .bind(&new.name)
        .bind(new.scopes.to_string())
        .bind(new.hash.as_bytes().as_slice())
        .bind(new.created_at.to_sqlx())
        .bind(new.expires_at.map(|at| at.to_sqlx()))
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn all(pool: &PgPool) -> Result<Vec<StoredToken>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY created_at, id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?;
    rows.iter().map(stored).collect()
}

pub(super) async fn by_hash(pool: &PgPool, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(hash.as_bytes().as_slice());
    query.fetch_optional(pool).await?.as_ref().map(stored).transpose()
}

pub(super) async fn revoke(pool: &PgPool, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
    let query = sqlx::query("UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL").bind(id.as_str());
    Ok(query.bind(at.to_sqlx()).execute(pool).await?.rows_affected() > 0)
}

pub(super) async fn used(pool: &PgPool, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE tokens SET last_used_at = greatest(last_used_at, $2) WHERE id = $1");
    query.bind(id.as_str()).bind(at.to_sqlx()).execute(pool).await?;
    Ok(())
}

fn stored(row: &PgRow) -> Result<StoredToken, StoreError> {
    let optional = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        let at: Option<jiff_sqlx::Timestamp> = row.try_get(column)?;
        Ok(at.map(jiff_sqlx::Timestamp::to_jiff))
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
