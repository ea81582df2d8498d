//! The projections' tables and checkpoints on SQLite.

use projections::{Column, Kind};
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};

use super::values::{chunks, moment, position, to_i64, unsigned};
use crate::clock::{now, rfc3339_micros};
use crate::{Difference, Generation, GenerationState, StoreError, Switch, column_names, table_name};

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<Generation>, StoreError> {
    all_in(&mut *pool.acquire().await?).await
}

pub(super) async fn all_in(connection: &mut SqliteConnection) -> Result<Vec<Generation>, StoreError> {
    let rows = sqlx::query("SELECT * FROM projection_generations ORDER BY name, generation")
        .fetch_all(connection)
        .await?;
    rows.iter().map(generation).collect()
}

fn generation(row: &SqliteRow) -> Result<Generation, StoreError> {
    Ok(Generation {
        name: row.try_get("name")?,
        generation: row.try_get("generation")?,
        version: unsigned(row, "version")?,
        position: position(row, "position")?,
        state: GenerationState::parse(row.try_get("state")?)?,
        by_service: row.try_get::<i64, _>("by_service")? != 0,
        updated_at: moment(row, "updated_at")?,
    })
}

pub(super) async fn of_projection(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Vec<Generation>, StoreError> {
    let rows = sqlx::query("SELECT * FROM projection_generations WHERE name = ? ORDER BY generation")
        .bind(name)
        .fetch_all(connection)
        .await?;
    rows.iter().map(generation).collect()
}

pub(super) async fn create(
    writer: &SqlitePool,
    name: &'static str,
    version: u32,
    columns: &'static [Column],
) -> Result<Generation, StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let existing = of_projection(&mut tx, name).await?;
    let live = existing.iter().find(|found| found.state == GenerationState::Live);
    if let Some(building) = existing.iter().find(|found| found.state == GenerationState::Building) {
        if building.version == version {
            return Ok(building.clone());
        }
        drop_in(&mut tx, building).await?;
    } else if let Some(first) =
        live.filter(|first| first.version == version && existing.len() == 1 && first.position.0 == 0)
    {
        // another process has just made the first one
        return Ok(first.clone());
    }
    let created = Generation {
        name: name.to_owned(),
        generation: existing.last().map_or(1, |newest| newest.generation + 1),
        version,
        position: aggregates::Position(0),
        state: if live.is_some() {
            GenerationState::Building
        } else {
            GenerationState::Live
        },
        by_service: false,
        updated_at: now(),
    };
    make(&mut tx, &created, columns).await?;
    if created.state == GenerationState::Live {
        point_view(&mut tx, &created, columns).await?;
    }
    tx.commit().await?;
    Ok(created)
}

/// Makes the table of a generation and writes it down.
pub(super) async fn make(
    tx: &mut SqliteConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let table = table_name(generation);
    let definitions: String = columns
        .iter()
        .map(|column| {
            format!(
                ", {} {}{}",
                column.name,
                type_of(column.kind),
                if column.nullable { "" } else { " NOT NULL" }
            )
        })
        .collect();
    // with rowids, so that rows stand in the order in which they came: by their keys, a handful to a page, each new row would
    // be the change of another page
    run(
        tx,
        format!("CREATE TABLE {table} (key TEXT NOT NULL PRIMARY KEY, document TEXT NOT NULL{definitions}) STRICT"),
    )
    .await?;
    for column in columns.iter().filter(|column| column.indexed) {
        run(
            tx,
            format!("CREATE INDEX {table}_{0} ON {table} ({0}, key)", column.name),
        )
        .await?;
    }
    let new = "INSERT INTO projection_generations (name, generation, version, position, state, updated_at, row_count)
               VALUES (?, ?, ?, ?, ?, ?, 0)";
    sqlx::query(new)
        .bind(&generation.name)
        .bind(generation.generation)
        .bind(i64::from(generation.version))
        .bind(to_i64(generation.position))
        .bind(generation.state.as_str())
        .bind(rfc3339_micros(generation.updated_at))
        .execute(tx)
        .await?;
    Ok(())
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Timestamp | Kind::Date => "TEXT",
        Kind::Integer | Kind::Boolean => "INTEGER",
    }
}

/// Points the stable view at a generation's table.
async fn point_view(
    tx: &mut SqliteConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let (view, table) = (&generation.name, table_name(generation));
    run(tx, format!("DROP VIEW IF EXISTS {view}")).await?;
    run(
        tx,
        format!(
            "CREATE VIEW {view} AS SELECT {}, key, document FROM {table}",
            column_names(columns)
        ),
    )
    .await
}

