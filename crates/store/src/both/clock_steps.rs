//! Clock steps: where `recorded_at` decreases along the log.

use aggregates::Position;
use async_trait::async_trait;
use jiff::Timestamp;

use super::SqlStore;
use super::columns::{optional_position, position};
use super::values::{moment, stamp};
use crate::log::to_i64;
use crate::{ClockStep, ClockStepStore, StoreError};

#[async_trait]
impl ClockStepStore for SqlStore {
    async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError> {
        let sql = "SELECT position, stepped_from, stepped_to FROM clock_steps WHERE position <= $1 ORDER BY position DESC LIMIT $2";
        let query = sqlx::query(sql).bind(to_i64(until)).bind(i64::from(limit));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        let step = |row| {
            Ok(ClockStep {
                position: position(row, "position")?,
                from: moment(row, "stepped_from")?,
                to: moment(row, "stepped_to")?,
            })
        };
        rows.iter().map(step).collect()
    }

    async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError> {
        let sql = "SELECT first, (SELECT min(position) FROM clock_steps WHERE position > first AND position <= $2) AS behind
             FROM (SELECT coalesce(max(position), 0) AS first FROM clock_steps WHERE stepped_to <= $1 AND position <= $2) AS part";
        let query = sqlx::query(sql).bind(stamp(time)).bind(to_i64(head));
        let row = self.looking(query.fetch_one(self.reading())).await?;
        let behind = optional_position(&row, "behind")?;
        Ok((position(&row, "first")?, behind.unwrap_or(Position(head.0 + 1))))
    }
}
