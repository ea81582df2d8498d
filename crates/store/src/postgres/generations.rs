//! The projections' tables and checkpoints on PostgreSQL.

use std::time::Duration;

use jiff_sqlx::ToSqlx;
use projections::{Column, Kind};
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{Acquire, AssertSqlSafe, Row};

use super::values::{moment, position, to_i64, unsigned};
use crate::clock;
use crate::{Difference, Generation, GenerationState, StoreError, Switch, column_names, table_name};

/// How long a lock on a view or a table is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

pub(super) async fn all(pool: &PgPool) -> Result<Vec<Generation>, StoreError> {
    all_in(&mut *pool.acquire().await?).await
}

pub(super) async fn all_in(connection: &mut PgConnection) -> Result<Vec<Generation>, StoreError> {
    let rows = sqlx::query("SELECT * FROM projection_generations ORDER BY name, generation")
        .fetch_all(connection)
        .await?;
    rows.iter().map(generation).collect()
}

fn generation(row: &PgRow) -> Result<Generation, StoreError> {
    Ok(Generation {
        name: row.try_get("name")?,
        generation: row.try_get("generation")?,
        version: unsigned(row, "version")?,
        position: position(row, "position")?,
        state: GenerationState::parse(row.try_get("state")?)?,
        by_service: row.try_get("by_service")?,
        updated_at: moment(row, "updated_at")?,
    })
}

/// The generations of a projection; none is made or dropped before the transaction ends.
pub(super) async fn lock(tx: &mut PgConnection, name: &str) -> Result<Vec<Generation>, StoreError> {
    sqlx::query("LOCK TABLE projection_generations IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await?;
    let rows = sqlx::query("SELECT * FROM projection_generations WHERE name = $1 ORDER BY generation")
        .bind(name)
        .fetch_all(tx)
        .await?;
    rows.iter().map(generation).collect()
}

pub(super) async fn create(
    pool: &PgPool,
    name: &'static str,
    version: u32,
    columns: &'static [Column],
) -> Result<Generation, StoreError> {
    let mut tx = pool.begin().await?;
    let existing = lock(&mut tx, name).await?;
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
        updated_at: clock::now(),
    };
    make(&mut tx, &created, columns).await?;
    if created.state == GenerationState::Live {
        point_view(&mut tx, &created, columns).await?;
    }
    tx.commit().await?;
    Ok(created)
}

/// Makes the table of a generation and writes it down. One that is not live yet gets its indexes once it is filled: sorting
/// all rows at once takes a fraction of the time of putting each in its place.
pub(super) async fn make(
    tx: &mut PgConnection,
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
    let compression = if has_lz4(tx).await? { " COMPRESSION lz4" } else { "" };
    let document = format!("document text{compression} NOT NULL");
    run(
        tx,
        format!("CREATE TABLE {table} (key text COLLATE \"C\" PRIMARY KEY, {document}{definitions})"),
    )
    .await?;
    // nobody looks for a row by its document, and it is most of what statistics would be made of
    let without_statistics = format!("ALTER TABLE {table} ALTER COLUMN document SET STATISTICS 0");
    run(tx, without_statistics).await?;
    if generation.state == GenerationState::Live {
        make_indexes(tx, generation, columns).await?;
    }
    let new = "INSERT INTO projection_generations (name, generation, version, position, state, updated_at, row_count)
               VALUES ($1, $2, $3, $4, $5, $6, 0)";
    sqlx::query(new)
        .bind(&generation.name)
        .bind(generation.generation)
        .bind(i32::try_from(generation.version).unwrap_or(i32::MAX))
        .bind(to_i64(generation.position))
        .bind(generation.state.as_str())
        .bind(generation.updated_at.to_sqlx())
        .execute(tx)
        .await?;
    Ok(())
}

