//! Moving projections on, on SQLite: rows and checkpoints in one transaction.

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Sqlite};

use super::rows::bind;
use super::values::{chunks, to_i64, tuples};
use super::{lease, parked};
use crate::clock::{now, rfc3339_micros};
use crate::{Advance, Fence, RowChange, StoreError, table_name};

pub(super) async fn advance(writer: &SqlitePool, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    lease::check(&mut tx, under).await?;
    let updated_at = rfc3339_micros(now());
    for step in steps {
        let moved = sqlx::query(
            "UPDATE projection_generations SET position = ?, updated_at = ?
             WHERE name = ? AND generation = ? AND position = ? AND state <> 'retired'",
        )
        .bind(to_i64(step.to))
        .bind(&updated_at)
        .bind(&step.from.name)
        .bind(step.from.generation)
        .bind(to_i64(step.from.position))
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 || !parked::stand_still(&mut tx, step).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let more = write_rows(&mut tx, step).await?;
        if more != 0 {
            sqlx::query(
                "UPDATE projection_generations SET row_count = row_count + ? WHERE name = ? AND generation = ?",
            )
            .bind(more)
            .bind(&step.from.name)
            .bind(step.from.generation)
            .execute(&mut *tx)
            .await?;
        }
        parked::write(&mut tx, step).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Writes what changes; how many rows more there are now, or fewer.
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
    let names: String = step.columns.iter().map(|column| format!(", {}", column.name)).collect();
    let sets: String = step
        .columns
        .iter()
        .map(|column| format!(", {0} = excluded.{0}", column.name))
        .collect();
    let over = format!(" ON CONFLICT (key) DO UPDATE SET document = excluded.document{sets}");
    // a row that is there although nobody knows of it is an error: it would be overwritten by less than it holds
    for (new, over) in [(true, ""), (false, over.as_str())] {
        let changes = step.changes.iter().filter(|change| change.is_new == new);
        let kept: Vec<(&RowChange, &(String, projections::Row))> = changes
            .filter_map(|change| change.row.as_ref().map(|row| (change, row)))
            .collect();
        for chunk in chunks(&kept) {
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
            let values = tuples(chunk.len(), 2 + step.columns.len());
            // new rows need not be undone without the whole step; what is written over can be nothing else
            let or_fail = if new { " OR FAIL" } else { "" };
            let sql = format!("INSERT{or_fail} INTO {table} (key, document{names}) VALUES {values}{over}");
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (change, (document, row)) in chunk {
                query = query.bind(change.key.as_str()).bind(document.as_str());
                query = row.iter().fold(query, bind);
            }
            query.execute(&mut *tx).await?;
        }
    }
    Ok(more)
}
