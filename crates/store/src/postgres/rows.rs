//! Reading the projections' rows on PostgreSQL.

use jiff_sqlx::ToSqlx;
use projections::{Kind, Value};
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row};

use crate::query::where_clause;
use crate::{Count, RowQuery, StoreError, StoredRow};

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

fn bind<'q>(query: PgQuery<'q>, value: &Value) -> PgQuery<'q> {
    match value {
        Value::Null => query.bind(Option::<String>::None),
        Value::Text(text) => query.bind(text.clone()),
        Value::Integer(number) => query.bind(*number),
        Value::Timestamp(moment) => query.bind(moment.to_sqlx()),
        Value::Boolean(flag) => query.bind(*flag),
        Value::Date(date) => query.bind(date.to_sqlx()),
    }
}

pub(super) async fn rows(pool: &PgPool, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
    let (clause, values) = where_clause(query);
    let (column, direction) = (query.order.column, if query.order.descending { "DESC" } else { "ASC" });
    let sql = format!(
        "SELECT key, document::text AS document, {column} AS sort FROM {} {clause}
         ORDER BY {column} {direction}, key {direction} LIMIT {}",
        query.table(query.projection),
        query.limit
    );
    let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |statement, value| {
        bind(statement, value)
    });
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

fn value(row: &PgRow, kind: Kind) -> Result<Value, StoreError> {
    Ok(match kind {
        Kind::Text => Value::Text(row.try_get("sort")?),
        Kind::Integer => Value::Integer(row.try_get("sort")?),
        Kind::Timestamp => Value::Timestamp(row.try_get::<jiff_sqlx::Timestamp, _>("sort")?.to_jiff()),
        Kind::Boolean => Value::Boolean(row.try_get("sort")?),
        Kind::Date => Value::Date(row.try_get::<jiff_sqlx::Date, _>("sort")?.to_jiff()),
    })
}

pub(super) async fn counts(pool: &PgPool, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError> {
    let (clause, values) = where_clause(query);
    let sql = format!(
        "SELECT {column}::text, count(*) FROM {} {clause} GROUP BY {column} ORDER BY count(*) DESC, {column}",
        query.table(query.projection)
    );
    let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |statement, value| {
        bind(statement, value)
    });
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
