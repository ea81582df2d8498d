//! Reading the projections' rows.

use async_trait::async_trait;
use projections::{Kind, Value};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database, Row};

use super::SqlStore;
use super::values::{Db, DbRow, date, day, moment, optional_moment, stamp};
use crate::query::where_clause;
use crate::{Count, RowQuery, RowStore, StoreError, StoredRow, Sum, SumColumns};

type DbQuery<'q> = Query<'q, Db, <Db as Database>::Arguments>;

/// Binds the value of a column.
pub(crate) fn bind<'q>(query: DbQuery<'q>, value: &Value) -> DbQuery<'q> {
    match value {
        Value::Null => query.bind(Option::<String>::None),
        Value::Text(text) => query.bind(text.clone()),
        Value::Integer(number) => query.bind(*number),
        Value::Timestamp(moment) => query.bind(stamp(*moment)),
        Value::Boolean(flag) => query.bind(*flag),
        Value::Date(date) => query.bind(day(*date)),
    }
}

#[async_trait]
impl RowStore for SqlStore {
    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        let (clause, values) = where_clause(query);
        let (column, direction) = (query.order.column, if query.order.descending { "DESC" } else { "ASC" });
        let sql = format!(
            "SELECT key, document, {column} AS sort FROM {} {clause}
             ORDER BY {column} {direction}, key {direction} LIMIT {}",
            query.table(query.projection),
            query.limit
        );
        let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        let rows = self.looking(statement.fetch_all(self.reading())).await?;
        let kind = query.kind(column);
        let stored = rows.iter().map(|row| {
            Ok(StoredRow {
                key: row.try_get("key")?,
                document: row.try_get("document")?,
                order: value(row, kind)?,
            })
        });
        stored.collect()
    }

    async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError> {
        let (clause, values) = where_clause(query);
        let sql = format!(
            "SELECT CAST({column} AS text), count(*) FROM {} {clause} GROUP BY {column} ORDER BY count(*) DESC, {column}",
            query.table(query.projection)
        );
        let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        let rows = self.looking(statement.fetch_all(self.reading())).await?;
        let counts = rows.iter().map(|row| {
            Ok(Count {
                value: row.try_get(0)?,
                count: row.try_get(1)?,
            })
        });
        counts.collect()
    }

    async fn sums(&self, query: &RowQuery, columns: SumColumns) -> Result<Vec<Sum>, StoreError> {
        let (clause, values) = where_clause(query);
        let SumColumns {
            of_each,
            distinct,
            sum,
            least,
        } = columns;
        let sql = format!(
            "SELECT CAST({of_each} AS text) AS value, count(DISTINCT {distinct}) AS found, CAST(coalesce(sum({sum}), 0) AS bigint) AS total,
                    min({least}) AS least
             FROM {} {clause} GROUP BY {of_each} ORDER BY {of_each}",
            query.table(query.projection)
        );
        let statement = values.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        let rows = self.looking(statement.fetch_all(self.reading())).await?;
        let sums = rows.iter().map(|row| {
            Ok(Sum {
                value: row.try_get("value")?,
                distinct: row.try_get("found")?,
                sum: row.try_get("total")?,
                least: optional_moment(row, "least")?,
            })
        });
        sums.collect()
    }
}

fn value(row: &DbRow, kind: Kind) -> Result<Value, StoreError> {
    Ok(match kind {
        Kind::Text => Value::Text(row.try_get("sort")?),
        Kind::Integer => Value::Integer(row.try_get("sort")?),
        Kind::Timestamp => Value::Timestamp(moment(row, "sort")?),
        Kind::Boolean => Value::Boolean(row.try_get("sort")?),
        Kind::Date => Value::Date(date(row, "sort")?),
    })
}
