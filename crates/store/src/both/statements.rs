//! Statements and parts of them.

use projections::Column;
use sqlx::AssertSqlSafe;

use super::tables::type_of;
use super::values::{ANY, DbConnection};
use crate::StoreError;

/// Runs a statement that is not kept prepared.
pub(crate) async fn run(connection: &mut DbConnection, sql: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(sql))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

/// The columns of a projection's table, as it is made.
pub(crate) fn definitions(columns: &[Column]) -> String {
    let define = |column: &Column| {
        let needed = if column.nullable { "" } else { " NOT NULL" };
        format!(", {} {}{needed}", column.name, type_of(column.kind))
    };
    columns.iter().map(define).collect()
}

/// Whether a column has one of the values in the list that is bound to a parameter.
pub(crate) fn among(column: &str, parameter: &str) -> String {
    let (before, behind) = ANY;
    format!("{column} {before}{parameter}{behind}")
}
