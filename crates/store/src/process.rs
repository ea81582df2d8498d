//! The running processes of the service, and the keys each of them holds: so that one can tell what another lacks.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// A process not seen for so long, by the database's clock, counts as ended.
pub const GONE: Duration = Duration::from_secs(10);

/// The keys that a process holds, without secrets: by id or public half, or else by a fingerprint that cannot be
/// brute-forced without the ledger's keys. Fields added by a later version are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Holds {
    /// The ids of its master keys, the newest first.
    pub master_keys: Vec<String>,
    /// The public halves of its keys that sign checkpoints, in hex.
    pub signing_keys: Vec<String>,
    /// The admin token's fingerprint.
    pub admin_token: String,
    /// The fingerprints of each source's webhook keys.
    pub webhook_keys: BTreeMap<String, Vec<String>>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its random id, made at its start.
    pub id: String,
    /// The name of the machine that it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Its data directory.
    pub data_dir: String,
    /// Its version.
    pub version: String,
    /// The keys it holds.
    pub holds: Holds,
}

/// A stored process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenProcess {
    /// The process.
    pub process: Process,
    /// When it was first seen, by the database's clock.
    pub started_at: Timestamp,
    /// When it was last seen, by the database's clock.
    pub seen_at: Timestamp,
    /// How many heartbeats it has sent.
    pub beats: i64,
}

topic! {
    /// The part of a [`Store`](super::Store) that stores the running processes.
    pub trait ProcessStore {
        /// Records a heartbeat of a process. Processes not seen for a day are deleted.
        async fn process_seen(&self, process: &Process) -> Result<(), StoreError>;

        /// The running processes: those seen within [`GONE`]. By their start.
        async fn processes(&self) -> Result<Vec<SeenProcess>, StoreError>;

        /// Deletes a process that has ended.
        async fn process_ended(&self, id: &str) -> Result<(), StoreError>;
    }
}

impl Holds {
    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Corrupt(format!("what a process holds: {error}")))
    }

    pub(super) fn from_json(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("what a process holds: {error}")))
    }
}
