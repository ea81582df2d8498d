//! Proofs from the store: reads the few tiles that a proof needs, and computes its hashes from them.

use std::ops::Range;

use aggregates::Position;

use store::{StoreError, TreeStore};
use tlog::{Frontier, Hash, Nodes, TILE_HEIGHT, TILE_WIDTH};

/// The proof that an event is in a tree.
pub struct Inclusion {
    /// The hash of the event's leaf.
    pub leaf: Hash,
    /// The audit path, from the leaf's sibling up (RFC 6962 §2.1.1).
    pub path: Vec<Hash>,
}

/// The hashes of spans of leaves, each of which occurs in a proof for a tree of `size`, which the log has reached.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Corrupt`] if a hash is missing.
pub async fn hashes(
    store: &(impl TreeStore + ?Sized),
    size: u64,
    spans: &[Range<u64>],
) -> Result<Vec<Hash>, StoreError> {
    let mut nodes = Nodes::default();
    for (level, index) in Nodes::tiles_of(spans) {
        let row = size >> (level * TILE_HEIGHT);
        let first = index * TILE_WIDTH;
        let hashes = store.tree_hashes(level, first..row.min(first + TILE_WIDTH)).await?;
        nodes.insert((level, index), hashes);
    }
    let missing = || StoreError::Corrupt("the tree lacks a hash that it should have".to_owned());
    nodes.hashes(spans).ok_or_else(missing)
}

/// The root of the tree over the first `size` events.
///
/// # Errors
/// As [`hashes`].
pub async fn root(store: &(impl TreeStore + ?Sized), size: u64) -> Result<Hash, StoreError> {
    if size == 0 {
        return Ok(Frontier::default().root());
    }
    let whole = 0..size;
    // one span, so one hash
    Ok(hashes(store, size, std::slice::from_ref(&whole)).await?.remove(0))
}

/// Proves that the event at a position is in the tree over the first `size` events, which includes it.
///
/// # Errors
/// As [`hashes`].
pub async fn inclusion(
    store: &(impl TreeStore + ?Sized),
    position: Position,
    size: u64,
) -> Result<Inclusion, StoreError> {
    let index = position.0.saturating_sub(1);
    let leaf = std::iter::once(index..index + 1);
    let spans: Vec<_> = leaf.chain(tlog::inclusion_proof(index, size)).collect();
    let mut path = hashes(store, size, &spans).await?;
    Ok(Inclusion {
        leaf: path.remove(0),
        path,
    })
}

/// Proves that the tree over the first `from` events is the beginning of the one over the first `to`.
///
/// # Errors
/// As [`hashes`].
pub async fn consistency(store: &(impl TreeStore + ?Sized), from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
    hashes(store, to, &tlog::consistency_proof(from, to)).await
}
