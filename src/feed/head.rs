//! Wakes readers when events are appended: at once for this process, soon for other processes.

use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use store::Store;

/// How often the store is polled for events of other processes.
const POLL: Duration = Duration::from_millis(250);

/// The head of the log as this process knows it, and the task that updates it until `shutdown`. However many readers
/// wait, the store is polled once per 250 ms; without readers, not at all.
///
/// `tail` has the positions that this process appends.
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
                    // this process's writer has ended: only others append now
                    Err(_) => appends = false,
                },
                // the service holds one receiver itself; readers clone it
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
