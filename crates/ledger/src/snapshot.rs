//! A stream's snapshot: what it had come to at one of its versions. A stream that no cache knows is read from there on, so that
//! its length does not matter.
//!
//! It is the fold's JSON behind its tag, which covers the event that it was taken at: its stream, its version, and by the hash of its leaf
//! all the rest. One that was altered, that belongs elsewhere, that was taken of events which are not there any more, or that another version
//! of the fold made is not accepted, and the stream is read from its beginning: nothing rests on a snapshot but time.

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

/// What a snapshot is of. To be counted up with every change of what an order makes of its events, or of how it is written.
const LABEL: &str = "warmledger order v1";
/// A stream has a snapshot at every so many versions, about; none before.
pub(super) const EVERY: u32 = 8;
/// A longer fold is not kept: it comes from few events that tell of many domains.
const LONGEST: usize = 16 * 1024;
/// Snapshots that may wait to be kept; further ones are left out.
const WAITING: usize = 1_024;
/// Snapshots that are kept at once.
const AT_ONCE: usize = WAITING;
/// How long snapshots gather: keeping some is a transaction, and on SQLite whoever appends waits for it.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a stop waits for those that are left.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether a stream has come so far that its next snapshot is due.
pub(super) fn is_due(state: &StreamState) -> bool {
    state.version >= state.kept + EVERY
}

/// The snapshot of a stream that has come to this with an event, which is as it was appended; none if it would be too long.
pub(super) fn write(key: &SnapshotKey, event: &NewEvent, order: &Order) -> Option<StreamSnapshot> {
    let NewEvent { stream, version, .. } = event;
    let json = serde_json::to_vec(order);
    // texts, lists and maps of texts can be written always
    let json = json.ok().filter(|json| json.len() <= LONGEST)?;
    let (name, number) = (stream.as_str().as_bytes(), version.to_le_bytes());
    let tag = key.tag(LABEL, &[name, &number, &event.leaf_hash, &json]);
    Some(StreamSnapshot {
        stream: stream.clone(),
        version: *version,
        state: [tag.as_slice(), &json].concat(),
    })
}

/// What a snapshot holds, if it is this stream's at the event with this version and this leaf.
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

/// Keeps snapshots beside the writer, which never waits for it.
pub(super) struct SnapshotWriter {
    due: mpsc::Sender<StreamSnapshot>,
    task: JoinHandle<()>,
}

impl SnapshotWriter {
    /// Starts to keep what it is given.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (due, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(store, waiting));
        Self { due, task }
    }

    /// Keeps a snapshot of a stream as it durably is, unless too many wait: then none is made, and it says so.
    pub(super) fn keep(&self, snapshot: impl FnOnce() -> Option<StreamSnapshot>) -> bool {
        let Ok(place) = self.due.try_reserve() else {
            return false;
        };
        if let Some(snapshot) = snapshot() {
            place.send(snapshot);
        }
        true
    }

    /// Keeps what waits, and ends; soon, whatever the store does.
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
        // the writer tells of a stream in the order of its versions: the last one counts
        let snapshots: BTreeMap<_, _> = received
            .drain(..)
            .map(|snapshot| (snapshot.stream.clone(), snapshot))
            .collect();
        let snapshots: Vec<_> = snapshots.into_values().collect();
        if let Err(error) = store.keep_snapshots(&snapshots).await {
            let streams = snapshots.len();
            tracing::warn!(%error, streams, "snapshots of streams were not kept; reading these streams takes longer");
        }
        // where many come, as many as a transaction pays for are there already
        if gathered < AT_ONCE / 2 {
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests;
