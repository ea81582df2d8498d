//! The projections' tables and views on PostgreSQL, and locks.

use std::time::Duration;

use projections::{Column, SqlView};
use sqlx::postgres::PgPool;
use sqlx::{Acquire, AssertSqlSafe};

use super::statements::{definitions, other_views, run};
use super::values::DbConnection;
use crate::generation::{indexes, table_name, view_query};
use crate::{Generation, GenerationState, StoreError};

/// How long a statement waits for a lock on a view or a table.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// Blocks other writers of a table until the transaction ends.
pub(super) async fn lock(tx: &mut DbConnection, table: &str) -> Result<(), StoreError> {
    run(tx, format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")).await
}

/// Blocks others from dropping a table until the transaction ends. Takes no snapshot.
pub(super) async fn hold(tx: &mut DbConnection, table: &str) -> Result<(), StoreError> {
    run(tx, format!("LOCK TABLE {table} IN ACCESS SHARE MODE")).await
}

/// Blocks appends until the transaction ends.
pub(super) async fn hold_head(tx: &mut DbConnection) -> Result<(), StoreError> {
    run(tx, "SELECT FROM head FOR UPDATE".to_owned()).await
}

/// Sets a short lock time-out for the transaction. Changes of views and tables need an exclusive lock: a reader's open
/// transaction would block it, and the waiting lock would block every later reader.
pub(super) async fn wait_briefly(tx: &mut DbConnection) -> Result<(), StoreError> {
    run(tx, format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis())).await
}

/// Makes the transaction's commit not wait for the disk: its work is repeated after a crash.
pub(super) async fn hurry(tx: &mut DbConnection) -> Result<(), StoreError> {
    run(tx, "SET LOCAL synchronous_commit = off".to_owned()).await
}

/// A list of values as JSON text.
pub(super) fn json_array(values: &str) -> String {
    format!("json_build_array({values})::text")
}

/// Creates the table of a generation. One that is not live yet gets its indexes once it is filled: sorting all rows at
/// once takes a fraction of the time of inserting each into an index.
pub(super) async fn make(
    tx: &mut DbConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let table = table_name(generation);
    let definitions = definitions(columns);
    let compression = if has_lz4(tx).await? { " COMPRESSION lz4" } else { "" };
    let document = format!("document text{compression} NOT NULL");
    run(
        tx,
        format!("CREATE TABLE {table} (key text COLLATE \"C\" PRIMARY KEY, {document}{definitions})"),
    )
    .await?;
    // no query searches by document, which would be most of the statistics
    let without_statistics = format!("ALTER TABLE {table} ALTER COLUMN document SET STATISTICS 0");
    run(tx, without_statistics).await?;
    if generation.state == GenerationState::Live {
        make_indexes(tx, generation, columns).await?;
    }
    Ok(())
}

async fn make_indexes(
    connection: &mut DbConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    for (name, on) in indexes(generation, columns) {
        run(connection, format!("CREATE INDEX IF NOT EXISTS {name} ON {on}")).await?;
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
    // otherwise the first queries would be planned as for an empty table
    run(&mut connection, format!("ANALYZE {}", table_name(generation))).await
}

/// Whether the server was built with LZ4, which compresses a large document in a fifth of the time, to about the same
/// size.
async fn has_lz4(tx: &mut DbConnection) -> Result<bool, StoreError> {
    let known =
        "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))";
    Ok(sqlx::query_scalar(known).fetch_one(tx).await?)
}

/// Points the stable views at a generation's table.
pub(super) async fn point_view(
    tx: &mut DbConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    make_view(tx, &generation.name, view_query(generation, columns)).await?;
    let query = |view: &SqlView| view.postgres;
    for (name, query) in other_views(&generation.name, &table_name(generation), query) {
        make_view(tx, name, query).await?;
    }
    Ok(())
}

/// Replaces a view in place if its columns stay the same, unnoticed by readers; otherwise creates it anew.
async fn make_view(tx: &mut DbConnection, view: &str, query: String) -> Result<(), StoreError> {
    let mut attempt = tx.begin().await?;
    match run(&mut attempt, format!("CREATE OR REPLACE VIEW {view} AS {query}")).await {
        Ok(()) => attempt.commit().await?,
        Err(StoreError::Refused { .. }) => {
            attempt.rollback().await?;
            run(tx, format!("DROP VIEW {view}")).await?;
            run(tx, format!("CREATE VIEW {view} AS {query}")).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

pub(super) async fn documents(
    pool: &PgPool,
    generation: &Generation,
    keys: &[String],
) -> Result<Vec<(String, String)>, StoreError> {
    // a lateral join by index for each key: for a list PostgreSQL would read the whole table, which has no statistics
    // while it grows
    let sql = format!(
        "SELECT wanted.key, found.document FROM unnest($1::text[]) AS wanted (key)
         CROSS JOIN LATERAL (SELECT document FROM {} AS rows WHERE rows.key = wanted.key OFFSET 0) AS found",
        table_name(generation)
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(keys).fetch_all(pool).await?)
}
