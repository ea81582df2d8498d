//! The Merkle tree of a log that was written without one, or beside it: built from the stored leaf hashes.

use std::time::{Duration, Instant};

use store::{Head, Store, StoreError};
use tlog::{Frontier, Growth};

/// Leaves that are added in one transaction.
const STEP: u64 = 1 << 14;
/// How often a long catch-up tells how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// The end of the log with the tree over all of it. A tree that is smaller than the log is extended in steps; whoever else
/// does the same meanwhile does no harm, and an interrupted catch-up goes on where it stopped.
pub(super) async fn caught_up(store: &dyn Store) -> Result<(Head, Frontier), StoreError> {
    let mut told = Instant::now();
    let mut behind = false;
    loop {
        let tree = store.tree().await?;
        let (size, end) = (tree.frontier.size(), tree.head.position.0);
        if size >= end {
            if behind {
                tracing::info!(events = end, "the Merkle tree is built");
            }
            return Ok((tree.head, tree.frontier));
        }
        if !behind || told.elapsed() >= TOLD_EVERY {
            tracing::info!("building the Merkle tree over events that were recorded without it: {size} of {end}");
            told = Instant::now();
        }
        behind = true;
        let leaves = store.tree_hashes(0, size..end.min(size + STEP)).await?;
        if leaves.is_empty() {
            return Err(StoreError::Corrupt(format!("the log ends before position {end}")));
        }
        let mut growth = Growth::on(tree.frontier);
        leaves.into_iter().for_each(|leaf| growth.push(leaf));
        store.grow_tree(size, &growth).await?;
    }
}
