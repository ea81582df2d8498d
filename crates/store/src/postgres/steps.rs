//! Advancing projections on PostgreSQL: rows and checkpoints in one transaction.

use std::time::Duration;

use jiff_sqlx::ToSqlx;
use projections::{Column, Kind, Value};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::QueryScalar;
use sqlx::{AssertSqlSafe, Connection, Postgres};

use super::session::{LOOKING, SOON, Sessions};
use super::{PostgresStore, advances, copy, leases};
use crate::generation::{stored, table_name};
use crate::parts::by_size;
use crate::{Advance, Fence, RowChange, StoreError};

/// Bytes of a COPY sent at once: small enough for a core's caches, and for PostgreSQL to begin before all rows are
/// encoded.
const PIECE: usize = 256 << 10;

pub(super) async fn advance(
    store: &PostgresStore,
    steps: &[Advance],
    under: Option<Fence>,
) -> Result<bool, StoreError> {
    // a rebuild's step is as large as memory allows
    let (pool, limit) = match under {
        Some(_) => (&store.pool, SOON),
        None => (&store.long, LOOKING),
    };
    let sessions = &store.sessions;
    let mut lent = Lent {
        connection: pool.acquire().await?,
        given_back: false,
    };
    let moved = move_on(&mut lent.connection, Patience { sessions, limit }, steps, under).await?;
    lent.given_back = true;
    Ok(moved)
}

/// The time-out of each statement of a step; a step as a whole may take longer.
#[derive(Clone, Copy)]
struct Patience<'a> {
    sessions: &'a Sessions,
    limit: Duration,
}

impl Patience<'_> {
    async fn with<T, E>(self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.sessions.within(self.limit, call).await
    }
}

/// A connection that is closed unless it is given back: a cancelled caller may leave it in the middle of a COPY.
struct Lent {
    connection: PoolConnection<Postgres>,
    given_back: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.given_back {
            self.connection.close_on_drop();
        }
    }
}

async fn move_on(
    connection: &mut PgConnection,
    patience: Patience<'_>,
    steps: &[Advance],
    under: Option<Fence>,
) -> Result<bool, StoreError> {
    let mut tx = patience.with(connection.begin()).await?;
    // steps lost in a crash of the server are folded again, rows and checkpoint alike, so there is no need to wait for
    // the disk
    let asynchronous = sqlx::query("SET LOCAL synchronous_commit = off");
    patience.with(asynchronous.execute(&mut *tx)).await?;
    for step in steps {
        if !patience.with(advances::move_checkpoint(&mut tx, step)).await? {
            patience.with(tx.rollback()).await?;
            return Ok(false);
        }
        let more = write_rows(&mut tx, patience, step).await?;
        patience
            .with(advances::write_row_count_and_parked(&mut tx, step, more))
            .await?;
    }
    patience.with(leases::check(&mut tx, under)).await?;
    patience.with(tx.commit()).await?;
    Ok(true)
}

/// Writes the changed rows; returns the change of the row count.
async fn write_rows(tx: &mut PgConnection, patience: Patience<'_>, step: &Advance) -> Result<i64, StoreError> {
    let table = table_name(&step.from);
    let mut more = 0;
    let removed: Vec<&str> = step
        .changes
        .iter()
        .filter(|change| change.row.is_none())
        .map(|change| change.key.as_str())
        .collect();
    if !removed.is_empty() {
        let sql = format!("DELETE FROM {table} WHERE key = ANY ($1)");
        let removing = sqlx::query(AssertSqlSafe(sql)).bind(removed);
        let removed = patience.with(removing.execute(&mut *tx)).await?;
        more -= i64::try_from(removed.rows_affected()).unwrap_or(i64::MAX);
    }
    more += copy_rows(tx, patience, step, &step.written(true)).await?;
    let kept = step.written(false);
    let arrays: String = (3..)
        .zip(stored(step.columns))
        .map(|(number, column)| format!(", ${number}::{}[]", array_type_of(column.kind)))
        .collect();
    let (names, replacing) = (step.names(), step.replacing());
    // a newly inserted row has no xmax: no transaction has deleted or locked an earlier version of it
    let sql = format!(
        "WITH written AS (
             INSERT INTO {table} (key, document{names})
             SELECT key, document{names} FROM unnest($1::text[], $2::text[]{arrays}) AS row (key, document{names})
             {replacing}
             RETURNING xmax = 0 AS is_new
         ) SELECT count(*) FILTER (WHERE is_new) FROM written"
    );
    for part in by_size(&kept, |(_, (document, _))| document.len()) {
        let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.as_str()))
            .bind(part.iter().map(|(change, _)| change.key.as_str()).collect::<Vec<_>>())
            .bind(
                part.iter()
                    .map(|(_, (document, _))| document.as_str())
                    .collect::<Vec<_>>(),
            );
        for (index, column) in step.columns.iter().enumerate().filter(|(_, column)| !column.is_key) {
            query = bind_column(query, column, part.iter().map(|(_, (_, row))| row.get(index)))?;
        }
        more += patience.with(query.fetch_one(&mut *tx)).await?;
    }
    Ok(more)
}

/// Writes new rows; returns how many.
async fn copy_rows(
    tx: &mut PgConnection,
    patience: Patience<'_>,
    step: &Advance,
    new: &[(&RowChange, &(String, projections::Row))],
) -> Result<i64, StoreError> {
    if new.is_empty() {
        return Ok(0);
    }
    let names = step.names();
    let table = table_name(&step.from);
    // types are checked first: COPY would accept the bytes of a number as a time
    for (_, (_, row)) in new {
        let right = |(column, value): (&Column, &Value)| column.accepts(value) || *value == Value::Null;
        if row.len() != step.columns.len() || !step.columns.iter().zip(row).all(right) {
            return Err(StoreError::Corrupt(format!(
                "a row for {table} does not have the types of its columns"
            )));
        }
    }
    let sql = format!("COPY {table} (key, document{names}) FROM STDIN (FORMAT binary)");
    let mut rows = copy::Rows::begin();
    let mut into = patience.with(tx.copy_in_raw(&sql)).await?;
    for (change, (document, row)) in new {
        rows.row(&change.key, document, stored(step.columns).count(), step.values(row));
        if rows.bytes().len() >= PIECE {
            patience.with(into.send(rows.bytes())).await?;
            rows.clear();
        }
    }
    rows.end();
    patience.with(into.send(rows.bytes())).await?;
    Ok(i64::try_from(patience.with(into.finish()).await?).unwrap_or(i64::MAX))
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

type PgQuery<'q> = QueryScalar<'q, Postgres, i64, PgArguments>;

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
