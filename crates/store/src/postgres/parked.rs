//! Rows that stand still, on PostgreSQL.

use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgPool};

use super::values::{moment, position, to_i64};
use crate::clock;
use crate::{Advance, Generation, Parked, ParkedCount, ParkedRow, StoreError};

pub(super) async fn all(pool: &PgPool) -> Result<Vec<ParkedRow>, StoreError> {
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

pub(super) async fn counts(pool: &PgPool) -> Result<Vec<ParkedCount>, StoreError> {
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

pub(super) async fn among(pool: &PgPool, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError> {
    let query =
        sqlx::query_scalar("SELECT key FROM parked_rows WHERE name = $1 AND generation = $2 AND key = ANY ($3)");
    let query = query.bind(&generation.name).bind(generation.generation).bind(keys);
    Ok(query.fetch_all(pool).await?)
}

/// Whether the rows that the step passed over still stand still, once the step holds its generation.
pub(super) async fn stand_still(tx: &mut PgConnection, step: &Advance) -> Result<bool, StoreError> {
    if step.skipped.is_empty() {
        return Ok(true);
    }
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM parked_rows WHERE name = $1 AND generation = $2 AND key = ANY ($3)")
            .bind(&step.from.name)
            .bind(step.from.generation)
            .bind(&step.skipped)
            .fetch_one(tx)
            .await?;
    Ok(usize::try_from(found).is_ok_and(|found| found == step.skipped.len()))
}

pub(super) async fn write(tx: &mut PgConnection, step: &Advance) -> Result<(), StoreError> {
    for Parked { key, position, error } in &step.parked {
        sqlx::query(
            "INSERT INTO parked_rows VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name, generation, key) DO UPDATE SET position = excluded.position, error = excluded.error",
        )
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(key)
        .bind(to_i64(*position))
        .bind(error)
        .bind(clock::now().to_sqlx())
        .execute(&mut *tx)
        .await?;
    }
    if !step.unparked.is_empty() {
        sqlx::query("DELETE FROM parked_rows WHERE name = $1 AND generation = $2 AND key = ANY ($3)")
            .bind(&step.from.name)
            .bind(step.from.generation)
            .bind(&step.unparked)
            .execute(tx)
            .await?;
    }
    Ok(())
}
