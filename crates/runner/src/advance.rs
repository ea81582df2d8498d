//! One step of some projections: read events, fold them, write each one's rows and checkpoint in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use aggregates::{Position, Recorded};
use futures_util::future::try_join_all;
use projections::{AnyProjection, Folded, Keys};

use super::RunError;
use super::prefetch::{Page, page};
use super::seen::Seen;
use super::step_size::{Load, StepSize};
use store::{Advance, Fence, Generation, Parked, RowChange, Store, StoreError};

/// A projection and the generation that is moved on.
pub(super) struct Target {
    pub(super) projection: &'static dyn AnyProjection,
    pub(super) generation: Generation,
    /// Which rows it may have, if that is known.
    seen: Option<Seen>,
}

/// What is there already of the rows that are to be folded.
#[derive(Default)]
pub(super) struct Before {
    /// The keys that stand still.
    pub(super) standing: BTreeSet<String>,
    /// The stored views of those rows that have one, and do not stand still.
    pub(super) documents: BTreeMap<String, String>,
}

impl Target {
    pub(super) fn new(projection: &'static dyn AnyProjection, generation: Generation) -> Self {
        Self {
            projection,
            generation,
            seen: None,
        }
    }

    /// One that is to be filled with the events up to a position.
    pub(super) fn to_fill(projection: &'static dyn AnyProjection, generation: Generation, head: Position) -> Self {
        let is_empty = generation.position == Position(0);
        Self {
            seen: is_empty.then(|| Seen::none_yet(head)),
            ..Self::new(projection, generation)
        }
    }

    /// Looks for the rows with these keys, in order. `before` is the step that the target has been moved on by and that is
    /// still being written, if there is one.
    pub(super) async fn look_up(
        &self,
        store: &dyn Store,
        keys: &[String],
        before: Option<&Advance>,
    ) -> Result<Before, StoreError> {
        let Self { generation, seen, .. } = self;
        // a row that is surely not there does not stand still either
        let is_new = |key: &&String| seen.as_ref().is_some_and(|seen| seen.lacks(key, generation.position));
        let known: Vec<String> = keys.iter().filter(|key| !is_new(key)).cloned().collect();
        if known.is_empty() {
            return Ok(Before::default());
        }
        let mut standing: BTreeSet<String> = store.parked_among(generation, &known).await?.into_iter().collect();
        let just_parked = before.into_iter().flat_map(|step| &step.parked);
        standing.extend(
            just_parked
                .map(|parked| parked.key.clone())
                .filter(|key| known.binary_search(key).is_ok()),
        );
        let mut documents: BTreeMap<String, String> = BTreeMap::new();
        let mut wanted = Vec::new();
        for key in known.into_iter().filter(|key| !standing.contains(key)) {
            match before.and_then(|step| step.change(&key)) {
                Some(change) => documents.extend(change.document().map(|document| (key, document.to_owned()))),
                None => wanted.push(key),
            }
        }
        if generation.position > Position(0) && !wanted.is_empty() {
            documents.extend(store.documents(generation, &wanted).await?);
        }
        Ok(Before { standing, documents })
    }
}

/// What a step came to.
pub(super) enum Step {
    /// The checkpoints were moved.
    Advanced {
        /// Whether there may well be more to fold.
        more: bool,
    },
    /// There was nothing to fold.
    UpToDate,
    /// Another process moved a checkpoint first; nothing was written.
    Overtaken,
}

/// Folds so much before others get their turn on the thread, in bytes of documents.
const TURN: usize = 256 << 10;

/// What was folded since others got their turn on the thread, in bytes of documents.
#[derive(Default)]
pub(super) struct Turn(usize);

