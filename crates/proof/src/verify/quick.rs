//! The quick check: the stored tree in itself, the newest checkpoints, the newest rows and a sample of the others. Its
//! time hardly grows with the log; only the full check covers every row.

use std::sync::Arc;

use rand::RngExt;
use tokio_util::sync::CancellationToken;

use crate::proofs;
use store::{Outline, Store};
use tlog::{Frontier, TILE_WIDTH, TileNode};

use super::signed::Expected;
use super::times::{TimeRange, Times};
use super::{Finding, FindingKind, Report, VerifyError, rows, stored_frontier, tree};

/// How many of the newest rows are checked.
const TAIL: u64 = 20 * TILE_WIDTH;
/// Tiles of older rows that are checked, chosen at random.
const SAMPLE: u64 = 40;

pub(super) async fn check(
    store: &Arc<dyn Store>,
    outline: &Outline,
    (expected, times): (&mut Expected<'_>, &Times),
    report: &mut Report,
    progress: &mut impl FnMut(u64, u64),
    stop: &CancellationToken,
) -> Result<TimeRange, VerifyError> {
    let mut seen = TimeRange::default();
    nodes(&**store, outline, report).await?;
    let full = report.head / TILE_WIDTH;
    let tail = (report.head.saturating_sub(TAIL)) / TILE_WIDTH;
    let mut tiles: Vec<u64> = if tail <= SAMPLE {
        (0..tail).collect()
    } else {
        (0..SAMPLE).map(|_| rand::rng().random_range(0..tail)).collect()
    };
    tiles.extend(tail..full);
    tiles.sort_unstable();
    tiles.dedup();
    let total = report.head.min((tiles.len() as u64 + 1) * TILE_WIDTH);
    for tile in tiles {
        if stop.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        seen.add(rows_of(&**store, tile, TILE_WIDTH, times, report).await?);
        progress(report.rows, total);
    }
    seen.add(rows_of(&**store, full, report.head % TILE_WIDTH, times, report).await?);
    times.check_newest(&**store, report).await?;
    while let Some(size) = expected.next_size().filter(|size| *size <= report.head) {
        if stop.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        match proofs::root(&**store, size).await {
            Ok(root) => report.add_all(expected.compare(size, root).await?),
            Err(error) => {
                let detail = format!("the root over {size} events cannot be computed: {error}");
                report.add(Finding::new(FindingKind::Tree, None, detail));
                break;
            }
        }
    }
    Ok(seen)
}

/// The rows of one tile, and its root.
async fn rows_of(
    store: &dyn Store,
    tile: u64,
    width: u64,
    times: &Times,
    report: &mut Report,
) -> Result<TimeRange, VerifyError> {
    let first = tile * TILE_WIDTH + 1;
    let rows = rows::check(store, first..first + width, None, times).await?;
    report.rows += rows.count;
    let leaves: Option<Vec<_>> = rows.leaves.iter().copied().collect();
    if let Some(leaves) = leaves.filter(|_| width == TILE_WIDTH) {
        let mut frontier = Frontier::default();
        let mut node = None;
        leaves
            .into_iter()
            .for_each(|leaf| frontier.push(leaf, |completed| node = Some(completed)));
        let node = node.map(|node| TileNode { index: tile, ..node });
        let stored = store.tree_hashes(1, tile..tile + 1).await?;
        report.add_all(node.and_then(|node| tree::differences(&[node], &stored)));
    }
    report.add_all(rows.findings);
    Ok(rows.times)
}

/// Checks the stored nodes of each level against those of the level below, and the frontier against them.
async fn nodes(store: &dyn Store, outline: &Outline, report: &mut Report) -> Result<(), VerifyError> {
    let mut level = 1;
    let mut row = report.head / TILE_WIDTH;
    while row >= TILE_WIDTH {
        for tile in 0..row / TILE_WIDTH {
            let below = store
                .tree_hashes(level, tile * TILE_WIDTH..(tile + 1) * TILE_WIDTH)
                .await?;
            let mut frontier = Frontier::default();
            let mut node = None;
            below
                .iter()
                .for_each(|hash| frontier.push(*hash, |completed| node = Some(completed)));
            let node = node.map(|node| TileNode {
                level: level + 1,
                index: tile,
                ..node
            });
            let stored = store.tree_hashes(level + 1, tile..tile + 1).await?;
            report.add_all(node.and_then(|node| tree::differences(&[node], &stored)));
        }
        row /= TILE_WIDTH;
        level += 1;
    }
    match proofs::root(store, report.head).await {
        Ok(root) => {
            report.root = hex::encode(root);
            if outline.head.is_some() && stored_frontier(outline).is_none_or(|frontier| frontier.root() != root) {
                let detail = "the head's frontier is not that of the stored tree";
                report.add(Finding::new(FindingKind::Head, None, detail));
            }
        }
        Err(error) => {
            let detail = format!("the root cannot be computed: {error}");
            report.add(Finding::new(FindingKind::Tree, None, detail));
        }
    }
    Ok(())
}
