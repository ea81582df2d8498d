//! The running processes, by the database's clock.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::SqlStore;
use super::values::{DbRow, ago, moment};
use crate::{GONE, Holds, Process, ProcessStore, SeenProcess, StoreError};

#[async_trait]
impl ProcessStore for SqlStore {
    async fn process_seen(&self, process: &Process) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO processes (id, host, pid, data_dir, version, holds) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET holds = excluded.holds, beats = processes.beats + 1, seen_at = {}",
            ago("0 seconds")
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(&process.id)
            .bind(&process.host)
            .bind(i64::from(process.pid))
            .bind(&process.data_dir)
            .bind(&process.version)
            .bind(process.holds.to_json()?);
        self.soon(query.execute(self.writing())).await?;
        let sql = format!("DELETE FROM processes WHERE seen_at < {}", ago("1 day"));
        self.soon(sqlx::query(AssertSqlSafe(sql)).execute(self.writing()))
            .await?;
        Ok(())
    }

    async fn processes(&self) -> Result<Vec<SeenProcess>, StoreError> {
        let since = ago(&format!("{} seconds", GONE.as_secs()));
        let sql = format!("SELECT * FROM processes WHERE seen_at > {since} ORDER BY started_at, id");
        let rows = self
            .soon(sqlx::query(AssertSqlSafe(sql)).fetch_all(self.reading()))
            .await?;
        rows.iter().map(process).collect()
    }

    async fn process_ended(&self, id: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM processes WHERE id = $1").bind(id);
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }
}

fn process(row: &DbRow) -> Result<SeenProcess, StoreError> {
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
