//! Rows as of an earlier position, on SQLite.

use projections::Column;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row};

use super::generations::{make, of_projection};
use super::values::to_i64;
use crate::clock::{now, rfc3339_micros};
use crate::{COPIED_AT_ONCE, Generation, GenerationState, StoreError, column_names, table_name};

pub(super) async fn create(
    writer: &SqlitePool,
    name: &'static str,
    version: u32,
    columns: &'static [Column],
) -> Result<Generation, StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let existing = of_projection(&mut tx, name).await?;
    let created = Generation {
        name: name.to_owned(),
        generation: existing.last().map_or(1, |newest| newest.generation + 1),
        version,
        position: aggregates::Position(0),
        state: GenerationState::Filling,
        by_service: false,
        updated_at: now(),
    };
    make(&mut tx, &created, columns).await?;
    tx.commit().await?;
    Ok(created)
}

pub(super) async fn copy(
    writer: &SqlitePool,
    from: &Generation,
    into: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let names = format!("key, document, {}", column_names(columns));
    let chunk = format!(
        "SELECT {names} FROM {} WHERE key > ? ORDER BY key LIMIT {COPIED_AT_ONCE}",
        table_name(from)
    );
    let insert = format!("INSERT INTO {} ({names}) {chunk}", table_name(into));
    let last = format!("SELECT count(*) AS count, max(key) AS last FROM ({chunk})");
    let mut after = String::new();
    loop {
        let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
        let copied = sqlx::query(AssertSqlSafe(last.as_str()))
            .persistent(false)
            .bind(&after)
            .fetch_one(&mut *tx)
            .await?;
        sqlx::query(AssertSqlSafe(insert.as_str()))
            .persistent(false)
            .bind(&after)
            .execute(&mut *tx)
            .await?;
        let count: i64 = copied.try_get("count")?;
        let done = count < COPIED_AT_ONCE as i64;
        let position = if done { from.position } else { into.position };
        let update = sqlx::query(
            "UPDATE projection_generations SET position = ?, updated_at = ?, row_count = row_count + ?
             WHERE name = ? AND generation = ?",
        );
        update
            .bind(to_i64(position))
            .bind(rfc3339_micros(now()))
            .bind(count)
            .bind(&into.name)
            .bind(into.generation)
            .execute(&mut *tx)
            .await?;
        if done {
            sqlx::query(
                "INSERT INTO parked_rows (name, generation, key, position, error, parked_at)
                 SELECT name, ?3, key, position, error, parked_at FROM parked_rows WHERE name = ?1 AND generation = ?2",
            )
            .bind(&from.name)
            .bind(from.generation)
            .bind(into.generation)
            .execute(&mut *tx)
            .await?;
        } else {
            after = copied.try_get("last")?;
        }
        tx.commit().await?;
        if done {
            return Ok(());
        }
    }
}

pub(super) async fn set_state(
    writer: &SqlitePool,
    generation: &Generation,
    state: GenerationState,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE projection_generations SET state = ?, updated_at = ?
         WHERE name = ? AND generation = ? AND state NOT IN ('live', 'building')",
    )
    .bind(state.as_str())
    .bind(rfc3339_micros(now()))
    .bind(&generation.name)
    .bind(generation.generation)
    .execute(writer)
    .await?;
    Ok(())
}
