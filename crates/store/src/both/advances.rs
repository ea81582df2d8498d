//! What an advance changes beside the rows: the checkpoint, the row count, and which rows are parked.

use super::parked;
use super::values::{DbConnection, stamp};
use crate::clock::now;
use crate::log::to_i64;
use crate::{Advance, StoreError};

/// Moves the checkpoint of a step's generation. `false` if it has moved already, or a skipped row is no longer parked.
pub(crate) async fn move_checkpoint(tx: &mut DbConnection, step: &Advance) -> Result<bool, StoreError> {
    let sql = "UPDATE projection_generations SET position = $1, updated_at = $2
               WHERE name = $3 AND generation = $4 AND position = $5 AND state <> 'retired'";
    let moved = sqlx::query(sql)
        .bind(to_i64(step.to))
        .bind(stamp(now()))
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(to_i64(step.from.position))
        .execute(&mut *tx)
        .await?;
    Ok(moved.rows_affected() > 0 && parked::are_still_parked(tx, step).await?)
}

/// Adds a step's change of the row count to its generation's, and stores which rows are parked.
pub(crate) async fn write_row_count_and_parked(
    tx: &mut DbConnection,
    step: &Advance,
    more: i64,
) -> Result<(), StoreError> {
    if more != 0 {
        let sql = "UPDATE projection_generations SET row_count = row_count + $1 WHERE name = $2 AND generation = $3";
        let query = sqlx::query(sql)
            .bind(more)
            .bind(&step.from.name)
            .bind(step.from.generation);
        query.execute(&mut *tx).await?;
    }
    parked::write(tx, step).await
}
