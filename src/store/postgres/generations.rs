//! The projections' tables and checkpoints on PostgreSQL.

use jiff_sqlx::ToSqlx;
use projections::{Column, Kind, Value};
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{Acquire, AssertSqlSafe, Postgres, Row};

use super::log::{moment, position, to_i64, unsigned};
use super::parked;
use crate::clock;
use crate::store::{Advance, Difference, Generation, GenerationState, RowChange, StoreError, column_names, table_name};

pub(super) async fn all(pool: &PgPool) -> Result<Vec<Generation>, StoreError> {
    let rows = sqlx::query("SELECT * FROM projection_generations ORDER BY name, generation")
        .fetch_all(pool)
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
        updated_at: clock::now(),
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
    run(
        tx,
        format!("CREATE TABLE {table} (key text COLLATE \"C\" PRIMARY KEY, document text NOT NULL{definitions})"),
    )
    .await?;
    for column in columns.iter().filter(|column| column.indexed) {
        run(tx, format!("CREATE INDEX ON {table} ({}, key)", column.name)).await?;
    }
    sqlx::query("INSERT INTO projection_generations VALUES ($1, $2, $3, $4, $5, $6)")
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
    let sql = format!(
        "SELECT key, document::text FROM {} WHERE key = ANY ($1)",
        table_name(generation)
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(keys).fetch_all(pool).await?)
}

pub(super) async fn advance(pool: &PgPool, steps: &[Advance<'_>]) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    // what is lost with a crash of the server is folded again, rows and checkpoint alike; readers need not wait for a disk
    sqlx::query("SET LOCAL synchronous_commit = off")
        .execute(&mut *tx)
        .await?;
    for step in steps {
        let moved = sqlx::query(
            "UPDATE projection_generations SET position = $1, updated_at = $2
             WHERE name = $3 AND generation = $4 AND position = $5 AND state <> 'retired'",
        )
        .bind(to_i64(step.to))
        .bind(clock::now().to_sqlx())
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(to_i64(step.from.position))
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 || !parked::stand_still(&mut tx, step).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        write_rows(&mut tx, step).await?;
        parked::write(&mut tx, step).await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn write_rows(tx: &mut PgConnection, step: &Advance<'_>) -> Result<(), StoreError> {
    let table = table_name(step.from);
    let removed: Vec<&str> = step
        .changes
        .iter()
        .filter(|change| change.row.is_none())
        .map(|change| change.key.as_str())
        .collect();
    if !removed.is_empty() {
        let sql = format!("DELETE FROM {table} WHERE key = ANY ($1)");
        sqlx::query(AssertSqlSafe(sql)).bind(removed).execute(&mut *tx).await?;
    }
    let kept: Vec<(&RowChange, &(String, projections::Row))> = step
        .changes
        .iter()
        .filter_map(|change| change.row.as_ref().map(|row| (change, row)))
        .collect();
    if kept.is_empty() {
        return Ok(());
    }
    let arrays: String = (3..)
        .zip(step.columns)
        .map(|(number, column)| format!(", ${number}::{}[]", array_type_of(column.kind)))
        .collect();
    let names: String = step.columns.iter().map(|column| format!(", {}", column.name)).collect();
    let sets: String = step
        .columns
        .iter()
        .map(|column| format!(", {0} = excluded.{0}", column.name))
        .collect();
    let sql = format!(
        "INSERT INTO {table} (key, document{names})
         SELECT key, document{names} FROM unnest($1::text[], $2::text[]{arrays}) AS row (key, document{names})
         ON CONFLICT (key) DO UPDATE SET document = excluded.document{sets}"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(kept.iter().map(|(change, _)| change.key.as_str()).collect::<Vec<_>>())
        .bind(
            kept.iter()
                .map(|(_, (document, _))| document.as_str())
                .collect::<Vec<_>>(),
        );
    for (index, column) in step.columns.iter().enumerate() {
        query = bind_column(query, column, kept.iter().map(|(_, (_, row))| row.get(index)))?;
    }
    query.execute(tx).await?;
    Ok(())
}

fn array_type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "bigint",
        Kind::Timestamp => "timestamptz",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
    }
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// Binds one column of all rows as an array.
fn bind_column<'q, 'v>(
    query: PgQuery<'q>,
    column: &Column,
    values: impl Iterator<Item = Option<&'v Value>>,
) -> Result<PgQuery<'q>, StoreError> {
    let values = values.map(|value| value.unwrap_or(&Value::Null));
    /// Collects the values of one variant, null kept; any other variant is an error of the projection.
    macro_rules! collect {
        ($variant:ident, $value:ident => $map:expr) => {
            values
                .map(|value| match value {
                    Value::Null => Ok(None),
                    Value::$variant($value) => Ok(Some($map)),
                    _ => Err(StoreError::Corrupt(format!(
                        "column {} got a value of another type",
                        column.name
                    ))),
                })
                .collect::<Result<Vec<_>, _>>()?
        };
    }
    Ok(match column.kind {
        Kind::Text => query.bind(collect!(Text, value => value.clone())),
        Kind::Integer => query.bind(collect!(Integer, value => *value)),
        Kind::Timestamp => query.bind(collect!(Timestamp, value => value.to_sqlx())),
        Kind::Boolean => query.bind(collect!(Boolean, value => *value)),
        Kind::Date => query.bind(collect!(Date, value => value.to_sqlx())),
    })
}

pub(super) async fn switch(
    pool: &PgPool,
    building: &Generation,
    columns: &'static [Column],
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let rows = sqlx::query("SELECT * FROM projection_generations WHERE name = $1 ORDER BY generation FOR UPDATE")
        .bind(&building.name)
        .fetch_all(&mut *tx)
        .await?;
    let found = rows.iter().map(generation).collect::<Result<Vec<_>, _>>()?;
    let candidate = found.iter().find(|found| found.generation == building.generation);
    let Some(candidate) = candidate.filter(|candidate| candidate.state == GenerationState::Building) else {
        return Ok(false);
    };
    let live = found.iter().find(|found| found.state == GenerationState::Live);
    if live.is_some_and(|live| candidate.position < live.position) {
        return Ok(false);
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
    point_view(&mut tx, candidate, columns).await?;
    tx.commit().await?;
    Ok(true)
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

pub(super) async fn row_count(pool: &PgPool, generation: &Generation) -> Result<u64, StoreError> {
    let sql = format!("SELECT count(*) FROM {}", table_name(generation));
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}
