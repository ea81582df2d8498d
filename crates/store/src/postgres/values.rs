//! The driver's types, the ledger's values as PostgreSQL stores them, and words of its dialect.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use projections::Kind;
use sqlx::postgres::{PgConnection, PgPool, PgRow, Postgres};
use sqlx::{ColumnIndex, Row};

use crate::StoreError;
use crate::clock::rfc3339_micros;

pub(super) type Db = Postgres;
pub(super) type DbRow = PgRow;
pub(super) type DbConnection = PgConnection;
pub(super) type DbPool = PgPool;

/// Casts a value bound as text to JSON.
pub(super) const AS_JSON: &str = "::json";
/// Surrounds a list parameter in an "is one of" condition.
pub(super) const ANY: (&str, &str) = ("= ANY (", ")");
/// The list of texts that is bound to $1 as rows, in its order.
pub(super) const LISTED: &str = "SELECT value, place FROM unnest($1::text[]) WITH ORDINALITY AS list (value, place)";
/// Prefix of a column whose index must not be used: PostgreSQL needs none.
pub(super) const UNINDEXED: &str = "";
/// Locks the rows read until the transaction ends.
pub(super) const FOR_UPDATE: &str = " FOR UPDATE";
/// Empties a table at once, however long it is.
pub(super) const EMPTY_EMAIL_REFS: &str = "TRUNCATE email_refs";
/// Locks the rows read, and leaves out those that others have locked.
pub(super) const SKIP_LOCKED: &str = " FOR UPDATE SKIP LOCKED";
/// How many events an audit reads in one query: all.
pub(super) const SCANNED_AT_ONCE: i64 = i64::MAX;

/// A moment to be bound.
pub(super) fn stamp(moment: Timestamp) -> jiff_sqlx::Timestamp {
    moment.to_sqlx()
}

/// A day to be bound.
pub(super) fn day(date: Date) -> jiff_sqlx::Date {
    date.to_sqlx()
}

/// A list to be bound.
pub(super) fn list<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect()
}

/// A time in the past, by the database's clock.
pub(super) fn ago(period: &str) -> String {
    format!("clock_timestamp() - interval '{period}'")
}

pub(super) fn moment(row: &DbRow, column: &str) -> Result<Timestamp, StoreError> {
    Ok(row.try_get::<jiff_sqlx::Timestamp, _>(column)?.to_jiff())
}

pub(super) fn optional_moment(row: &DbRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let moment = row.try_get::<Option<jiff_sqlx::Timestamp>, _>(column)?;
    Ok(moment.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The stored time as text, RFC 3339 with six decimals.
pub(super) fn raw_moment(row: &DbRow, column: impl ColumnIndex<DbRow>) -> Result<Cow<'_, str>, sqlx::Error> {
    let moment = row.try_get::<jiff_sqlx::Timestamp, _>(column)?.to_jiff();
    Ok(rfc3339_micros(moment).into())
}

pub(super) fn date(row: &DbRow, column: &str) -> Result<Date, StoreError> {
    Ok(row.try_get::<jiff_sqlx::Date, _>(column)?.to_jiff())
}

/// An `integer`.
pub(super) fn int64(row: &DbRow, column: impl ColumnIndex<DbRow>) -> Result<i64, sqlx::Error> {
    Ok(row.try_get::<i32, _>(column)?.into())
}

/// The type of a column.
pub(super) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text COLLATE \"C\"",
        Kind::Integer => "bigint",
        Kind::Timestamp => "timestamptz",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
    }
}