impl Turn {
    /// Takes note of so many more, and lets others have their turn if it is time.
    pub(super) async fn take(&mut self, bytes: usize) {
        self.0 += bytes;
        if self.0 > TURN {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Moves every target on by the events of one step, none of them beyond `until`, as long as the lease is held that it is done
/// `under`.
///
/// # Errors
/// [`RunError`] if the store fails or an event cannot be folded; nothing is written then.
pub(super) async fn advance(
    store: &dyn Store,
    targets: &mut [Target],
    size: &StepSize,
    until: Option<Position>,
    under: Option<Fence>,
) -> Result<Step, RunError> {
    let Some(prepared) = prepare(store, targets, size, until, &[]).await? else {
        return Ok(Step::UpToDate);
    };
    if !store.advance(&prepared.steps, under).await? {
        return Ok(Step::Overtaken);
    }
    prepared.move_on(targets);
    Ok(Step::Advanced { more: prepared.more })
}

/// What is folded and not written yet.
pub(super) struct Prepared {
    /// Shared with whoever writes them.
    pub(super) steps: Arc<[Advance]>,
    /// The new checkpoint of all targets that were behind it.
    to: Position,
    /// Whether there may well be more to fold.
    pub(super) more: bool,
}

impl Prepared {
    pub(super) fn new(steps: Vec<Advance>, to: Position, more: bool) -> Self {
        Self {
            steps: steps.into(),
            to,
            more,
        }
    }

    /// Moves the targets to where they are once it is written.
    pub(super) fn move_on(&self, targets: &mut [Target]) {
        for target in targets {
            let generation = &mut target.generation;
            let written = self.steps.iter().find(|step| step.from.name == generation.name);
            if let (Some(seen), Some(step)) = (&mut target.seen, written) {
                let changed = step.changes.iter().map(|change| &change.key);
                // whoever folds a parked row again makes it without moving the checkpoint
                let parked = step.parked.iter().map(|parked| &parked.key);
                seen.note(generation.position, self.to, changed.chain(parked));
            }
            generation.position = generation.position.max(self.to);
        }
    }
}

/// Reads the events of one step and folds them; none if there are none. `before` is the step that the targets have been
/// moved on by and that is still being written: its rows count as if they were there.
///
/// # Errors
/// [`RunError`] if the store fails or an event cannot be folded.
pub(super) async fn prepare(
    store: &dyn Store,
    targets: &[Target],
    size: &StepSize,
    until: Option<Position>,
    before: &[Advance],
) -> Result<Option<Prepared>, RunError> {
    let Some(after) = targets.iter().map(|target| target.generation.position).min() else {
        return Ok(None);
    };
    let Some(Page { events, more, .. }) = page(store, after, size.events(), until).await? else {
        return Ok(None);
    };
    let to = events.last().map_or(after, |event| event.position);
    let behind = targets.iter().filter(|target| target.generation.position < to);
    let folded = behind.map(|target| {
        let before = before.iter().find(|step| step.from.name == target.generation.name);
        fold(store, target, &events, to, before)
    });
    let (steps, loads): (Vec<_>, Vec<Load>) = try_join_all(folded).await?.into_iter().unzip();
    size.learn(events.len(), loads.into_iter().sum());
    Ok(Some(Prepared::new(steps, to, more)))
}

/// Folds events into the rows of one target. A row whose fold fails is parked: it stands still, and so it does for
/// everything that comes after, until it is retried. Tells too what was read and is to be written.
async fn fold(
    store: &dyn Store,
    target: &Target,
    events: &[Recorded],
    to: Position,
    before: Option<&Advance>,
) -> Result<(Advance, Load), RunError> {
    let Target {
        projection, generation, ..
    } = target;
    let mut touched: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.position > generation.position) {
        for key in keys(*projection, event)? {
            touched.entry(key).or_default().push(event);
        }
    }
    let (keys, events): (Vec<String>, Vec<Vec<&Recorded>>) = touched.into_iter().unzip();
    let Before {
        standing,
        mut documents,
    } = target.look_up(store, &keys, before).await?;
    let mut step = Advance {
        from: generation.clone(),
        columns: projection.columns(),
        to,
        changes: Vec::with_capacity(keys.len()),
        parked: Vec::new(),
        unparked: Vec::new(),
        skipped: standing.iter().cloned().collect(),
    };
    let (mut load, mut turn) = (Load::default(), Turn::default());
    for (key, events) in keys.into_iter().zip(events).filter(|(key, _)| !standing.contains(key)) {
        let document = documents.remove(&key);
        let (mut change, parked) = fold_as_far_as_possible(*projection, &key, document.as_deref(), &events);
        // it was looked for in vain, or need not be, and nobody has made it since: the step is refused if the checkpoint was moved
        if let Some(change) = &mut change {
            change.is_new = document.is_none();
        }
        let written = change.as_ref().and_then(RowChange::document).map_or(0, str::len);
        let size = document.map_or(0, |read| read.len()) + written;
        load.add(size, events.len());
        turn.take(size).await;
        step.changes.extend(change);
        if let Some(Parked { key, position, error }) = &parked {
            tracing::error!(projection = projection.name(), key, %position, error, "a row is parked");
            metrics::counter!("warmledger_rows_parked_total", "projection" => projection.name()).increment(1);
        }
        step.parked.extend(parked);
    }
    Ok((step, load))
}

/// The rows that an event touches. If even that cannot be told, the projection stops.
pub(super) fn keys(projection: &dyn AnyProjection, event: &Recorded) -> Result<Keys, RunError> {
    catch_unwind(AssertUnwindSafe(|| projection.keys(event))).map_err(|_| RunError::Keys {
        projection: projection.name(),
        position: event.position,
    })
}

/// Folds events into one row up to the first one that cannot be folded: the row before that event, unless that is as it
/// was, and what is wrong. So a row that stands still is the same whatever the steps in which it was folded.
pub(super) fn fold_as_far_as_possible(
    projection: &dyn AnyProjection,
    key: &str,
    document: Option<&str>,
    events: &[&Recorded],
) -> (Option<RowChange>, Option<Parked>) {
    if let Ok(change) = fold_row(projection, key, document, events) {
        return (Some(change), None);
    }
    let mut last: Option<RowChange> = None;
    for event in events {
        let document = last.as_ref().map_or(document, RowChange::document);
        match fold_row(projection, key, document, &[event]) {
            Ok(change) => last = Some(change),
            Err(error) => {
                let parked = Parked {
                    key: key.to_owned(),
                    position: event.position,
                    error,
                };
                return (last, Some(parked));
            }
        }
    }
    (last, None)
}

/// Folds events into one row. A panic of the projection is an error like any other.
pub(super) fn fold_row(
    projection: &dyn AnyProjection,
    key: &str,
    document: Option<&str>,
    events: &[&Recorded],
) -> Result<RowChange, String> {
    let folded = catch_unwind(AssertUnwindSafe(|| projection.fold(key, document, events)));
    let row = match folded {
        Ok(Ok(Folded::Keep { document, row })) => Some((document, row)),
        Ok(Ok(Folded::Remove)) => None,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the projection panicked; the log says where".to_owned()),
    };
    Ok(RowChange {
        key: key.to_owned(),
        is_new: false,
        row,
    })
}
