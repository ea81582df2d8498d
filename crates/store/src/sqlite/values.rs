//! Values of the ledger as the database has them, and statements about many rows.

use aggregates::Position;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;

/// Rows a statement: few different statements, so that all stay prepared, and few calls for a batch of any length, since each call
/// wakes the connection's thread and waits for it.
const CHUNKS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

pub(super) fn to_i64(position: Position) -> i64 {
    // the database itself counts in i64, so no position is ever beyond it
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(super) fn position(row: &SqliteRow, column: &str) -> Result<Position, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value)
        .map(Position)
        .map_err(|_| StoreError::Corrupt(format!("{column} is negative")))
}

pub(super) fn unsigned(row: &SqliteRow, column: &str) -> Result<u32, StoreError> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is out of range")))
}

pub(super) fn moment(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    let text: &str = row.try_get(column)?;
    text.parse()
        .map_err(|_| StoreError::Corrupt(format!("{column} is not an RFC 3339 time")))
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
