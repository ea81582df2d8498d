//! The table of leases on SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqlitePool;

use super::leases;
use crate::Duty;
use crate::StoreError;
use crate::lease::{Fence, LeaseState, LeaseTable, TERM};

/// The table, with the writing and the reading connections.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) writer: SqlitePool,
    pub(super) pool: SqlitePool,
}

/// Milliseconds; a term is some seconds.
const TERM_MS: i64 = TERM.as_millis() as i64;

#[async_trait]
impl LeaseTable for Table {
    async fn take(&self, duty: Duty, holder: &str) -> Result<Option<i64>, StoreError> {
        let query = sqlx::query_scalar(
            "INSERT INTO leases AS lease (duty, holder, epoch, until)
             VALUES (?1, ?2, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?3)
             ON CONFLICT (duty) DO UPDATE
             SET holder = excluded.holder, epoch = lease.epoch + 1, until = excluded.until
             WHERE lease.until <= excluded.until - ?3 OR lease.until > excluded.until + ?3
             RETURNING epoch",
        );
        let query = query.bind(duty.as_str()).bind(holder).bind(TERM_MS);
        Ok(query.fetch_optional(&self.writer).await?)
    }

    async fn renew(&self, Fence { duty, epoch }: Fence) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE leases SET until = CAST(unixepoch('subsec') * 1000 AS INTEGER) + ? WHERE duty = ? AND epoch = ?",
        );
        let query = query.bind(TERM_MS).bind(duty.as_str()).bind(epoch);
        Ok(query.execute(&self.writer).await?.rows_affected() == 1)
    }

    async fn give_back(&self, Fence { duty, epoch }: Fence) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE leases SET until = 0, holder = '' WHERE duty = ? AND epoch = ?");
        query.bind(duty.as_str()).bind(epoch).execute(&self.writer).await?;
        Ok(())
    }

    async fn all(&self) -> Result<Vec<LeaseState>, StoreError> {
        let sql = "SELECT duty, holder, epoch, until - CAST(unixepoch('subsec') * 1000 AS INTEGER) AS remaining
                   FROM leases ORDER BY duty";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(leases::state).collect()
    }
}
