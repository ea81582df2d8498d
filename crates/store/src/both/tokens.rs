//! API tokens.

use aggregates::TokenId;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row};

use super::SqlStore;
use super::values::{DbRow, moment, optional_moment, stamp};
use crate::token::{hash, scopes};
use crate::{StoreError, StoredToken, TokenHash, TokenStore};

const SELECT: &str = "SELECT id, name, scopes, hash, created_at, expires_at, last_used_at, revoked_at FROM tokens";

#[async_trait]
impl TokenStore for SqlStore {
    async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        let sql = "INSERT INTO tokens (id, name, scopes, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let query = sqlx::query(sql)
            .bind(token.id.as_str())
            .bind(&token.name)
            .bind(token.scopes.to_string())
            .bind(token.hash.as_bytes().as_slice())
            .bind(stamp(token.created_at))
            .bind(token.expires_at.map(stamp));
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(format!("{SELECT} ORDER BY created_at, id")));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter().map(stored).collect()
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE hash = $1"))).bind(hash.as_bytes().as_slice());
        let row = self.soon(query.fetch_optional(self.reading())).await?;
        row.as_ref().map(stored).transpose()
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
        let query = sqlx::query("UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
        let query = query.bind(id.as_str()).bind(stamp(at));
        Ok(self.soon(query.execute(self.writing())).await?.rows_affected() > 0)
    }

    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        let query = sqlx::query(sql).bind(id.as_str()).bind(stamp(at));
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }
}

fn stored(row: &DbRow) -> Result<StoredToken, StoreError> {
    Ok(StoredToken {
        id: TokenId::try_from(row.try_get::<String, _>("id")?)?,
        name: row.try_get("name")?,
        scopes: scopes(row.try_get("scopes")?)?,
        hash: hash(row.try_get("hash")?)?,
        created_at: moment(row, "created_at")?,
        expires_at: optional_moment(row, "expires_at")?,
        last_used_at: optional_moment(row, "last_used_at")?,
        revoked_at: optional_moment(row, "revoked_at")?,
    })
}
