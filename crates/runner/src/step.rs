//! One step of some projections, the only way in which events become rows: pages of events are folded into rows in
//! memory, and each row is written once, with the checkpoints, in one transaction. Live views, rebuilds, checks and
//! snapshots differ only in their limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::Position;
use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::pages::Pages;
use super::rows::Rows;
use super::target::{Target, reached};
use store::{Advance, Fence, Store};

/// When a step ends: after the first page of events that exceeds one of these.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events per page.
    pub page: u32,
    /// Events.
    pub events: usize,
    /// Rows held in memory.
    pub rows: usize,
    /// Stored documents that were read, in bytes.
    pub documents: usize,
    /// Facts folded, in bytes of JSON, counted for each row that an event touches. Rows hardly grow by more.
    pub facts: usize,
    /// How long events are folded. A rebuild that is interrupted loses its unwritten step, and a process that sees no
    /// step for ten seconds takes the rebuild for abandoned.
    pub time: Duration,
}

impl Limits {
    /// For live rows, which readers wait for: a step takes a fraction of a second.
    pub const LIVE: Self = Self {
        page: 1_000,
        events: 10_000,
        rows: 10_000,
        documents: 8 << 20,
        facts: 32 << 20,
        time: Duration::from_millis(250),
    };

    /// For rows without readers: a subscription that is renewed every month for years touches its row with each of its
    /// events, and the row is written once for many of them.
    pub const REBUILD: Self = Self {
        page: 1_000,
        events: usize::MAX,
        rows: 100_000,
        documents: 32 << 20,
        facts: 128 << 20,
        time: Duration::from_secs(6),
    };
}

/// The result of a step.
pub(super) enum Stepped {
    /// The checkpoints were moved.
    Advanced {
        /// Whether there may be more to fold.
        more: bool,
    },
    /// There was nothing to fold.
    UpToDate,
    /// Another process moved a checkpoint first; nothing was written.
    Overtaken,
}

/// Rows folded but not yet written.
pub(super) struct Step {
    /// Shared with the task that writes them.
    pub(super) advances: Arc<[Advance]>,
    /// The new checkpoint of all targets that were behind it.
    to: Position,
    /// How many events were folded.
    pub(super) events: usize,
    /// Whether there may be more to fold.
    pub(super) more: bool,
}

impl Step {
    /// Moves the targets to their checkpoints after the step.
    pub(super) fn move_on(&self, targets: &mut [Target]) {
        for Target { generation, filter, .. } in targets {
            let written = self.advances.iter().find(|step| step.from.name == generation.name);
            if let (Some(filter), Some(step)) = (filter, written) {
                let changed = step.changes.iter().map(|change| &change.key);
                // a parked row may appear when it is folded again, without a move of the checkpoint
                let parked = step.parked.iter().map(|parked| &parked.key);
                filter.note(generation.position, self.to, changed.chain(parked));
            }
            generation.position = generation.position.max(self.to);
        }
    }
}

impl Step {
    /// Moves the targets back if it could not be written.
    pub(super) fn move_back(&self, targets: &mut [Target]) {
        for Target { generation, .. } in targets {
            if let Some(step) = self.advances.iter().find(|step| step.from.name == generation.name) {
                generation.position = step.from.position;
            }
        }
    }
}

/// Advances every target by one step, none of them beyond `until`, if the lease `under` is still held.
///
/// # Errors
/// [`RunError`] if the store fails or a projection's `keys` panics; nothing is written then.
pub(super) async fn advance(
    store: &dyn Store,
    targets: &mut [Target],
    limits: &Limits,
    until: Option<Position>,
    under: Option<Fence>,
) -> Result<Stepped, RunError> {
    let mut pages = Pages::after(
        reached(targets),
        limits.page.min(u32::try_from(limits.events).unwrap_or(u32::MAX)),
        until,
    );
    let Some(step) = fold(store, targets, &mut pages, limits, Writing::default()).await? else {
        return Ok(Stepped::UpToDate);
    };
    if !store.advance(&step.advances, under).await? {
        return Ok(Stepped::Overtaken);
    }
    step.move_on(targets);
    Ok(Stepped::Advanced { more: step.more })
}

/// The previous step while it is being written. Its rows count as stored, and the targets are already at its checkpoint.
#[derive(Clone, Copy, Default)]
pub(super) struct Writing<'s> {
    pub(super) advances: &'s [Advance],
    /// Cancelled once the step is written. None if the next step ends with the log all the same.
    pub(super) written: Option<&'s CancellationToken>,
}

impl Writing<'_> {
    /// Waits for more events, as long as the step is being written; false if it is.
    async fn gather(self) -> bool {
        /// Pause between two reads.
        const PAUSE: Duration = Duration::from_millis(20);
        match self.written {
            Some(written) if !written.is_cancelled() => {
                let _ = written.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                true
            }
            _ => false,
        }
    }
}

/// Folds pages of events until the step is full, or the log ends and the previous step is written. None if there is
/// nothing to fold.
///
/// # Errors
/// As [`advance`].
pub(super) async fn fold(
    store: &dyn Store,
    targets: &[Target],
    pages: &mut Pages,
    limits: &Limits,
    writing: Writing<'_>,
) -> Result<Option<Step>, RunError> {
    let begun = Instant::now();
    let before = writing.advances;
    let mut rows: Vec<Rows<'_>> = targets.iter().map(|target| Rows::new(target, before)).collect();
    let (mut to, mut events, mut facts) = (None, 0, 0);
    let more = loop {
        let page = pages.next(store).await?;
        let more = page.as_ref().is_some_and(|page| page.more);
        if let Some(page) = page {
            let touched = try_join_all(rows.iter_mut().map(|rows| rows.fold(store, &page.events))).await?;
            to = page.events.last().map(|event| event.position);
            events += page.events.len();
            facts += page.facts / page.events.len().max(1) * touched.iter().sum::<usize>();
        }
        let is_full = {
            let sum = |of: fn(&Rows<'_>) -> usize| rows.iter().map(of).sum::<usize>();
            events >= limits.events
                || sum(|rows| rows.held.len()) >= limits.rows
                || sum(|rows| rows.documents) >= limits.documents
                || facts >= limits.facts
                || begun.elapsed() >= limits.time
        };
        if is_full || !more && !writing.gather().await {
            break more;
        }
    };
    let Some(to) = to else { return Ok(None) };
    let behind = rows.into_iter().filter(|rows| rows.target.generation.position < to);
    let advances = try_join_all(behind.map(|rows| rows.close(store, to))).await?;
    Ok(Some(Step {
        advances: advances.into(),
        to,
        events,
        more,
    }))
}
