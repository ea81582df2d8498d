//! The table of leases on PostgreSQL. Each call is one statement in its own transaction, so that no session keeps a row
//! lock.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgPool;

use super::session::Sessions;
use super::{leases, lost};
use crate::Duty;
use crate::StoreError;
use crate::lease::{Fence, LeaseState, LeaseTable, TERM};

/// The time-out of a call, which touches one row: shorter than the 1.5 s of `crate::lease`.
const LIMIT: Duration = Duration::from_millis(1_200);

/// The table, over a connection of its own: a lease must not expire because other calls keep the connections busy.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) pool: PgPool,
    pub(super) sessions: Sessions,
}

impl Table {
    /// Ends the open transactions of a holder that no longer renews its lease: they hold locks on the rows to be
    /// written next. The server ends them by itself if the holder's host has vanished, but not if a proxy keeps the
    /// connection.
    async fn end_transactions(&self, holder: &str) {
        let query = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = $1 AND datname = current_database() AND usename = current_user
               AND xact_start < clock_timestamp() - $2::interval",
        );
        let query = query.bind(holder).bind(lost::LEFT_FOR);
        // best effort: a remaining transaction is ended by the server's time-outs
        match self.sessions.within(LIMIT, query.execute(&self.pool)).await {
            Ok(done) => tracing::warn!(
                holder,
                transactions = done.rows_affected(),
                "a process has vanished: another one takes over"
            ),
            Err(error) => {
                tracing::warn!(holder, %error, "a process has vanished, and what it left open could not be ended")
            }
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    // a few seconds, so it fits
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl LeaseTable for Table {
    async fn take(&self, duty: Duty, holder: &str) -> Result<Option<i64>, StoreError> {
        let query = sqlx::query_as(
            "WITH before AS (SELECT holder FROM leases WHERE duty = $1)
             INSERT INTO leases AS lease (duty, holder, epoch, until)
             VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 ms')
             ON CONFLICT (duty) DO UPDATE
             SET holder = excluded.holder, epoch = lease.epoch + 1, until = clock_timestamp() + $3 * interval '1 ms'
             WHERE lease.until <= clock_timestamp() OR lease.until > clock_timestamp() + $3 * interval '2 ms'
             RETURNING epoch, (SELECT holder FROM before)",
        );
        let query = query.bind(duty.as_str()).bind(holder).bind(milliseconds(TERM));
        let taken: Option<(i64, Option<String>)> =
            self.sessions.within(LIMIT, query.fetch_optional(&self.pool)).await?;
        let Some((epoch, before)) = taken else { return Ok(None) };
        // a released lease has no holder
        if let Some(before) = before.filter(|before| !before.is_empty() && before != holder) {
            self.end_transactions(&before).await;
        }
        Ok(Some(epoch))
    }

    async fn renew(&self, Fence { duty, epoch }: Fence) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE leases SET until = clock_timestamp() + $3 * interval '1 ms' WHERE duty = $1 AND epoch = $2",
        );
        let query = query.bind(duty.as_str()).bind(epoch).bind(milliseconds(TERM));
        let renewed = self.sessions.within(LIMIT, query.execute(&self.pool)).await?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn give_back(&self, Fence { duty, epoch }: Fence) -> Result<(), StoreError> {
        let query =
            sqlx::query("UPDATE leases SET until = clock_timestamp(), holder = '' WHERE duty = $1 AND epoch = $2");
        let query = query.bind(duty.as_str()).bind(epoch);
        self.sessions.within(LIMIT, query.execute(&self.pool)).await?;
        Ok(())
    }

    async fn all(&self) -> Result<Vec<LeaseState>, StoreError> {
        let sql =
            "SELECT duty, holder, epoch, (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint AS remaining
                   FROM leases ORDER BY duty";
        let rows = self
            .sessions
            .within(LIMIT, sqlx::query(sql).fetch_all(&self.pool))
            .await?;
        rows.iter().map(leases::state).collect()
    }
}
