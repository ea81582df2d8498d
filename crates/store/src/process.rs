//! The processes of the service that are running, and what each of them holds: so that one can tell what another is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// A process that was not heard of for so long, by the database's clock, is not running any more.
pub const GONE: Duration = Duration::from_secs(10);

/// What a process holds, without a secret: keys by their ids or public halves, and what has neither by a fingerprint that
/// nobody can try guesses on without the ledger's keys. Fields that a later version adds are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Holds {
    /// The ids of its master keys, the newest first.
    pub master_keys: Vec<String>,
    /// The public halves of the keys that it can sign checkpoints with, in hex.
    pub signing_keys: Vec<String>,
    /// The admin token's fingerprint.
    pub admin_token: String,
    /// The fingerprints of each source's webhook keys.
    pub webhook_keys: BTreeMap<String, Vec<String>>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Made up at its start.
    pub id: String,
    /// The name of the machine that it runs on.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// Its data directory.
    pub data_dir: String,
    /// Its version.
    pub version: String,
    /// What it holds.
    pub holds: Holds,
}

/// A process as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenProcess {
    /// The process.
    pub process: Process,
    /// When it was first heard of, by the database's clock.
    pub started_at: Timestamp,
    /// When it was last heard of, by the database's clock.
    pub seen_at: Timestamp,
    /// How often it was heard of.
    pub beats: i64,
}

topic! {
    /// The part of a [`Store`](super::Store) that is about the running processes.
    pub trait ProcessStore {
        /// Notes that a process is running now. Those that were not heard of for a day are forgotten.
        async fn process_seen(&self, process: &Process) -> Result<(), StoreError>;

        /// The processes that are running: those heard of within [`GONE`]. By their start.
        async fn processes(&self) -> Result<Vec<SeenProcess>, StoreError>;

        /// Forgets a process that has ended.
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
