//! Values of the ledger as the database has them.

use aggregates::Position;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::StoreError;

pub(super) fn to_i64(position: Position) -> i64 {
    // the database itself counts in i64, so no position is ever beyond it
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(super) fn position(row: &PgRow, column: &str) -> Result<Position, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value)
        .map(Position)
        .map_err(|_| StoreError::Corrupt(format!("{column} is negative")))
}

pub(super) fn unsigned(row: &PgRow, column: &str) -> Result<u32, StoreError> {
    let value: i32 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is negative")))
}

pub(super) fn moment(row: &PgRow, column: &str) -> Result<Timestamp, StoreError> {
    Ok(row.try_get::<jiff_sqlx::Timestamp, _>(column)?.to_jiff())
}
