//! Rows as of an earlier position, on PostgreSQL.

use jiff_sqlx::ToSqlx;
use projections::Column;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Row};

use super::generations::{lock, make};
use super::values::to_i64;
use crate::clock;
use crate::{COPIED_AT_ONCE, Generation, GenerationState, StoreError, column_names, table_name};

pub(super) async fn create(
    pool: &PgPool,
    name: &'static str,
    version: u32,
    columns: &'static [Column],
) -> Result<Generation, StoreError> {
    let mut tx = pool.begin().await?;
    let existing = lock(&mut tx, name).await?;
    let created = Generation {
        name: name.to_owned(),
        generation: existing.last().map_or(1, |newest| newest.generation + 1),
        version,
        position: aggregates::Position(0),
        state: GenerationState::Filling,
        by_service: false,
        updated_at: clock::now(),
    };
    make(&mut tx, &created, columns).await?;
    tx.commit().await?;
    Ok(created)
}

pub(super) async fn copy(
    pool: &PgPool,
    from: &Generation,
    into: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let names = format!("key, document, {}", column_names(columns));
    let sql = format!(
        "WITH copied AS (
             INSERT INTO {} ({names}) SELECT {names} FROM {} WHERE key > $1 ORDER BY key LIMIT {COPIED_AT_ONCE}
             RETURNING key
         ) SELECT count(*) AS count, max(key) AS last FROM copied",
        table_name(into),
        table_name(from)
    );
    let mut after = String::new();
    loop {
        let mut tx = pool.begin().await?;
        sqlx::query("SET LOCAL synchronous_commit = off")
            .execute(&mut *tx)
            .await?;
        let copied = sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(&after)
            .fetch_one(&mut *tx)
            .await?;
        let count: i64 = copied.try_get("count")?;
        let done = count < COPIED_AT_ONCE as i64;
        let position = if done { from.position } else { into.position };
        let update = sqlx::query(
            "UPDATE projection_generations SET position = $1, updated_at = $2, row_count = row_count + $5
             WHERE name = $3 AND generation = $4",
        );
        update
            .bind(to_i64(position))
            .bind(clock::now().to_sqlx())
            .bind(&into.name)
            .bind(into.generation)
            .bind(count)
            .execute(&mut *tx)
            .await?;
        if done {
            sqlx::query(
                "INSERT INTO parked_rows (name, generation, key, position, error, parked_at)
                 SELECT name, $3, key, position, error, parked_at FROM parked_rows WHERE name = $1 AND generation = $2",
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
    pool: &PgPool,
    generation: &Generation,
    state: GenerationState,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE projection_generations SET state = $1, updated_at = $2
         WHERE name = $3 AND generation = $4 AND state NOT IN ('live', 'building')",
    )
    .bind(state.as_str())
    .bind(clock::now().to_sqlx())
    .bind(&generation.name)
    .bind(generation.generation)
    .execute(pool)
    .await?;
    Ok(())
}
