//! The Merkle tree of a log that was written without one, or outside it: built from the stored leaf hashes.

use std::time::{Duration, Instant};

use store::{Head, Store, StoreError};
use tlog::{Frontier, Growth};

/// Leaves added in one transaction.
const STEP: u64 = 1 << 14;
/// How often a long catch-up logs its progress.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// The head of the log, with the tree over all of it. A tree that lags behind the log is extended in steps; other
/// processes may do the same at once, and an interrupted catch-up resumes.
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
