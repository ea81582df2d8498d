//! Columns that are the same in both databases.

use aggregates::{Position, SubjectId};
use sqlx::Row;

use super::values::{DbRow, int64};
use crate::StoreError;
use sealing::WrappedKey;

pub(crate) fn position(row: &DbRow, column: &str) -> Result<Position, StoreError> {
    optional_position(row, column)?.ok_or_else(|| StoreError::Corrupt(format!("{column} is missing")))
}

pub(crate) fn optional_position(row: &DbRow, column: &str) -> Result<Option<Position>, StoreError> {
    let negative = |_| StoreError::Corrupt(format!("{column} is negative"));
    let value = row.try_get::<Option<i64>, _>(column)?;
    value
        .map(|value| u64::try_from(value).map(Position).map_err(negative))
        .transpose()
}

pub(crate) fn unsigned(row: &DbRow, column: &str) -> Result<u32, StoreError> {
    u32::try_from(int64(row, column)?).map_err(|_| StoreError::Corrupt(format!("{column} is out of range")))
}

/// Data keys with their subject's last erasure.
pub(crate) const KEYS: &str =
    "SELECT subject, wrapped, coalesce(erased_at, 0) AS since FROM data_keys LEFT JOIN subjects USING (subject)";

/// A row of [`KEYS`].
pub(crate) fn key(row: &DbRow) -> Result<WrappedKey, StoreError> {
    Ok(WrappedKey {
        subject: subject(row)?,
        wrapped: row.try_get("wrapped")?,
        since: position(row, "since")?,
    })
}

pub(crate) fn subject(row: &DbRow) -> Result<SubjectId, StoreError> {
    Ok(SubjectId::try_from(row.try_get::<String, _>("subject")?)?)
}
