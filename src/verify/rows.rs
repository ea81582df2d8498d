//! Each row against the hash of its leaf.

use std::ops::Range;
use std::sync::Arc;

use crate::ledger::leaf::leaf_of_row;
use crate::store::{RawEvent, Store, StoreError};
use crate::tlog::{self, Hash};

use super::{Finding, FindingKind};

/// What some rows are like.
pub(super) struct Rows {
    /// The positions that were asked for.
    pub(super) positions: Range<u64>,
    /// The stored leaf hashes from the first position on, as far as there is no gap.
    pub(super) leaves: Vec<Hash>,
    /// Whether the leaf hashes are there up to here, without a gap.
    whole: bool,
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// When the last of them was recorded.
    pub(super) last_time: Option<String>,
    /// When the first of them was recorded.
    pub(super) first_time: Option<String>,
}

/// Reads the rows with these positions and computes the leaf of each.
pub(super) async fn check(store: Arc<dyn Store>, positions: Range<u64>) -> Result<Rows, StoreError> {
    let mut rows = Rows {
        leaves: Vec::with_capacity(usize::try_from(positions.end - positions.start).unwrap_or_default()),
        positions,
        whole: true,
        findings: Vec::new(),
        last_time: None,
        first_time: None,
    };
    let mut next = rows.positions.start;
    let signed = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
    let range = signed(rows.positions.start)..signed(rows.positions.end);
    let read = store
        .scan(range, &mut |row| {
            let position = row.position.unsigned_abs();
            if position > next {
                rows.missing(next, position - 1);
            }
            next = position + 1;
            rows.row(position, &row);
        })
        .await;
    match read {
        Err(StoreError::Corrupt(error)) => {
            let detail = format!("the row cannot be read: {error}");
            rows.findings
                .push(Finding::new(FindingKind::Altered, (next, next), detail));
        }
        read => {
            read?;
            if next < rows.positions.end {
                rows.missing(next, rows.positions.end - 1);
            }
        }
    }
    Ok(rows)
}

impl Rows {
    /// Whether the tree can go on behind them.
    pub(super) fn is_whole(&self) -> bool {
        self.whole && self.leaves.len() as u64 == self.positions.end - self.positions.start
    }

    fn missing(&mut self, first: u64, last: u64) {
        self.whole = false;
        let detail = "there is no row";
        self.findings
            .push(Finding::new(FindingKind::Missing, (first, last), detail));
    }

    fn row(&mut self, position: u64, row: &RawEvent<'_>) {
        let stored: Option<Hash> = row.leaf_hash.try_into().ok();
        let altered = match leaf_of_row(row) {
            Ok(leaf) if Some(tlog::leaf_hash(&leaf)) == stored => None,
            Ok(leaf) => Some(format!(
                "the row's leaf has the hash {}, and the stored leaf hash is {}",
                hex::encode(tlog::leaf_hash(&leaf)),
                hex::encode(row.leaf_hash)
            )),
            Err(error) => Some(format!("the facts cannot be read: {error}")),
        };
        self.findings
            .extend(altered.map(|detail| Finding::new(FindingKind::Altered, (position, position), detail)));
        if self.last_time.as_deref().is_some_and(|before| before > row.recorded_at) {
            let detail = "it was recorded before the event in front of it";
            self.findings
                .push(Finding::new(FindingKind::Altered, (position, position), detail));
        }
        if self.first_time.is_none() {
            self.first_time = Some(row.recorded_at.to_owned());
        }
        match &mut self.last_time {
            Some(time) => row.recorded_at.clone_into(time),
            none => *none = Some(row.recorded_at.to_owned()),
        }
        self.whole &= stored.is_some();
        if self.whole {
            self.leaves.extend(stored);
        }
    }
}
