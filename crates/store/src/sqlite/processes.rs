//! The processes that are running, on SQLite.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::values::moment;
use crate::{Holds, Process, ProcessStore, SeenProcess, StoreError};

#[async_trait]
impl ProcessStore for SqliteStore {
    async fn process_seen(&self, process: &Process) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO processes (id, host, pid, data_dir, version, holds) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET holds = excluded.holds, beats = processes.beats + 1,
                 seen_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        )
        .bind(&process.id)
        .bind(&process.host)
        .bind(i64::from(process.pid))
        .bind(&process.data_dir)
        .bind(&process.version)
        .bind(process.holds.to_json()?)
        .execute(&self.writer)
        .await?;
        sqlx::query("DELETE FROM processes WHERE seen_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')")
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn processes(&self) -> Result<Vec<SeenProcess>, StoreError> {
        let sql = "SELECT * FROM processes WHERE seen_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-10 seconds')
             ORDER BY started_at, id";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(process).collect()
    }

    async fn process_ended(&self, id: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM processes WHERE id = ?").bind(id);
        query.execute(&self.writer).await?;
        Ok(())
    }
}

fn process(row: &SqliteRow) -> Result<SeenProcess, StoreError> {
    Ok(SeenProcess {
        process: Process {
            id: row.try_get("id")?,
            host: row.try_get("host")?,
            pid: u32::try_from(row.try_get::<i64, _>("pid")?).unwrap_or_default(),
            data_dir: row.try_get("data_dir")?,
            version: row.try_get("version")?,
            holds: Holds::from_json(row.try_get("holds")?)?,
        },
        started_at: moment(row, "started_at")?,
        seen_at: moment(row, "seen_at")?,
        beats: row.try_get("beats")?,
    })
}
