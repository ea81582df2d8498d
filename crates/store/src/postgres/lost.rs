//! Ends the transactions that this process has left open over lost connections.
//!
//! The server itself ends an idle session in a transaction, but not one that waits for the rest of a message or
//! statement, nor one whose connection a proxy keeps. Such a session holds locks on the rows that this process writes
//! next.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::time::{sleep, timeout};

use super::session::Sessions;

/// The minimum age of a transaction that counts as left open, as a PostgreSQL interval.
pub(super) const LEFT_FOR: &str = "3 s";
/// The pause between two searches.
const LOOK: Duration = Duration::from_secs(1);
/// How long after a call timed out the search goes on: a later call may have begun just before the time-out.
const AFTER: Duration = Duration::from_secs(15);
/// The time-out of a search, including a new connection. A slow search does not make other connections suspect, else a
/// busy machine would reconnect all the time.
const LIMIT: Duration = Duration::from_secs(5);

/// Searches for them as long as a call has timed out recently; never returns.
pub(super) async fn end_lost(pool: PgPool, sessions: Sessions) {
    // by this session's application name, which no other process has; a busy session does not wait for its client
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = current_setting('application_name') AND datname = current_database()
                 AND usename = current_user AND pid <> pg_backend_pid() AND wait_event = 'ClientRead'
                 AND xact_start < clock_timestamp() - $1::interval";
    let mut failed = false;
    loop {
        sleep(LOOK).await;
        if !sessions.missed_within(AFTER) {
            failed = false;
            continue;
        }
        let query = sqlx::query_scalar::<_, i64>(sql).bind(LEFT_FOR);
        let looked = match timeout(LIMIT, query.fetch_one(&pool)).await {
            Ok(looked) => looked.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the database did not answer within {LIMIT:?}")),
        };
        match looked {
            Ok(0) => {}
            Ok(transactions) => tracing::warn!(
                transactions,
                "transactions of this process whose connections had vanished are ended"
            ),
            // logged once; the server's time-outs end most of them
            Err(error) if !failed => {
                tracing::warn!(error, "what this process left open could not be ended; trying again");
                failed = true;
            }
            Err(_) => {}
        }
    }
}
