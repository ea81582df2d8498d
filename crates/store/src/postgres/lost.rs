//! Ends what this process has left open over connections that vanished.
//!
//! The server ends a session that waits within a transaction by itself, but not one that waits for the rest of a message or of a
//! statement, and not where a proxy keeps the connection. Such a session holds locks on the rows that this process writes next.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::time::{sleep, timeout};

use super::session::Sessions;

/// A transaction that was left open is older than this. PostgreSQL's spelling of an interval.
pub(super) const LEFT_FOR: &str = "3 s";
/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long it is looked for them after a call was not answered in time: the last of these calls may have begun just before.
const AFTER: Duration = Duration::from_secs(15);
/// How long a look may take, a new connection included. One that takes longer says nothing of other connections: they are not
/// distrusted for it, or a machine with much to do would only ever connect anew.
const LIMIT: Duration = Duration::from_secs(5);

/// Looks for them, as long as the database has not answered in time a moment ago; never ends.
pub(super) async fn end_lost(pool: PgPool, sessions: Sessions) {
    // by the name of this very session, which no other process has; what works on something does not wait for its client
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
            // said once; the server's time limits end most of them
            Err(error) if !failed => {
                tracing::warn!(error, "what this process left open could not be ended; trying again");
                failed = true;
            }
            Err(_) => {}
        }
    }
}
