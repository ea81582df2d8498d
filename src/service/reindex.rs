//! Makes the hashes of e-mail addresses for events that lack them, beside the service: those that an earlier version
//! recorded, and those that an interrupted `subjects reindex` left.

use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio_util::sync::CancellationToken;

use ledger::Reader;
use ledger::email::complete;
use store::Store;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(30);

/// Looks until the service stops.
pub(super) async fn follow(store: Arc<dyn Store>, reader: Reader, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let mut told = false;
        let progress = |left: Position| {
            if left.0 > 0 && !std::mem::replace(&mut told, true) {
                tracing::info!(events = left.0, "making earlier events searchable by e-mail address");
            }
        };
        match complete(&*store, &reader, progress, &stop).await {
            Ok(done) if told && !stop.is_cancelled() => {
                let (hashes, unopened) = (done.hashes, done.unopened);
                tracing::info!(hashes, unopened, "earlier events are searchable by e-mail address");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "events cannot be made searchable by e-mail address; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}
