//! A stream's snapshot: what it had come to at one of its versions. A stream that no cache knows is read from there on, so that
//! its length does not matter.
//!
//! It is the fold's JSON behind its tag, which covers the stream and the version too. One that was altered, that belongs elsewhere or
//! that another version of the fold made is not accepted, and the stream is read from its beginning: nothing rests on a snapshot but time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aggregates::{Order, StreamId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::cache::StreamState;
use crate::store::{Store, StoreError, StreamSnapshot};
use crate::tasks;
use crate::vault::{SNAPSHOT_TAG, SnapshotKey};

/// What a snapshot is of. To be counted up with every change of what an order makes of its events, or of how it is written.
const LABEL: &str = "warmledger order v1";
/// A stream has a snapshot at every so many versions, about.
const EVERY: u32 = 8;
/// A longer fold is not kept: it comes from few events that tell of many domains.
const LONGEST: usize = 32 * 1024;
/// Snapshots that may wait to be kept; further ones are left out.
const WAITING: usize = 1_024;
/// Snapshots that are kept at once.
const AT_ONCE: usize = 256;
/// How long the store may take to keep some: a stop waits for it.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Whether a stream has come so far that its next snapshot is due.
pub(super) fn is_due(state: &StreamState) -> bool {
    state.version >= state.kept + EVERY
}

/// A stream's snapshot; none if it would be too long.
pub(super) fn write(key: &SnapshotKey, stream: &StreamId, state: &StreamState) -> Option<StreamSnapshot> {
    let json = serde_json::to_vec(&state.order);
    // texts, lists and maps of texts can be written always
    let json = json.ok().filter(|json| json.len() <= LONGEST)?;
    let tag = key.tag(
        LABEL,
        &[stream.as_str().as_bytes(), &state.version.to_le_bytes(), &json],
    );
    Some(StreamSnapshot {
        stream: stream.clone(),
        version: state.version,
        state: [tag.as_slice(), &json].concat(),
    })
}

/// What a snapshot holds, if it is this stream's at this version.
pub(super) fn read(key: &SnapshotKey, stream: &StreamId, version: u32, snapshot: &[u8]) -> Option<StreamState> {
    let (tag, json) = snapshot.split_first_chunk::<SNAPSHOT_TAG>()?;
    let parts: [&[u8]; 3] = [stream.as_str().as_bytes(), &version.to_le_bytes(), json];
    if !key.accepts(LABEL, &parts, tag) {
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
pub(super) struct Keeper {
    due: mpsc::Sender<StreamSnapshot>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts to keep what it is given.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (due, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(store, waiting));
        Self { due, task }
    }

    /// Keeps a snapshot of a stream as it durably is, unless too many wait: the stream will have others.
    pub(super) fn keep(&self, snapshot: StreamSnapshot) {
        let _ = self.due.try_send(snapshot);
    }

    /// Keeps what waits, and ends.
    pub(super) async fn finish(self) {
        drop(self.due);
        tasks::outcome(self.task.await);
    }
}

async fn run(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<StreamSnapshot>) {
    let mut received = Vec::with_capacity(AT_ONCE);
    while waiting.recv_many(&mut received, AT_ONCE).await > 0 {
        // the writer tells of a stream in the order of its versions: the last one counts
        let snapshots: BTreeMap<_, _> = received
            .drain(..)
            .map(|snapshot| (snapshot.stream.clone(), snapshot))
            .collect();
        let snapshots: Vec<_> = snapshots.into_values().collect();
        let kept = timeout(LONGEST_WAIT, store.keep_snapshots(&snapshots)).await;
        let kept = kept.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("not done within {LONGEST_WAIT:?}"))));
        if let Err(error) = kept {
            let streams = snapshots.len();
            tracing::warn!(%error, streams, "snapshots of streams were not kept; reading these streams takes longer");
        }
    }
}

#[cfg(test)]
mod tests;