async fn run(connection: &mut SqliteConnection, sql: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn documents(
    pool: &SqlitePool,
    generation: &Generation,
    keys: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for chunk in chunks(keys) {
        let list = vec!["?"; chunk.len()].join(", ");
        let sql = format!(
            "SELECT key, document FROM {} WHERE key IN ({list})",
            table_name(generation)
        );
        let query = chunk
            .iter()
            .fold(sqlx::query_as(AssertSqlSafe(sql)), |query, key| query.bind(key));
        found.extend(query.fetch_all(pool).await?);
    }
    Ok(found)
}

pub(super) async fn switch(
    writer: &SqlitePool,
    building: &Generation,
    columns: &'static [Column],
) -> Result<Switch, StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let found = of_projection(&mut tx, &building.name).await?;
    let candidate = found.iter().find(|found| found.generation == building.generation);
    let Some(candidate) = candidate.filter(|candidate| candidate.state == GenerationState::Building) else {
        return Ok(Switch::Behind);
    };
    let live = found.iter().find(|found| found.state == GenerationState::Live);
    if live.is_some_and(|live| candidate.position < live.position) {
        return Ok(Switch::Behind);
    }
    for (state, target) in [("retired", live), ("live", Some(candidate))] {
        if let Some(target) = target {
            sqlx::query(
                "UPDATE projection_generations SET state = ?, updated_at = ? WHERE name = ? AND generation = ?",
            )
            .bind(state)
            .bind(rfc3339_micros(now()))
            .bind(&target.name)
            .bind(target.generation)
            .execute(&mut *tx)
            .await?;
        }
    }
    point_view(&mut tx, candidate, columns).await?;
    tx.commit().await?;
    Ok(Switch::Done)
}

/// Writes down who fills it.
pub(super) async fn entrust(writer: &SqlitePool, building: &Generation) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE projection_generations SET by_service = 1 WHERE name = ? AND generation = ? AND state = 'building'",
    )
    .bind(&building.name)
    .bind(building.generation)
    .execute(writer)
    .await?;
    Ok(())
}

pub(super) async fn drop(writer: &SqlitePool, generation: &Generation) -> Result<(), StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    drop_in(&mut tx, generation).await?;
    tx.commit().await?;
    Ok(())
}

async fn drop_in(tx: &mut SqliteConnection, generation: &Generation) -> Result<(), StoreError> {
    let dropped =
        sqlx::query("DELETE FROM projection_generations WHERE name = ? AND generation = ? AND state <> 'live'")
            .bind(&generation.name)
            .bind(generation.generation)
            .execute(&mut *tx)
            .await?;
    if dropped.rows_affected() == 1 {
        run(tx, format!("DROP TABLE {}", table_name(generation))).await?;
    }
    Ok(())
}

pub(super) async fn differences(
    pool: &SqlitePool,
    live: &Generation,
    rebuilt: &Generation,
    columns: &'static [Column],
    limit: u32,
) -> Result<Option<Vec<Difference>>, StoreError> {
    // a read transaction sees one snapshot, taken at its first statement
    let mut tx = pool.begin().await?;
    let mut checkpoints =
        QueryBuilder::<Sqlite>::new("SELECT count(DISTINCT position) FROM projection_generations WHERE name = ");
    checkpoints
        .push_bind(&live.name)
        .push(" AND generation IN (")
        .push_bind(live.generation)
        .push(", ");
    checkpoints.push_bind(rebuilt.generation).push(")");
    let checkpoints: i64 = checkpoints.build_query_scalar().fetch_one(&mut *tx).await?;
    if checkpoints != 1 {
        return Ok(None);
    }
    let row = |side: &str| {
        let columns: String = columns
            .iter()
            .map(|column| format!(", {side}.{}", column.name))
            .collect();
        format!("CASE WHEN {side}.key IS NOT NULL THEN json_array({side}.document{columns}) END")
    };
    let sql = format!(
        "SELECT * FROM (
             SELECT coalesce(a.key, b.key) AS key, {} AS live, {} AS rebuilt FROM {} a FULL JOIN {} b ON a.key = b.key
         ) WHERE live IS NOT rebuilt ORDER BY key LIMIT ?",
        row("a"),
        row("b"),
        table_name(live),
        table_name(rebuilt),
    );
    let rows: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(AssertSqlSafe(sql))
        .persistent(false)
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
    Ok(Some(
        rows.into_iter()
            .map(|(key, live, rebuilt)| Difference { key, live, rebuilt })
            .collect(),
    ))
}

/// What is written down, or else counted, while no step can change it, and written down.
pub(super) async fn row_count(
    pool: &SqlitePool,
    writer: &SqlitePool,
    generation: &Generation,
) -> Result<u64, StoreError> {
    const WRITTEN: &str = "SELECT row_count FROM projection_generations WHERE name = ? AND generation = ?";
    let written = || {
        let query = sqlx::query_scalar::<Sqlite, Option<i64>>(WRITTEN).bind(&generation.name);
        query.bind(generation.generation)
    };
    if let Some(count) = written().fetch_optional(pool).await?.flatten() {
        return Ok(count.unsigned_abs());
    }
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    if let Some(count) = written().fetch_optional(&mut *tx).await?.flatten() {
        return Ok(count.unsigned_abs());
    }
    let count = format!("SELECT count(*) FROM {}", table_name(generation));
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(count))
        .persistent(false)
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query("UPDATE projection_generations SET row_count = ? WHERE name = ? AND generation = ?")
        .bind(count)
        .bind(&generation.name)
        .bind(generation.generation)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(count.unsigned_abs())
}
