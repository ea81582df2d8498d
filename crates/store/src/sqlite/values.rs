//! The driver's types, the ledger's values as SQLite stores them, and words of its dialect. Times are RFC 3339 text
//! with six decimals, dates ISO 8601 text.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use projections::Kind;
use serde::Serialize;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{ColumnIndex, Row};

use crate::StoreError;
use crate::clock::rfc3339_micros;

pub(super) type Db = Sqlite;
pub(super) type DbRow = SqliteRow;
pub(super) type DbConnection = SqliteConnection;
pub(super) type DbPool = SqlitePool;

/// SQLite stores JSON as text.
pub(super) const AS_JSON: &str = "";
/// Surrounds a list parameter in an "is one of" condition.
pub(super) const ANY: (&str, &str) = ("IN (SELECT value FROM json_each(", "))");
/// The list of texts that is bound to $1 as rows, in its order.
pub(super) const LISTED: &str = "SELECT value, key AS place FROM json_each($1)";
/// Prefix of a column whose index must not be used: otherwise all events of a category would be sorted for each page.
pub(super) const UNINDEXED: &str = "+";
/// Empty: a writing transaction locks the whole database.
pub(super) const FOR_UPDATE: &str = "";
/// Empties a table at once, however long it is: without a condition SQLite gives back its pages.
pub(super) const EMPTY_EMAIL_REFS: &str = "DELETE FROM email_refs";
/// Empty, for the same reason.
pub(super) const SKIP_LOCKED: &str = "";
/// How many events an audit reads in one query: the write-ahead log grows while a read lasts.
pub(super) const SCANNED_AT_ONCE: i64 = 10_000;
/// Rows per statement: few different statements, so that all stay prepared, and few calls for a batch of any length,
/// since each call wakes the connection's thread and waits for it.
const CHUNKS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A moment to be bound.
pub(super) fn stamp(moment: Timestamp) -> String {
    rfc3339_micros(moment)
}

/// A day to be bound.
pub(super) fn day(date: Date) -> String {
    date.to_string()
}

/// A list to be bound.
pub(super) fn list<T: Serialize>(values: impl Iterator<Item = T>) -> String
where
    serde_json::Value: From<T>,
{
    values.collect::<serde_json::Value>().to_string()
}

/// A time in the past, by SQLite's clock.
pub(super) fn ago(period: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{period}')")
}

pub(super) fn moment(row: &DbRow, column: &str) -> Result<Timestamp, StoreError> {
    optional_moment(row, column)?.ok_or_else(|| StoreError::Corrupt(format!("{column} is missing")))
}

pub(super) fn optional_moment(row: &DbRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let wrong = |_| StoreError::Corrupt(format!("{column} is not an RFC 3339 time"));
    let text = row.try_get::<Option<&str>, _>(column)?;
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// The stored text, whether it is a time or not.
pub(super) fn raw_moment(row: &DbRow, column: impl ColumnIndex<DbRow>) -> Result<Cow<'_, str>, sqlx::Error> {
    Ok(row.try_get::<&str, _>(column)?.into())
}

pub(super) fn date(row: &DbRow, column: &str) -> Result<Date, StoreError> {
    let wrong = |_| StoreError::Corrupt(format!("{column} is not a date"));
    row.try_get::<&str, _>(column)?.parse().map_err(wrong)
}

/// An `INTEGER`.
pub(super) fn int64(row: &DbRow, column: impl ColumnIndex<DbRow>) -> Result<i64, sqlx::Error> {
    row.try_get(column)
}

/// Cuts rows into pieces of the lengths in [`CHUNKS`], longest first.
pub(super) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = CHUNKS.into_iter().find(|length| *length <= rows.len())?;
        let (chunk, rest) = rows.split_at(length);
        rows = rest;
        Some(chunk)
    })
}

/// `(?, ?), (?, ?), …` for so many rows of so many columns.
pub(super) fn tuples(rows: usize, columns: usize) -> String {
    let tuple = format!("({})", vec!["?"; columns].join(", "));
    vec![tuple; rows].join(", ")
}

/// The type of a column.
pub(super) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Timestamp | Kind::Date => "TEXT",
        Kind::Integer | Kind::Boolean => "INTEGER",
    }
}
