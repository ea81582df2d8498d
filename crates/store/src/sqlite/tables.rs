//! The projections' tables and views on SQLite. Where PostgreSQL needs locks, SQLite's single writer makes them
//! unnecessary.

use projections::{Column, SqlView};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqlitePool;

use super::statements::{definitions, other_views, run};
use super::values::{DbConnection, chunks};
use crate::generation::{indexes, table_name, view_query};
use crate::{Generation, StoreError};

pub(super) async fn lock(_: &mut DbConnection, _: &str) -> Result<(), StoreError> {
    Ok(())
}

pub(super) async fn hold(_: &mut DbConnection, _: &str) -> Result<(), StoreError> {
    Ok(())
}

pub(super) async fn hold_head(_: &mut DbConnection) -> Result<(), StoreError> {
    Ok(())
}

pub(super) async fn wait_briefly(_: &mut DbConnection) -> Result<(), StoreError> {
    Ok(())
}

pub(super) async fn hurry(_: &mut DbConnection) -> Result<(), StoreError> {
    Ok(())
}

/// Does nothing: the indexes exist from the start. Creating them later in one go would block SQLite's one writer, and
/// every webhook with it.
pub(super) async fn index(_: &SqlitePool, _: &Generation, _: &'static [Column]) -> Result<(), StoreError> {
    Ok(())
}

/// A list of values as JSON text.
pub(super) fn json_array(values: &str) -> String {
    format!("json_array({values})")
}

/// Creates the table of a generation.
pub(super) async fn make(
    tx: &mut DbConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let table = table_name(generation);
    let definitions = definitions(columns);
    // with rowids, so that rows are stored in the order of insertion: in key order, with a few rows a page, each new
    // row would change another page
    run(
        tx,
        format!("CREATE TABLE {table} (key TEXT NOT NULL PRIMARY KEY, document TEXT NOT NULL{definitions}) STRICT"),
    )
    .await?;
    for (name, on) in indexes(generation, columns) {
        run(tx, format!("CREATE INDEX {name} ON {on}")).await?;
    }
    Ok(())
}

/// Points the stable views at a generation's table.
pub(super) async fn point_view(
    tx: &mut DbConnection,
    generation: &Generation,
    columns: &'static [Column],
) -> Result<(), StoreError> {
    let query = |view: &SqlView| view.sqlite;
    let others = other_views(&generation.name, &table_name(generation), query);
    let own = (generation.name.as_str(), view_query(generation, columns));
    for (view, query) in others.into_iter().chain([own]) {
        run(tx, format!("DROP VIEW IF EXISTS {view}")).await?;
        run(tx, format!("CREATE VIEW {view} AS {query}")).await?;
    }
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
