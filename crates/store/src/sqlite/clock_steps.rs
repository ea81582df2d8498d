//! Where the log's time steps back, on SQLite.

use aggregates::Position;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::values::{moment, position, to_i64};
use crate::clock::rfc3339_micros;
use crate::{ClockStep, StoreError};

pub(super) async fn newest(pool: &SqlitePool, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError> {
    let sql =
        "SELECT position, stepped_from, stepped_to FROM clock_steps WHERE position <= ? ORDER BY position DESC LIMIT ?";
    let query = sqlx::query(sql).bind(to_i64(until)).bind(i64::from(limit));
    let step = |row| {
        Ok(ClockStep {
            position: position(row, "position")?,
            from: moment(row, "stepped_from")?,
            to: moment(row, "stepped_to")?,
        })
    };
    query.fetch_all(pool).await?.iter().map(step).collect()
}

pub(super) async fn part_at(
    pool: &SqlitePool,
    time: Timestamp,
    head: Position,
) -> Result<(Position, Position), StoreError> {
    let query = sqlx::query(crate::PART_AT).bind(rfc3339_micros(time));
    let row = query.bind(to_i64(head)).fetch_one(pool).await?;
    let end: Option<i64> = row.try_get("behind")?;
    let end = if end.is_some() {
        position(&row, "behind")?
    } else {
        Position(head.0 + 1)
    };
    Ok((position(&row, "first")?, end))
}
