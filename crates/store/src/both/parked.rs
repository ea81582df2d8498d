//! Parked rows.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::SqlStore;
use super::columns::position;
use super::statements::among;
use super::values::{DbConnection, list, moment, stamp};
use crate::clock::now;
use crate::log::to_i64;
use crate::{Advance, Generation, Parked, ParkedCount, ParkedRow, ParkedStore, StoreError};

#[async_trait]
impl ParkedStore for SqlStore {
    async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM parked_rows ORDER BY name, generation, key");
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        let parked = rows.iter().map(|row| {
            Ok(ParkedRow {
                name: row.try_get("name")?,
                generation: row.try_get("generation")?,
                parked_at: moment(row, "parked_at")?,
                parked: Parked {
                    key: row.try_get("key")?,
                    position: position(row, "position")?,
                    error: row.try_get("error")?,
                },
            })
        });
        parked.collect()
    }

    async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError> {
        let sql = "SELECT name, generation, count(*) AS rows FROM parked_rows GROUP BY name, generation";
        let rows = self.soon(sqlx::query(sql).fetch_all(self.reading())).await?;
        let counts = rows.iter().map(|row| {
            Ok(ParkedCount {
                name: row.try_get("name")?,
                generation: row.try_get("generation")?,
                rows: row.try_get::<i64, _>("rows")?.unsigned_abs(),
            })
        });
        counts.collect()
    }

    async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(AssertSqlSafe(those("SELECT key")))
            .bind(&generation.name)
            .bind(generation.generation)
            .bind(list(keys.iter().map(String::as_str)));
        self.soon(query.fetch_all(self.reading())).await
    }
}

/// A statement about the rows among $3 that are parked in generation $2 of projection $1.
fn those(does: &str) -> String {
    let among = among("key", "$3");
    format!("{does} FROM parked_rows WHERE name = $1 AND generation = $2 AND {among}")
}

/// Whether the rows that the step skipped are still parked, once the step has locked its generation.
pub(crate) async fn are_still_parked(tx: &mut DbConnection, step: &Advance) -> Result<bool, StoreError> {
    if step.skipped.is_empty() {
        return Ok(true);
    }
    let found: i64 = sqlx::query_scalar(AssertSqlSafe(those("SELECT count(*)")))
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(list(step.skipped.iter().map(String::as_str)))
        .fetch_one(tx)
        .await?;
    Ok(usize::try_from(found).is_ok_and(|found| found == step.skipped.len()))
}

/// Parks the rows that the step parks, and unparks those that it folds again.
pub(crate) async fn write(tx: &mut DbConnection, step: &Advance) -> Result<(), StoreError> {
    for Parked { key, position, error } in &step.parked {
        sqlx::query(
            "INSERT INTO parked_rows (name, generation, key, position, error, parked_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name, generation, key) DO UPDATE SET position = excluded.position, error = excluded.error",
        )
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(key)
        .bind(to_i64(*position))
        .bind(error)
        .bind(stamp(now()))
        .execute(&mut *tx)
        .await?;
    }
    if !step.unparked.is_empty() {
        sqlx::query(AssertSqlSafe(those("DELETE")))
            .bind(&step.from.name)
            .bind(step.from.generation)
            .bind(list(step.unparked.iter().map(String::as_str)))
            .execute(tx)
            .await?;
    }
    Ok(())
}
