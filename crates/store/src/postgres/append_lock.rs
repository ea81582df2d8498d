//! The append lock on PostgreSQL: a lock on the head's row, in the transaction that appends. It is preceded by an
//! advisory lock, since only advisory locks are granted in the order of requests: of several transactions that wait for
//! a row, any may get it.

use aggregates::Position;
use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{AssertSqlSafe, Postgres, Row, raw_sql};
use tokio::time::timeout;

use super::append::{self, Connections, LONGEST};
use super::events::{PLAIN, event};
use crate::{Append, AppendLock, Batch, Parts, StoreError, StoredEvent};

/// The number of the advisory lock: "warm" in ASCII, then the oid (32 bits) of the ledger's table `head`. Advisory
/// locks are per database, and each of its schemas may hold a ledger.
const APPEND_LOCK: i64 = 0x7761_726d << 32;

/// A transaction that holds the lock on the head.
pub(super) struct Held<'a> {
    connections: &'a Connections,
    /// None once it was returned.
    connection: Option<PoolConnection<Postgres>>,
}

/// Waits for the lock, then reads the events. In one round trip: other processes wait from the moment the lock is
/// granted.
pub(super) async fn take<'a>(
    writer: &PgPool,
    connections: &'a Connections,
    after: Position,
    limit: u32,
) -> Result<(Held<'a>, Vec<StoredEvent>), StoreError> {
    let connection = connections.take(writer).await?;
    let mut held = Held {
        connections,
        connection: Some(connection),
    };
    let sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT FROM pg_advisory_xact_lock({APPEND_LOCK} + 'head'::regclass::oid::bigint); SELECT FROM head FOR NO KEY UPDATE;
         SELECT {PLAIN}{} FROM events WHERE position > {} ORDER BY position LIMIT {limit}",
        Parts::Leaves.columns(),
        crate::log::to_i64(after),
    );
    let rows = held.run(sql).await?;
    // the rows of the lock statements have no column
    let events = rows.iter().filter(|row| !row.is_empty());
    let events = events.map(|row| event(row, Parts::Leaves)).collect::<Result<_, _>>()?;
    Ok((held, events))
}

impl Held<'_> {
    async fn run(&mut self, sql: String) -> Result<Vec<PgRow>, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Ok(Vec::new());
        };
        match timeout(LONGEST, raw_sql(AssertSqlSafe(sql)).fetch_all(&mut **connection)).await {
            Ok(rows) => Ok(rows?),
            Err(_) => {
                self.connections.sessions.distrust();
                Err(append::too_long())
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.connections.give_back(connection);
        }
    }
}

impl Drop for Held<'_> {
    /// Closing the connection rolls back the rest on the server.
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

#[async_trait]
impl AppendLock for Held<'_> {
    async fn append(mut self: Box<Self>, batch: &Batch<'_>) -> Result<Append, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Ok(Append::LostRace);
        };
        let appended = append::append_on(connection, batch).await?;
        let end = if appended == Append::Done { "COMMIT" } else { "ROLLBACK" };
        self.run(end.to_owned()).await?;
        self.give_back();
        Ok(appended)
    }

    async fn release(mut self: Box<Self>) {
        if self.run("ROLLBACK".to_owned()).await.is_ok() {
            self.give_back();
        }
    }
}
