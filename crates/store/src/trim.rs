//! Keeps a store's write-ahead log small, and reports its size.

use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Store;

/// The interval between two trims.
const LOOKED: Duration = Duration::from_secs(5);
/// A reader that holds the log for so long is logged, and again at this interval.
const HELD_FOR: Duration = Duration::from_secs(30);

/// A file that changes are written to before they enter the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteAheadLog {
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether a reader keeps it from shrinking.
    pub held: bool,
}

/// Keeps the store's write-ahead log small until `shutdown`, logs a reader that blocks it for long, and sets a metric
/// to its bytes.
pub async fn keep_trimmed(store: Arc<dyn Store>, shutdown: CancellationToken) {
    let mut head = Position(u64::MAX);
    let mut held: Option<Instant> = None;
    while shutdown.run_until_cancelled(sleep(LOOKED)).await.is_some() {
        let trimmed = async {
            let now = store.head().await?.position;
            let idle = std::mem::replace(&mut head, now) == now;
            store.trim(idle).await
        };
        let log = match trimmed.await {
            Ok(Some(log)) => log,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log could not be looked after");
                continue;
            }
        };
        metrics::gauge!("warmledger_write_ahead_log_bytes").set(log.bytes as f64);
        if !log.held {
            held = None;
        } else if held.get_or_insert_with(Instant::now).elapsed() >= HELD_FOR {
            held = Some(Instant::now());
            tracing::warn!(
                megabytes = log.bytes >> 20,
                "a reader has held the database for more than {} s, and its write-ahead log grows for as long: end the reader, such \
                 as an open transaction of sqlite3",
                HELD_FOR.as_secs()
            );
        }
    }
}
