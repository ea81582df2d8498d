//! Advancing projections on SQLite: rows and checkpoints in one transaction.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Sqlite};

use super::values::{chunks, tuples};
use super::{SqliteStore, advances, leases, rows::bind};
use crate::generation::{stored, table_name};
use crate::{Advance, Fence, StoreError};

pub(super) async fn advance(store: &SqliteStore, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    leases::check(&mut tx, under).await?;
    for step in steps {
        if !advances::move_checkpoint(&mut tx, step).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let more = write_rows(&mut tx, step).await?;
        advances::write_row_count_and_parked(&mut tx, step, more).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Writes the changed rows; returns the change of the row count.
async fn write_rows(tx: &mut SqliteConnection, step: &Advance) -> Result<i64, StoreError> {
    let table = table_name(&step.from);
    let mut more = 0;
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for change in step.changes.iter().filter(|change| change.row.is_none()) {
        let sql = format!("DELETE FROM {table} WHERE key = ?");
        let removed = sqlx::query(AssertSqlSafe(sql))
            .bind(&change.key)
            .execute(&mut *tx)
            .await?;
        more -= count(removed.rows_affected());
    }
    let (names, over) = (step.names(), format!(" {}", step.replacing()));
    // an unexpected existing row is an error: it would be overwritten with less than it holds
    for (new, over) in [(true, ""), (false, over.as_str())] {
        for chunk in chunks(&step.written(new)) {
            more += count(chunk.len() as u64);
            if !new {
                let list = vec!["?"; chunk.len()].join(", ");
                let known = format!("SELECT count(*) FROM {table} WHERE key IN ({list})");
                let keys = chunk.iter().map(|(change, _)| change.key.as_str());
                let known = keys.fold(sqlx::query_scalar::<Sqlite, i64>(AssertSqlSafe(known)), |query, key| {
                    query.bind(key)
                });
                more -= known.fetch_one(&mut *tx).await?;
            }
            let values = tuples(chunk.len(), 2 + stored(step.columns).count());
            // a failed insert of new rows rolls back the whole step; an upsert's DO UPDATE always
            // uses ABORT
            let or_fail = if new { " OR FAIL" } else { "" };
            let sql = format!("INSERT{or_fail} INTO {table} (key, document{names}) VALUES {values}{over}");
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (change, (document, row)) in chunk {
                query = query.bind(change.key.as_str()).bind(document.as_str());
                query = step.values(row).fold(query, bind);
            }
            query.execute(&mut *tx).await?;
        }
    }
    Ok(more)
}
