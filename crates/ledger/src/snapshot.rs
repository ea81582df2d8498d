//! A stream's snapshot: its folded state at one of its versions. A stream that is not cached is read from there on, so
//! that its length does not matter.
//!
//! It is the fold's JSON after a tag, which covers the event it was taken at: its stream, its version, and by the hash
//! of its leaf the rest. A snapshot is refused if it was altered, belongs to another stream, was taken of events that
//! are gone, or was made by another version of the fold; then the stream is read from its beginning. Only speed depends
//! on snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aggregates::{Order, StreamId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::cache::StreamState;
use sealing::{SNAPSHOT_TAG, SnapshotKey};
use store::tasks;
use store::{NewEvent, Store, StreamSnapshot};
use tlog::Hash;

/// The label under the tag. Increment it with every change of how an order folds its events or is serialised.
const LABEL: &str = "warmledger order v1";
/// A stream gets a snapshot about every so many versions.
pub(super) const EVERY: u32 = 8;
/// The longest fold kept, in bytes; a longer one comes from few events that name many domains.
const LONGEST: usize = 16 * 1024;
/// Snapshots that may wait to be written; further ones are dropped.
const WAITING: usize = 1_024;
/// Snapshots written at once.
const AT_ONCE: usize = WAITING;
/// How long snapshots gather: each write is a transaction, and on SQLite it makes appends wait.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a stop waits for the remaining ones.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether a stream's next snapshot is due.
pub(super) fn is_due(state: &StreamState) -> bool {
    state.version >= state.kept + EVERY
}

/// The snapshot of a stream folded up to this event, as appended; none if it would be too long.
pub(super) fn write(key: &SnapshotKey, event: &NewEvent, order: &Order) -> Option<StreamSnapshot> {
    let NewEvent { stream, version, .. } = event;
    let json = serde_json::to_vec(order);
    // texts, lists and maps of texts always serialise
    let json = json.ok().filter(|json| json.len() <= LONGEST)?;
    let (name, number) = (stream.as_str().as_bytes(), version.to_le_bytes());
    let tag = key.tag(LABEL, &[name, &number, &event.leaf_hash, &json]);
    Some(StreamSnapshot {
        stream: stream.clone(),
        version: *version,
        state: [tag.as_slice(), &json].concat(),
    })
}

/// The order in a snapshot, if the snapshot was taken of this stream at the event with this version and leaf.
pub(super) fn read(
    key: &SnapshotKey,
    (stream, version): (&StreamId, u32),
    leaf: &Hash,
    snapshot: &[u8],
) -> Option<StreamState> {
    let (tag, json) = snapshot.split_first_chunk::<SNAPSHOT_TAG>()?;
    let (name, number) = (stream.as_str().as_bytes(), version.to_le_bytes());
    if !key.accepts(LABEL, &[name, &number, leaf, json], tag) {
        return None;
    }
    let order: Order = serde_json::from_slice(json).ok()?;
    Some(StreamState {
        version,
        kept: version,
        order,
    })
}

/// Writes snapshots in a task of its own, which the writer never waits for.
pub(super) struct SnapshotWriter {
    due: mpsc::Sender<StreamSnapshot>,
    task: JoinHandle<()>,
}

impl SnapshotWriter {
    /// Starts the task.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (due, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(store, waiting));
        Self { due, task }
    }

    /// Queues a snapshot of a stream's durable state. False, without making it, if too many wait.
    pub(super) fn keep(&self, snapshot: impl FnOnce() -> Option<StreamSnapshot>) -> bool {
        let Ok(place) = self.due.try_reserve() else {
            return false;
        };
        if let Some(snapshot) = snapshot() {
            place.send(snapshot);
        }
        true
    }

    /// Writes the queued snapshots and ends, soon even if the store hangs.
    pub(super) async fn finish(mut self) {
        drop(self.due);
        match timeout(FAREWELL, &mut self.task).await {
            Ok(ended) => drop(tasks::outcome(ended)),
            Err(_) => self.task.abort(),
        }
    }
}

async fn run(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<StreamSnapshot>) {
    let mut received = Vec::with_capacity(AT_ONCE);
    loop {
        let gathered = waiting.recv_many(&mut received, AT_ONCE).await;
        if gathered == 0 {
            return;
        }
        // the writer sends a stream's snapshots in the order of its versions: the last one counts
        let snapshots: BTreeMap<_, _> = received
            .drain(..)
            .map(|snapshot| (snapshot.stream.clone(), snapshot))
            .collect();
        let snapshots: Vec<_> = snapshots.into_values().collect();
        if let Err(error) = store.keep_snapshots(&snapshots).await {
            let streams = snapshots.len();
            tracing::warn!(%error, streams, "snapshots of streams were not kept; reading these streams takes longer");
        }
        // under load, a transaction already has enough of them
        if gathered < AT_ONCE / 2 {
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests;
