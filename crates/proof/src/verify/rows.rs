//! Checks each row against the hash of its leaf.

use std::ops::Range;

use ledger::leaf::leaf_of_row;
use store::{RawEvent, Store, StoreError};
use tlog::Hash;

use super::implied::ImpliedState;
use super::times::{TimeRange, Times};
use super::{Finding, FindingKind};

/// The result for some rows.
pub(super) struct Rows {
    /// The requested positions.
    pub(super) positions: Range<u64>,
    /// The stored leaf hash at each position; none if there is no row, or no hash in it.
    pub(super) leaves: Vec<Option<Hash>>,
    /// How many rows there are.
    pub(super) count: u64,
    /// The problems found.
    pub(super) findings: Vec<Finding>,
    /// When the last of them was recorded.
    pub(super) last_time: Option<String>,
    /// When the first of them was recorded.
    pub(super) first_time: Option<String>,
    /// Anomalies of their times.
    pub(super) times: TimeRange,
}

/// Reads the rows with these positions and computes the leaf of each. `implied` takes in their effects on other tables.
pub(super) async fn check(
    store: &dyn Store,
    positions: Range<u64>,
    mut implied: Option<&mut ImpliedState>,
    times: &Times,
) -> Result<Rows, StoreError> {
    let mut rows = Rows {
        leaves: vec![None; usize::try_from(positions.end - positions.start).unwrap_or_default()],
        positions,
        count: 0,
        findings: Vec::new(),
        last_time: None,
        first_time: None,
        times: TimeRange::default(),
    };
    let signed = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
    // an unreadable row ends a scan: the rest is halved until that row is isolated, and the others are read
    let mut left = vec![rows.positions.clone()];
    while let Some(Range { start, end }) = left.pop() {
        let mut next = start;
        let read = store
            .scan(signed(start)..signed(end), &mut |row| {
                let position = row.position.unsigned_abs();
                if position > next {
                    rows.missing(next, position - 1);
                }
                next = position + 1;
                if let Some(implied) = &mut implied {
                    implied.note(position, &row);
                }
                rows.row(position, &row, times);
            })
            .await;
        match read {
            Err(StoreError::Corrupt(error)) if next + 1 >= end => {
                let detail = format!("the row cannot be read: {error}");
                rows.findings
                    .push(Finding::new(FindingKind::Altered, (next, next), detail));
            }
            Err(StoreError::Corrupt(_)) => {
                let middle = next + (end - next) / 2;
                left.extend([middle..end, next..middle]);
            }
            read => {
                read?;
                if next < end {
                    rows.missing(next, end - 1);
                }
            }
        }
    }
    Ok(rows)
}

impl Rows {
    fn missing(&mut self, first: u64, last: u64) {
        let detail = "there is no row";
        self.findings
            .push(Finding::new(FindingKind::Missing, (first, last), detail));
    }

    fn row(&mut self, position: u64, row: &RawEvent<'_>, times: &Times) {
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
        let before = self.last_time.as_deref();
        self.findings
            .extend(times.note(&mut self.times, position, before, row.recorded_at));
        if self.first_time.is_none() {
            self.first_time = Some(row.recorded_at.to_owned());
        }
        match &mut self.last_time {
            Some(time) => row.recorded_at.clone_into(time),
            none => *none = Some(row.recorded_at.to_owned()),
        }
        self.count += 1;
        let index = position.checked_sub(self.positions.start);
        let place = index.and_then(|index| self.leaves.get_mut(usize::try_from(index).ok()?));
        if let Some(place) = place {
            *place = stored;
        }
    }
}
