//! Waking whoever waits for events: at once for those of this process, soon for those of others.

use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use store::Store;

/// How soon events of other processes are noticed.
const POLL: Duration = Duration::from_millis(250);

/// The end of the log as this process knows it, and the task that keeps it up to date until `shutdown`. However many
/// wait, the store is asked once each quarter of a second, and not at all while nobody does.
///
/// `tail` tells what this process appends.
pub fn watch_head(
    store: Arc<dyn Store>,
    mut tail: watch::Receiver<Position>,
    shutdown: CancellationToken,
) -> (watch::Receiver<Position>, impl Future<Output = ()> + Send) {
    let (sender, receiver) = watch::channel(*tail.borrow_and_update());
    let moved = move |sender: &watch::Sender<Position>, to: Position| {
        sender.send_if_modified(|head| {
            let further = to > *head;
            *head = to.max(*head);
            further
        });
    };
    let task = async move {
        let mut appends = true;
        let mut answers = true;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = tail.changed(), if appends => match changed {
                    Ok(()) => moved(&sender, *tail.borrow_and_update()),
                    // the ledger has ended: only other processes append now
                    Err(_) => appends = false,
                },
                // one receiver is the service's own, from which those who wait take theirs
                () = tokio::time::sleep(POLL) => if sender.receiver_count() > 1 {
                    match store.head().await {
                        Ok(head) => {
                            moved(&sender, head.position);
                            answers = true;
                        }
                        Err(error) => {
                            if answers {
                                tracing::warn!(%error, "the feed waits for the store");
                            }
                            answers = false;
                        }
                    }
                },
            }
        }
    };
    (receiver, task)
}
