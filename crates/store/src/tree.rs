//! The Merkle tree and its checkpoints, as stored; and the unchecked rows of the log, for an audit.

use std::ops::Range;

use aggregates::Position;
use jiff::Timestamp;

use super::{Fence, Head, Reference, StoreError};
use tlog::{Frontier, Growth, Hash};

/// A stored hash, of a leaf or a node.
pub(super) fn hash(bytes: Vec<u8>) -> Result<Hash, StoreError> {
    let wrong = |_| StoreError::Corrupt("a hash of the tree does not have 32 bytes".to_owned());
    bytes.try_into().map_err(wrong)
}

/// A number in the tree as a database integer; no stored one exceeds 2^63.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The head of the log, and the tree as far as it is built.
#[derive(Clone, Debug)]
pub struct TreeHead {
    /// The head of the log.
    pub head: Head,
    /// The tree. Smaller than the log only if events were written without it.
    pub frontier: Frontier,
}

/// A checkpoint to be stored.
pub struct NewCheckpoint {
    /// How many events it covers.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub created_at: Timestamp,
}

/// A stored checkpoint, unchecked.
#[derive(Clone, Debug)]
pub struct KeptCheckpoint {
    /// Its number, in the order of signing.
    pub id: i64,
    /// How many events it covers.
    pub size: u64,
    /// The root of their tree: 32 bytes unless it was altered.
    pub root: Vec<u8>,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub created_at: Timestamp,
}

/// A public key that has signed checkpoints of the log.
#[derive(Clone, Debug)]
pub struct KeptKey {
    /// `NAME+HASH+KEY`, see [`tlog::NoteVerifier`].
    pub verifier: String,
    /// Since when it signs.
    pub created_at: Timestamp,
}

/// An event's row with every column, unchecked.
pub struct RawEvent<'a> {
    /// The primary key.
    pub position: i64,
    /// The stream.
    pub stream: &'a str,
    /// Its version in the stream.
    pub version: i64,
    /// The source that sent it.
    pub source: &'a str,
    /// The sender's event id.
    pub event_id: &'a str,
    /// The stored type.
    pub type_name: &'a str,
    /// The schema version of the facts.
    pub schema_version: i64,
    /// RFC 3339 with six decimals.
    pub recorded_at: &'a str,
    /// The subject whose data key seals it.
    pub subject: &'a str,
    /// JSON.
    pub facts: &'a str,
    /// Sealed personal data.
    pub personal: Option<&'a [u8]>,
    /// Sealed secrets.
    pub secrets: Option<&'a [u8]>,
    /// The sealed original.
    pub original: Option<&'a [u8]>,
    /// The hash of its leaf.
    pub leaf_hash: &'a [u8],
}

/// The head's row, unchecked.
#[derive(Clone, Debug)]
pub struct RawHead {
    /// Its position of the log's end.
    pub position: i64,
    /// Its time of the last event, RFC 3339 with six decimals.
    pub recorded_at: String,
    /// How many events the tree covers.
    pub tree_size: i64,
    /// The tree's right edge.
    pub frontier: Vec<u8>,
}

/// The log's ends in one snapshot, unchecked.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The head; none if its row is missing.
    pub head: Option<RawHead>,
    /// The first row's position; none without rows.
    pub first: Option<i64>,
    /// The last row's position.
    pub last: Option<i64>,
}

impl Outline {
    /// The position of the log's end: the head's, or the last row's if the head is missing.
    pub fn end(&self) -> i64 {
        let head = self.head.as_ref().map(|head| head.position);
        head.or(self.last).unwrap_or_default().max(0)
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that stores the tree, and that audits read.
    pub trait TreeStore {
        /// The head of the log and the tree, in one snapshot.
        async fn tree(&self) -> Result<TreeHead, StoreError>;

        /// Hashes of a tile level (0: the leaf hashes) with these numbers, from 0; fewer if the level has fewer.
        async fn tree_hashes(&self, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError>;

        /// How many nodes are outside of every tree: on a level below 1 or above 255, or with a number below 0.
        async fn stray_nodes(&self) -> Result<u64, StoreError>;

        /// Extends a tree of size `from` that lags behind the log. `false`, with nothing changed, if its size is
        /// another by now.
        async fn grow_tree(&self, from: u64, growth: &Growth) -> Result<bool, StoreError>;

        /// The references of events with positions in the range, by position. Without an index: it reads the whole
        /// table.
        async fn references(&self, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError>;

        /// The log's ends.
        async fn outline(&self) -> Result<Outline, StoreError>;

        /// Visits the rows with positions in the range, in order, holding one in memory at a time.
        async fn scan(
            &self,
            positions: Range<i64>,
            visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
        ) -> Result<(), StoreError>;

        /// The first event whose version is not its place in its stream; none if all are right. Reads the whole index.
        async fn misversioned(&self) -> Result<Option<Position>, StoreError>;
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that stores the log's name, its public keys, and its signed checkpoints.
    pub trait CheckpointStore: TreeStore {
        /// The log's origin; stores and returns `offer` if it has none yet.
        async fn origin(&self, offer: &str) -> Result<String, StoreError>;

        /// The log's origin; none before the first start that signs.
        async fn known_origin(&self) -> Result<Option<String>, StoreError>;

        /// The public keys that have signed the log, oldest first: the last one signs now.
        async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError>;

        /// Makes a public key the signing one, and stores the checkpoint that announces it, in one step. A key that is
        /// already stored keeps its place.
        async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError>;

        /// Stores a checkpoint under the next number: 1, 2, 3, …; an already stored one is not stored again.
        /// [`StoreError::Overtaken`] if another process has taken over the lease named by `under`.
        async fn add_checkpoint(&self, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError>;

        /// The checkpoint that was signed last.
        async fn latest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError>;

        /// Checkpoints by size, then number, after that size and number.
        async fn checkpoints(&self, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError>;

        /// The gaps in the checkpoints' numbers: a number and the next existing one, at most `limit` of them. Counted
        /// from 0. Reads the whole index.
        async fn checkpoint_gaps(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError>;
    }
}
