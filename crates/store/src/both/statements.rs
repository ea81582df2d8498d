//! Statements and parts of them.

use projections::{Column, SqlView};
use sqlx::AssertSqlSafe;

use super::values::{ANY, DbConnection, type_of};
use crate::StoreError;
use crate::generation::stored;

/// Runs a statement without caching it as prepared.
pub(crate) async fn run(connection: &mut DbConnection, sql: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

/// The column definitions of a projection's table.
pub(crate) fn definitions(columns: &'static [Column]) -> String {
    let define = |column: &Column| {
        let needed = if column.nullable { "" } else { " NOT NULL" };
        format!(", {} {}{needed}", column.name, type_of(column.kind))
    };
    stored(columns).map(define).collect()
}

/// The queries of the further views over a table of a projection's rows.
pub(crate) fn other_views(
    projection: &str,
    table: &str,
    query: fn(&SqlView) -> &'static str,
) -> Vec<(&'static str, String)> {
    let views = projections::views_of(projection);
    views
        .map(|view| (view.name, query(view).replace("{table}", table)))
        .collect()
}

/// A condition that a column has one of the values in the list bound to a parameter.
pub(crate) fn among(column: &str, parameter: &str) -> String {
    let (before, behind) = ANY;
    format!("{column} {before}{parameter}{behind}")
}