async fn make_indexes(
    connection: &mut PgConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let table = table_name(generation);
    for column in columns.iter().filter(|column| column.indexed) {
        let name = column.name;
        run(
            connection,
            format!("CREATE INDEX IF NOT EXISTS {table}_{name} ON {table} ({name}, key)"),
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn index(
    pool: &PgPool,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await?;
    make_indexes(&mut connection, generation, columns).await?;
    // or the first readers would be planned for as if it were empty
    run(&mut connection, format!("ANALYZE {}", table_name(generation))).await
}

/// Whether the server was built with LZ4, with which it takes a fifth of the time to compress a large document, and as
/// much room.
async fn has_lz4(tx: &mut PgConnection) -> Result<bool, StoreError> {
    let known =
        "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))";
    Ok(sqlx::query_scalar(known).fetch_one(tx).await?)
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text COLLATE \"C\"",
        Kind::Integer => "bigint",
        Kind::Timestamp => "timestamptz",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
    }
}

/// Points the stable view at a generation's table. A view whose columns stay the same is replaced in place, so that
/// nobody who reads it notices; otherwise it is made anew.
async fn point_view(
    tx: &mut PgConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let view = &generation.name;
    let select = format!(
        "SELECT {}, key, document FROM {}",
        column_names(columns),
        table_name(generation)
    );
    let mut attempt = tx.begin().await?;
    match run(&mut attempt, format!("CREATE OR REPLACE VIEW {view} AS {select}")).await {
        Ok(()) => attempt.commit().await?,
        Err(StoreError::Refused { .. }) => {
            attempt.rollback().await?;
            run(tx, format!("DROP VIEW {view}")).await?;
            run(tx, format!("CREATE VIEW {view} AS {select}")).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

pub(super) async fn documents(
    pool: &PgPool,
    generation: &Generation,
    keys: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    // key by key, by the index: for a list PostgreSQL would rather read the whole table, which has no statistics while it grows
    let sql = format!(
        "SELECT wanted.key, found.document FROM unnest($1::text[]) AS wanted (key)
         CROSS JOIN LATERAL (SELECT document FROM {} AS rows WHERE rows.key = wanted.key OFFSET 0) AS found",
        table_name(generation)
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(keys).fetch_all(pool).await?)
}

pub(super) async fn switch(
    pool: &PgPool,
    building: &Generation,
    columns: &'static [Column],
) -> Result<Switch, StoreError> {
    let mut tx = pool.begin().await?;
    let rows = sqlx::query("SELECT * FROM projection_generations WHERE name = $1 ORDER BY generation FOR UPDATE")
        .bind(&building.name)
        .fetch_all(&mut *tx)
        .await?;
    let found = rows.iter().map(generation).collect::<Result<Vec<_>, _>>()?;
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
                "UPDATE projection_generations SET state = $1, updated_at = now() WHERE name = $2 AND generation = $3",
            )
            .bind(state)
            .bind(&target.name)
            .bind(target.generation)
            .execute(&mut *tx)
            .await?;
        }
    }
    wait_briefly(&mut tx).await?;
    match point_view(&mut tx, candidate, columns).await {
        Ok(()) => tx.commit().await?,
        Err(StoreError::Locked(_)) => return Ok(Switch::Held),
        Err(error) => return Err(error),
    }
    Ok(Switch::Done)
}

/// Lets the transaction give up soon where it has to wait for a lock. Views and tables are exclusive to whoever changes
/// them: a reader whose transaction stays open would make it wait, and it in turn everybody who comes after it.
async fn wait_briefly(tx: &mut PgConnection) -> Result<(), StoreError> {
    run(tx, format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis())).await
}

/// Writes down who fills it.
pub(super) async fn entrust(pool: &PgPool, building: &Generation) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE projection_generations SET by_service = true WHERE name = $1 AND generation = $2 AND state = 'building'",
    )
    .bind(&building.name)
    .bind(building.generation)
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn drop(pool: &PgPool, generation: &Generation) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    drop_in(&mut tx, generation).await?;
    tx.commit().await?;
    Ok(())
}

async fn drop_in(tx: &mut PgConnection, generation: &Generation) -> Result<(), StoreError> {
    let dropped =
        sqlx::query("DELETE FROM projection_generations WHERE name = $1 AND generation = $2 AND state <> 'live'")
            .bind(&generation.name)
            .bind(generation.generation)
            .execute(&mut *tx)
            .await?;
    if dropped.rows_affected() == 1 {
        wait_briefly(tx).await?;
        run(tx, format!("DROP TABLE {}", table_name(generation))).await?;
    }
    Ok(())
}

pub(super) async fn differences(
    pool: &PgPool,
    live: &Generation,
    rebuilt: &Generation,
    columns: &'static [Column],
    limit: u32,
) -> Result<Option<Vec<Difference>>, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *tx)
        .await?;
    let checkpoints: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT position) FROM projection_generations WHERE name = $1 AND generation IN ($2, $3)",
    )
    .bind(&live.name)
    .bind(live.generation)
    .bind(rebuilt.generation)
    .fetch_one(&mut *tx)
    .await?;
    if checkpoints != 1 {
        return Ok(None);
    }
    let row = |side: &str| {
        let columns: String = columns
            .iter()
            .map(|column| format!(", {side}.{}", column.name))
            .collect();
        format!("CASE WHEN {side}.key IS NOT NULL THEN json_build_array({side}.document{columns})::text END")
    };
    let sql = format!(
        "SELECT * FROM (
             SELECT coalesce(a.key, b.key) AS key, {} AS live, {} AS rebuilt FROM {} a FULL JOIN {} b ON a.key = b.key
         ) AS rows WHERE live IS DISTINCT FROM rebuilt ORDER BY key LIMIT $1",
        row("a"),
        row("b"),
        table_name(live),
        table_name(rebuilt),
    );
    let rows: Vec<(String, Option<String>, Option<String>)> = sqlx::query_as(AssertSqlSafe(sql))
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
pub(super) async fn row_count(pool: &PgPool, generation: &Generation) -> Result<u64, StoreError> {
    const WRITTEN: &str = "SELECT row_count FROM projection_generations WHERE name = $1 AND generation = $2";
    let written = async |lock: &'static str, connection: &mut PgConnection| {
        sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(format!("{WRITTEN}{lock}")))
            .bind(&generation.name)
            .bind(generation.generation)
            .fetch_optional(connection)
            .await
    };
    let mut tx = pool.begin().await?;
    if let Some(count) = written("", &mut tx).await?.flatten() {
        return Ok(count.unsigned_abs());
    }
    if let Some(count) = written(" FOR UPDATE", &mut tx).await?.flatten() {
        return Ok(count.unsigned_abs());
    }
    let count = format!("SELECT count(*) FROM {}", table_name(generation));
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *tx).await?;
    sqlx::query("UPDATE projection_generations SET row_count = $1 WHERE name = $2 AND generation = $3")
        .bind(count)
        .bind(&generation.name)
        .bind(generation.generation)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(count.unsigned_abs())
}
