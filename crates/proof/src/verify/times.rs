//! When events were recorded: later than the clock's time now, or earlier than the previous event, which is right only
//! if the ledger has noted that a clock was set back.

use std::collections::BTreeMap;

use aggregates::Position;

use super::{Finding, FindingKind, Report};
use store::clock::{TOLERANCE, now, rfc3339_micros};
use store::{ClockStep, Store, StoreError};

/// So many of the newest clock steps are known.
const STEPS: u32 = 10_000;
/// So many of the newest ones are compared with the events on both sides by the quick check too.
const CHECKED: usize = 100;
/// So many of them are reported.
const TOLD: usize = 5;

/// The expected times.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The noted clock steps, by position.
    steps: BTreeMap<u64, ClockStep>,
    /// The latest time that an event can have.
    latest: String,
}

/// Anomalies in the times of some rows.
#[derive(Debug, Default)]
pub(super) struct TimeRange {
    /// The positions of clock steps, as noted.
    stepped: Vec<u64>,
    /// The first and the last position, the number and the latest time of events stamped in the future.
    ahead: Option<(u64, u64, u64, String)>,
}

impl Times {
    /// Reads the noted clock steps up to a position.
    pub(super) async fn read(store: &dyn Store, head: u64) -> Result<Self, StoreError> {
        let steps = match store.clock_steps(Position(head), STEPS).await {
            // a missing table is reported with the other tables
            Err(error) if error.is_missing_table() => Vec::new(),
            steps => steps?,
        };
        let latest = now().saturating_add(TOLERANCE).unwrap_or(jiff::Timestamp::MAX);
        Ok(Self {
            steps: steps.into_iter().map(|step| (step.position.0, step)).collect(),
            latest: rfc3339_micros(latest),
        })
    }

    /// Takes in the time of the row at a position, and of the previous one if that was read. Returns a finding if it
    /// was earlier.
    pub(super) fn note(
        &self,
        seen: &mut TimeRange,
        position: u64,
        before: Option<&str>,
        time: &str,
    ) -> Option<Finding> {
        if time > self.latest.as_str() {
            let (_, last, count, latest) = seen
                .ahead
                .get_or_insert_with(|| (position, position, 0, time.to_owned()));
            (*last, *count) = (position, *count + 1);
            if time > latest.as_str() {
                time.clone_into(latest);
            }
        }
        if before.is_none_or(|before| before <= time) {
            return None;
        }
        if self.steps.contains_key(&position) {
            seen.stepped.push(position);
            return None;
        }
        let detail = "it was recorded before the event in front of it";
        Some(Finding::new(FindingKind::Altered, (position, position), detail))
    }

    /// Checks the newest clock steps against the events on both sides: a step that no event shows was made by changing
    /// the head's time.
    pub(super) async fn check_newest(&self, store: &dyn Store, report: &mut Report) -> Result<(), StoreError> {
        let newest: Vec<_> = self.steps.iter().rev().take(CHECKED).collect();
        let both = newest.iter().flat_map(|(at, _)| [at.saturating_sub(1), **at]);
        let positions: Vec<_> = both.map(Position).collect();
        let events = match store.events_at(&positions).await {
            // an unreadable row is reported itself
            Err(StoreError::Corrupt(_)) => return Ok(()),
            events => events?,
        };
        let times: BTreeMap<u64, _> = events
            .iter()
            .map(|event| (event.position.0, event.recorded_at))
            .collect();
        for (at, step) in newest {
            let (before, own) = (times.get(&at.saturating_sub(1)), times.get(at));
            if (before, own) != (Some(&step.from), Some(&step.to)) {
                let detail = "it is noted that the clock was set back here, and no event shows that: the head's time was changed";
                report.add(Finding::new(FindingKind::Clock, (*at, *at), detail));
            }
        }
        Ok(())
    }

    /// Reports the anomalies of all rows, or of a part of them.
    pub(super) fn finish(&self, seen: &TimeRange, report: &mut Report) {
        if let Some((first, last, count, latest)) = &seen.ahead {
            let detail = format!(
                "{count} events are stamped later than it is now, as late as {latest}: a clock ran ahead, or this one is behind"
            );
            report.add(Finding::new(FindingKind::Clock, (*first, *last), detail));
        }
        let newest = self.steps.values().rev();
        report.warnings.extend(newest.take(TOLD).map(ToString::to_string));
        if let Some(more) = self.steps.len().checked_sub(TOLD + 1) {
            report.warnings.push(format!("and {} earlier ones", more + 1));
        }
        // the rows on both sides of each were read
        let unseen = self.steps.keys().filter(|at| report.full && !seen.stepped.contains(at));
        let findings: Vec<_> = unseen
            .map(|at| {
                let detail = "it is noted that the clock was set back here, and no event shows that: the head's time was changed";
                Finding::new(FindingKind::Clock, (*at, *at), detail)
            })
            .collect();
        report.add_all(findings);
    }
}

impl TimeRange {
    /// Notes a clock step at a position.
    pub(super) fn stepped_at(&mut self, position: u64) {
        self.stepped.push(position);
    }

    /// Adds the anomalies of later rows.
    pub(super) fn add(&mut self, other: Self) {
        self.stepped.extend(other.stepped);
        self.ahead = match (self.ahead.take(), other.ahead) {
            (Some((first, _, count, latest)), Some((_, last, more, later))) => {
                Some((first, last, count + more, latest.max(later)))
            }
            (one, other) => one.or(other),
        };
    }
}
