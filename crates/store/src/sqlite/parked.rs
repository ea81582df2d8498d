//! Rows that stand still, on SQLite.

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Row};

use super::values::{chunks, moment, position, to_i64};
use crate::clock::{now, rfc3339_micros};
use crate::{Advance, Generation, Parked, ParkedCount, ParkedRow, StoreError};

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<ParkedRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM parked_rows ORDER BY name, generation, key")
        .fetch_all(pool)
        .await?;
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

pub(super) async fn counts(pool: &SqlitePool) -> Result<Vec<ParkedCount>, StoreError> {
    let rows = sqlx::query("SELECT name, generation, count(*) AS rows FROM parked_rows GROUP BY name, generation")
        .fetch_all(pool)
        .await?;
    let counts = rows.iter().map(|row| {
        Ok(ParkedCount {
            name: row.try_get("name")?,
            generation: row.try_get("generation")?,
            rows: row.try_get::<i64, _>("rows")?.unsigned_abs(),
        })
    });
    counts.collect()
}

pub(super) async fn among(
    pool: &SqlitePool,
    generation: &Generation,
    keys: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for chunk in chunks(keys) {
        let list = vec!["?"; chunk.len()].join(", ");
        let sql = format!("SELECT key FROM parked_rows WHERE name = ? AND generation = ? AND key IN ({list})");
        let query = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&generation.name)
            .bind(generation.generation);
        found.extend(
            chunk
                .iter()
                .fold(query, |query, key| query.bind(key))
                .fetch_all(pool)
                .await?,
        );
    }
    Ok(found)
}

/// Whether the rows that the step passed over still stand still.
pub(super) async fn stand_still(tx: &mut SqliteConnection, step: &Advance) -> Result<bool, StoreError> {
    for key in &step.skipped {
        let found = sqlx::query("SELECT 1 FROM parked_rows WHERE name = ? AND generation = ? AND key = ?")
            .bind(&step.from.name)
            .bind(step.from.generation)
            .bind(key)
            .fetch_optional(&mut *tx)
            .await?;
        if found.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn write(tx: &mut SqliteConnection, step: &Advance) -> Result<(), StoreError> {
    for Parked { key, position, error } in &step.parked {
        sqlx::query(
            "INSERT INTO parked_rows VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (name, generation, key) DO UPDATE SET position = excluded.position, error = excluded.error",
        )
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(key)
        .bind(to_i64(*position))
        .bind(error)
        .bind(rfc3339_micros(now()))
        .execute(&mut *tx)
        .await?;
    }
    for key in &step.unparked {
        sqlx::query("DELETE FROM parked_rows WHERE name = ? AND generation = ? AND key = ?")
            .bind(&step.from.name)
            .bind(step.from.generation)
            .bind(key)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
