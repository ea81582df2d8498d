//! Reading the projections' rows on SQLite. Times are RFC 3339 text with six decimals, dates ISO 8601 text.

use projections::{Kind, Value};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::values::moment;
use crate::clock::rfc3339_micros;
use crate::query::where_clause;
use crate::{Count, RowQuery, StoreError, StoredRow};

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

pub(super) fn bind<'q>(query: SqliteQuery<'q>, value: &Value) -> SqliteQuery<'q> {
    match value {
        Value::Null => query.bind(Option::<String>::None),
        Value::Text(text) => query.bind(text.clone()),
        Value::Integer(number) => query.bind(*number),
        Value::Timestamp(moment) => query.bind(rfc3339_micros(*moment)),
        Value::Boolean(flag) => query.bind(i64::from(*flag)),
        Value::Date(date) => query.bind(date.to_string()),
    }
}

pub(super) async fn rows(pool: &SqlitePool, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
    let (clause, values) = where_clause(query);
    let (column, direction) = (query.order.column, if query.order.descending { "DESC" } else { "ASC" });
    let sql = format!(
        "SELECT key, document, {column} AS sort FROM {} {clause}
         ORDER BY {column} {direction}, key {direction} LIMIT {}",
        query.table(query.projection),
        query.limit
    );
    let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
    let rows = statement.fetch_all(pool).await?;
    let kind = query.kind(column);
    rows.iter()
        .map(|row| {
            Ok(StoredRow {
                key: row.try_get("key")?,
                document: row.try_get("document")?,
                order: value(row, kind)?,
            })
        })
        .collect()
}

fn value(row: &SqliteRow, kind: Kind) -> Result<Value, StoreError> {
    Ok(match kind {
        Kind::Text => Value::Text(row.try_get("sort")?),
        Kind::Integer => Value::Integer(row.try_get("sort")?),
        Kind::Timestamp => Value::Timestamp(moment(row, "sort")?),
        Kind::Boolean => Value::Boolean(row.try_get::<i64, _>("sort")? != 0),
        Kind::Date => {
            let text: &str = row.try_get("sort")?;
            Value::Date(
                text.parse()
                    .map_err(|_| StoreError::Corrupt("sort is not a date".to_owned()))?,
            )
        }
    })
}

pub(super) async fn counts(
    pool: &SqlitePool,
    query: &RowQuery,
    column: &'static str,
) -> Result<Vec<Count>, StoreError> {
    let (clause, values) = where_clause(query);
    let sql = format!(
        "SELECT CAST({column} AS TEXT), count(*) FROM {} {clause} GROUP BY {column} ORDER BY count(*) DESC, {column}",
        query.table(query.projection)
    );
    let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
    let rows = statement.fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(Count {
                value: row.try_get(0)?,
                count: row.try_get(1)?,
            })
        })
        .collect()
}
