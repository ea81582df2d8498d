//! The full check: all rows in order, and the tree over their leaf hashes against the stored nodes, the frontier and
//! every checkpoint.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use store::{Outline, Store, StoreError};
use tlog::{Frontier, Hash, TILE_WIDTH, TileNode};
use vault::MasterKeySource;

use super::implied::ImpliedState;
use super::rows::{self, Rows};
use super::side_tables::SideTables;
use super::signed::Expected;
use super::times::{TimeRange, Times};
use super::{Finding, FindingKind, Report, VerifyError, stored_frontier};

/// Rows read and hashed by one task: a whole number of tiles.
const CHUNK: u64 = 32 * TILE_WIDTH;
/// Tasks in parallel: enough to keep every core busy while another task waits for the database.
const TASKS: usize = 4;

pub(super) async fn check(
    store: &Arc<dyn Store>,
    outline: &Outline,
    (expected, times): (&mut Expected<'_>, &Arc<Times>),
    masters: Option<&Arc<dyn MasterKeySource>>,
    report: &mut Report,
    progress: &mut impl FnMut(u64, u64),
    stop: &CancellationToken,
) -> Result<TimeRange, VerifyError> {
    let mut seen = TimeRange::default();
    let end = report.head + 1;
    let starts = (0..)
        .map(|chunk| 1 + chunk * CHUNK)
        .take_while(move |start| *start < end);
    let mut chunks = stream::iter(starts)
        .map(|start| {
            let (store, times) = (Arc::clone(store), Arc::clone(times));
            let rows = async move {
                let mut implied = ImpliedState::default();
                let rows = rows::check(&*store, start..end.min(start + CHUNK), Some(&mut implied), &times).await?;
                implied.find_keyless(&*store).await?;
                Ok::<_, StoreError>((rows, implied))
            };
            // as a task of its own, so that it can run in parallel
            async {
                tokio::spawn(rows)
                    .await
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?
            }
        })
        .buffered(TASKS);
    let mut side_tables = SideTables::new(&**store, report.head);
    let mut tree = Some(Frontier::default());
    let mut before: Option<String> = None;
    while let Some((mut rows, implied)) = chunks.try_next().await? {
        if stop.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        report.rows += rows.count;
        side_tables.take(implied, rows.positions.end - 1, report).await?;
        if let Some(first) = &rows.first_time {
            // times in the future were already noted with the chunk
            let found = times.note(
                &mut TimeRange::default(),
                rows.positions.start,
                before.as_deref(),
                first,
            );
            match found {
                None if before.as_ref() > Some(first) => seen.stepped_at(rows.positions.start),
                found => report.add_all(found),
            }
        }
        seen.add(std::mem::take(&mut rows.times));
        if let Some(frontier) = &mut tree
            && !grow(&**store, frontier, &rows, expected, report).await?
        {
            tree = None;
        }
        before = rows.last_time.or(before);
        progress(rows.positions.end - 1, report.head);
        report.add_all(rows.findings);
    }
    match tree {
        Some(frontier) => finish(&**store, outline, &frontier, report).await?,
        None => {
            let left = expected.left().await?;
            let detail =
                format!("the tree breaks off at a missing row: {left} checkpoints beyond it could not be compared");
            report.add(Finding::new(FindingKind::Tree, None, detail));
        }
    }
    side_tables.finish(masters, report).await?;
    Ok(seen)
}

/// Adds leaves to the tree, and compares the new nodes with the stored ones. A full tile with missing rows is replaced
/// by its stored node, so that later rows can be compared all the same. Returns whether the tree can grow further.
async fn grow(
    store: &dyn Store,
    frontier: &mut Frontier,
    rows: &Rows,
    expected: &mut Expected<'_>,
    report: &mut Report,
) -> Result<bool, VerifyError> {
    let mut nodes = Vec::new();
    let mut goes_on = true;
    report.add_all(expected.at(frontier).await?);
    for tile in rows.leaves.chunks(TILE_WIDTH as usize) {
        if let Some(leaves) = tile.iter().copied().collect::<Option<Vec<Hash>>>() {
            for leaf in leaves {
                frontier.push(leaf, |node| nodes.push(node));
                if expected.next_size() == Some(frontier.size()) {
                    report.add_all(expected.at(frontier).await?);
                }
            }
            continue;
        }
        let index = frontier.size() / TILE_WIDTH;
        let stored = store.tree_hashes(1, index..index + 1).await?;
        let Some(root) = stored.first().filter(|_| tile.len() as u64 == TILE_WIDTH) else {
            goes_on = false;
            break;
        };
        frontier.push_tile(*root, |node| nodes.push(node));
        let passed = expected.pass_over(frontier.size()).await?;
        if passed > 0 {
            let detail = format!("{passed} checkpoints that end among missing rows could not be compared");
            report.add(Finding::new(FindingKind::Tree, None, detail));
        }
        report.add_all(expected.at(frontier).await?);
    }
    nodes.sort_by_key(|node| (node.level, node.index));
    for level in nodes.chunk_by(|one, next| one.level == next.level && one.index + 1 == next.index) {
        let (first, last) = (&level[0], &level[level.len() - 1]);
        let stored = store.tree_hashes(first.level, first.index..last.index + 1).await?;
        report.add_all(differences(level, &stored));
    }
    Ok(goes_on)
}

/// A finding at the first node that differs from the stored one.
pub(super) fn differences(computed: &[TileNode], stored: &[Hash]) -> Option<Finding> {
    let mut stored = stored.iter();
    let (node, stored) = computed
        .iter()
        .map(|node| (node, stored.next()))
        .find(|(node, stored)| *stored != Some(&node.hash))?;
    let width = TILE_WIDTH.pow(u32::from(node.level));
    let positions = (node.index * width + 1, (node.index + 1) * width);
    let what = stored.map_or_else(|| "is missing".to_owned(), |hash| format!("is {}", hex::encode(hash)));
    let detail = format!(
        "the leaf hashes make {} of node {} on level {}, which {what}",
        hex::encode(node.hash),
        node.index,
        node.level
    );
    Some(Finding::new(FindingKind::Tree, positions, detail))
}

/// Compares the end of the tree with the head, and checks that no nodes are beyond it.
async fn finish(
    store: &dyn Store,
    outline: &Outline,
    frontier: &Frontier,
    report: &mut Report,
) -> Result<(), VerifyError> {
    report.root = hex::encode(frontier.root());
    if outline.head.is_some() && stored_frontier(outline).as_ref() != Some(frontier) {
        let detail = "the head's frontier is not that of the tree which the leaf hashes make";
        report.add(Finding::new(FindingKind::Head, None, detail));
    }
    let mut beyond = Vec::new();
    let mut full = frontier.size();
    // 2^64 leaves need at most 8 levels; nodes above were inserted
    for level in 1..=u8::MAX {
        full /= TILE_WIDTH;
        let nodes = store.tree_hashes(level, full..u64::MAX).await?.len();
        if nodes > 0 {
            let detail = format!("{nodes} nodes on level {level} of the tree are over events that are not there");
            beyond.push(Finding::new(FindingKind::Tree, None, detail));
        }
    }
    let stray = store.stray_nodes().await?;
    if stray > 0 {
        let detail = format!("{stray} nodes stand in tree_nodes where the tree has no place: they were put in");
        report.add(Finding::new(FindingKind::Tree, None, detail));
    }
    // a live service goes on: nodes beyond the end count only if the end has not moved
    if !beyond.is_empty() && store.outline().await?.end() == outline.end() {
        report.add_all(beyond);
    }
    Ok(())
}
