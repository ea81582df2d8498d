//! Rows that stand still, on PostgreSQL.

use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgPool};

use super::log::{moment, position, to_i64};
use crate::clock;
use crate::store::{Advance, Parked, ParkedRow, StoreError};

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

pub(super) async fn write(tx: &mut PgConnection, step: &Advance<'_>) -> Result<(), StoreError> {
    for Parked { key, position, error } in &step.parked {
        sqlx::query(
            "INSERT INTO parked_rows VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name, generation, key) DO UPDATE SET error = excluded.error",
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
