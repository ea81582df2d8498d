//! The Merkle tree and its checkpoints, as the stores keep them; and the log as it really stands there, for whoever doubts it.

use std::ops::Range;

use aggregates::Position;
use jiff::Timestamp;

use super::{Fence, Head, Reference, StoreError};
use tlog::{Frontier, Growth, Hash};

/// A hash as it is stored: a leaf's or a node's.
pub(super) fn hash(bytes: Vec<u8>) -> Result<Hash, StoreError> {
    let wrong = |_| StoreError::Corrupt("a hash of the tree does not have 32 bytes".to_owned());
    bytes.try_into().map_err(wrong)
}

/// A number in the tree; none that is stored is beyond 2^63.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The end of the log, and the tree as far as it is built.
#[derive(Clone, Debug)]
pub struct TreeHead {
    /// The end of the log.
    pub head: Head,
    /// The tree. Smaller than the log only where events were written without it.
    pub frontier: Frontier,
}

/// A checkpoint to be kept.
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

/// A checkpoint that is kept, as it stands there: nothing is checked.
#[derive(Clone, Debug)]
pub struct KeptCheckpoint {
    /// Its number, in the order of signing.
    pub id: i64,
    /// How many events it covers.
    pub size: u64,
    /// The root of their tree: 32 bytes, if nobody has altered it.
    pub root: Vec<u8>,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub created_at: Timestamp,
}

/// A public key that the log has signed with.
#[derive(Clone, Debug)]
pub struct KeptKey {
    /// `NAME+HASH+KEY`, see [`tlog::NoteVerifier`].
    pub verifier: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// An event's row as it stands, with every column; nothing is checked.
pub struct RawEvent<'a> {
    /// The primary key.
    pub position: i64,
    /// The stream.
    pub stream: &'a str,
    /// Its place in the stream.
    pub version: i64,
    /// Who sent it.
    pub source: &'a str,
    /// The sender's id of it.
    pub event_id: &'a str,
    /// The stored type.
    pub type_name: &'a str,
    /// The schema version of the facts.
    pub schema_version: i64,
    /// RFC 3339 with six decimals.
    pub recorded_at: &'a str,
    /// Whose data key seals it.
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

/// The head's row as it stands; nothing is checked.
#[derive(Clone, Debug)]
pub struct RawHead {
    /// Where it says that the log ends.
    pub position: i64,
    /// When it says that the last event was recorded, RFC 3339 with six decimals.
    pub recorded_at: String,
    /// How many events the tree covers.
    pub tree_size: i64,
    /// The tree's right edge.
    pub frontier: Vec<u8>,
}

/// The log's ends as they stand at one moment; nothing is checked.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The head; none if its row is not there.
    pub head: Option<RawHead>,
    /// The first row's position; none without rows.
    pub first: Option<i64>,
    /// The last row's position.
    pub last: Option<i64>,
}

impl Outline {
    /// Where the log ends: where the head says, or at the last row without a head.
    pub fn end(&self) -> i64 {
        let head = self.head.as_ref().map(|head| head.position);
        head.or(self.last).unwrap_or_default().max(0)
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that keeps the tree, and lets itself be audited.
    pub trait TreeStore {
        /// The end of the log and the tree, of the same moment.
        async fn tree(&self) -> Result<TreeHead, StoreError>;

        /// Hashes of a tile level (0: the leaf hashes) with these numbers, from 0; as many of them as there are.
        async fn tree_hashes(&self, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError>;

        /// How many nodes are stored where no tree has any: on a level below 1 or above 255, or with a number below 0.
        async fn stray_nodes(&self) -> Result<u64, StoreError>;

        /// Extends a tree of size `from` that lags behind the log. `false`, and nothing changed, if it is another size by now.
        async fn grow_tree(&self, from: u64, growth: &Growth) -> Result<bool, StoreError>;

        /// The references of events with positions in the range, by position. There is no index: it reads them all.
        async fn references(&self, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError>;

        /// The log's ends.
        async fn outline(&self) -> Result<Outline, StoreError>;

        /// Shows the rows with positions in the range, in their order, one at a time: only one is in memory.
        async fn scan(
            &self,
            positions: Range<i64>,
            visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
        ) -> Result<(), StoreError>;

        /// The first event whose version is not its place in its stream; none if all are. Reads the whole index.
        async fn misversioned(&self) -> Result<Option<Position>, StoreError>;
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that keeps the log's name, its public keys, and the checkpoints that it has signed.
    pub trait CheckpointStore: TreeStore {
        /// The log's origin; `offer` is stored and returned if it has none yet.
        async fn origin(&self, offer: &str) -> Result<String, StoreError>;

        /// The log's origin; none before the first start that signs.
        async fn known_origin(&self) -> Result<Option<String>, StoreError>;

        /// The public keys that the log has signed with, oldest first: the last one signs.
        async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError>;

        /// Makes a public key the one that signs, and keeps the checkpoint that tells so, in one step. A key that is there
        /// already stays in its place.
        async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError>;

        /// Keeps a checkpoint under the next number: 1, 2, 3, …; one that is kept already is not kept again.
        /// [`StoreError::Overtaken`] if somebody else has taken over the lease that it is done `under`.
        async fn add_checkpoint(&self, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError>;

        /// The checkpoint that was signed last.
        async fn latest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError>;

        /// Checkpoints by size, then number, after that size and number.
        async fn checkpoints(&self, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError>;

        /// Where the numbers of the checkpoints do not follow one another: a number and the next one there is, at most `limit`
        /// of them. Before the first there is 0. Reads the whole index.
        async fn checkpoint_gaps(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError>;
    }
}
