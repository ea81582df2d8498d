//! The log's origin, keys and checkpoints.

use async_trait::async_trait;
use sqlx::Row;

use super::values::{DbConnection, DbRow, moment, stamp};
use super::{SqlStore, columns::position, leases, tables};
use crate::clock::now;
use crate::tree::number;
use crate::{CheckpointStore, Fence, KeptCheckpoint, KeptKey, NewCheckpoint, StoreError};

#[async_trait]
impl CheckpointStore for SqlStore {
    async fn origin(&self, offer: &str) -> Result<String, StoreError> {
        let query = sqlx::query("INSERT INTO log_origin (only_row, origin) VALUES (true, $1) ON CONFLICT DO NOTHING");
        self.soon(query.bind(offer).execute(self.writing())).await?;
        let query = sqlx::query_scalar("SELECT origin FROM log_origin");
        self.soon(query.fetch_one(self.writing())).await
    }

    async fn known_origin(&self) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT origin FROM log_origin");
        self.soon(query.fetch_optional(self.reading())).await
    }

    async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        let query = sqlx::query("SELECT verifier, created_at FROM signing_keys ORDER BY id");
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        let key = |row| {
            Ok(KeptKey {
                verifier: Row::try_get(row, "verifier")?,
                created_at: moment(row, "created_at")?,
            })
        };
        rows.iter().map(key).collect()
    }

    async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError> {
        let sql = "INSERT INTO signing_keys (verifier, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let query = sqlx::query(sql).bind(verifier).bind(stamp(now()));
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            query.execute(&mut *tx).await?;
            if let Some(checkpoint) = checkpoint {
                insert(&mut tx, checkpoint).await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn add_checkpoint(&self, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError> {
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            insert(&mut tx, checkpoint).await?;
            leases::check(&mut tx, under).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn latest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        let query = sqlx::query("SELECT id, size, root, note, created_at FROM checkpoints ORDER BY id DESC LIMIT 1");
        let row = self.soon(query.fetch_optional(self.reading())).await?;
        row.as_ref().map(kept).transpose()
    }

    async fn checkpoints(&self, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError> {
        let sql = "SELECT id, size, root, note, created_at FROM checkpoints WHERE (size, id) > ($1, $2) ORDER BY size, id LIMIT $3";
        let query = sqlx::query(sql)
            .bind(number(after.0))
            .bind(after.1)
            .bind(i64::from(limit));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter().map(kept).collect()
    }

    async fn checkpoint_gaps(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "SELECT before, number FROM (
                       SELECT number, coalesce(lag(number) OVER (ORDER BY number), 0) AS before FROM checkpoints
                   ) AS numbered WHERE number <> before + 1 ORDER BY number LIMIT $1";
        let query = sqlx::query_as(sql).bind(i64::from(limit));
        self.in_time(query.fetch_all(self.scanning())).await
    }
}

/// Stores a checkpoint under the next number, unless it is stored already.
async fn insert(tx: &mut DbConnection, checkpoint: &NewCheckpoint) -> Result<(), StoreError> {
    // one transaction at a time takes a number
    tables::lock(tx, "checkpoints").await?;
    let sql = "INSERT INTO checkpoints (number, size, root, note, created_at)
               SELECT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints), $1, $2, $3, $4
               WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = $1 AND note = $3)";
    sqlx::query(sql)
        .bind(number(checkpoint.size))
        .bind(checkpoint.root.as_slice())
        .bind(&checkpoint.note)
        .bind(stamp(checkpoint.created_at))
        .execute(tx)
        .await?;
    Ok(())
}

fn kept(row: &DbRow) -> Result<KeptCheckpoint, StoreError> {
    Ok(KeptCheckpoint {
        id: row.try_get("id")?,
        size: position(row, "size")?.0,
        root: row.try_get("root")?,
        note: row.try_get("note")?,
        created_at: moment(row, "created_at")?,
    })
}
