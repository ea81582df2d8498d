//! The processes that are running, on PostgreSQL.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::session::SOON;
use super::values::moment;
use crate::{Holds, Process, ProcessStore, SeenProcess, StoreError};

#[async_trait]
impl ProcessStore for PostgresStore {
    async fn process_seen(&self, process: &Process) -> Result<(), StoreError> {
        let noting = sqlx::query(
            "WITH forgotten AS (DELETE FROM processes WHERE seen_at < clock_timestamp() - interval '1 day' AND id <> $1)
             INSERT INTO processes (id, host, pid, data_dir, version, holds) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET holds = excluded.holds, beats = processes.beats + 1, seen_at = clock_timestamp()",
        )
        .bind(&process.id)
        .bind(&process.host)
        .bind(i64::from(process.pid))
        .bind(&process.data_dir)
        .bind(&process.version)
        .bind(process.holds.to_json()?);
        self.sessions.within(SOON, noting.execute(&self.pool)).await?;
        Ok(())
    }

    async fn processes(&self) -> Result<Vec<SeenProcess>, StoreError> {
        let sql =
            "SELECT * FROM processes WHERE seen_at > clock_timestamp() - interval '10 seconds' ORDER BY started_at, id";
        let rows = self
            .sessions
            .within(SOON, sqlx::query(sql).fetch_all(&self.pool))
            .await?;
        rows.iter().map(process).collect()
    }

    async fn process_ended(&self, id: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM processes WHERE id = $1").bind(id);
        self.sessions.within(SOON, query.execute(&self.pool)).await?;
        Ok(())
    }
}

fn process(row: &PgRow) -> Result<SeenProcess, StoreError> {
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
