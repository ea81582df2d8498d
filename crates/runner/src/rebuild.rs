//! A new generation beside the live one, made live when it has caught up.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::Position;
use futures_util::stream::{self, StreamExt};
use projections::AnyProjection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::RunError;
use super::pace::Pace;
use super::pages::Pages;
use super::step::{Limits, Step, Stepped, Writing, advance, fold};
use super::target::{Target, reached};
use store::tasks;
use store::{Advance, Generation, GenerationState, Store, StoreError, Switch};

/// Events of the first step: few, so that progress is reported early.
const FIRST_STEP: usize = 5_000;
/// The pause before the switch is retried while a reader holds the view: other readers have to wait during each
/// attempt.
const HELD_PAUSE: Duration = Duration::from_secs(2);
/// The progress of a rebuild.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The position reached.
    pub position: Position,
    /// The head of the log.
    pub head: Position,
}

/// Who rebuilds, and so resumes an interrupted rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A command, when it is run again.
    Command,
    /// The service, automatically.
    Service,
}

/// Creates the generation to be filled, or finds the one being filled.
pub(super) async fn begin(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    by: By,
) -> Result<Generation, StoreError> {
    let generation = store
        .create_generation(projection.name(), projection.version(), projection.columns())
        .await?;
    if by == By::Service && generation.state == GenerationState::Building {
        store.entrust_generation(&generation).await?;
    }
    Ok(generation)
}

/// Rebuilds projections in one pass over the log, beside the rows that readers use meanwhile, and switches each
/// atomically once it has caught up. Resumes an interrupted rebuild. If the store has one writer, incoming webhooks
/// take precedence.
///
/// # Errors
/// [`RunError`]; rebuilt rows are kept and the rebuild is resumed next time.
pub async fn rebuild(
    store: &Arc<dyn Store>,
    projections: &[&'static dyn AnyProjection],
    progress: impl FnMut(Progress) + Send,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    rebuild_within(&Limits::REBUILD, store, projections, progress, shutdown).await
}

/// As [`rebuild`], with other limits for a step.
///
/// # Errors
/// As [`rebuild`].
pub async fn rebuild_within(
    limits: &Limits,
    store: &Arc<dyn Store>,
    projections: &[&'static dyn AnyProjection],
    progress: impl FnMut(Progress) + Send,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    rebuild_by(By::Command, limits, store, projections, progress, shutdown).await
}

/// As [`rebuild_within`]; `by` resumes it if it is interrupted.
pub(super) async fn rebuild_by(
    by: By,
    limits: &Limits,
    store: &Arc<dyn Store>,
    projections: &[&'static dyn AnyProjection],
    mut progress: impl FnMut(Progress) + Send,
    shutdown: &CancellationToken,
) -> Result<(), RunError> {
    let mut targets = Vec::with_capacity(projections.len());
    let head = store.head().await?.position;
    for projection in projections {
        let generation = begin(&**store, *projection, by).await?;
        targets.push(Target::to_fill(*projection, generation, head));
    }
    let mut pace = Pace::begin(&**store).await?;
    let mut pages: Option<Pages> = None;
    let mut is_first = true;
    // the step that is folded but not written yet; the targets are already at its checkpoint
    let mut under_way: Option<Step> = None;
    loop {
        if shutdown.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        pace.look(&**store).await?;
        let (held, begun) = (pace.is_held(), Instant::now());
        if held && under_way.is_none() {
            pages = None;
            let stepped = advance(&**store, &mut targets, &pace.limits(), None, None).await;
            match undisturbed(&**store, stepped.map(Some), &targets).await? {
                Some(Stepped::Advanced { more: true }) => {
                    report(&**store, &targets, &mut progress).await?;
                    pace.rest(begun.elapsed(), reached(&targets), shutdown).await;
                }
                // events come in all the time: the switch is tried before there are new ones
                Some(Stepped::Advanced { more: false } | Stepped::UpToDate) => {
                    report(&**store, &targets, &mut progress).await?;
                    targets = finish(&**store, targets, by, shutdown).await?;
                    if targets.is_empty() {
                        return Ok(());
                    }
                    pace.rest(begun.elapsed(), reached(&targets), shutdown).await;
                }
                Some(Stepped::Overtaken) | None => targets = reload(&**store, targets, by).await?,
            }
            continue;
        }
        // the next step is folded while the previous one is written
        let before = under_way
            .as_ref()
            .map(|step| Arc::clone(&step.advances))
            .unwrap_or_default();
        let write = write(store, &before);
        let more = under_way.as_ref().is_none_or(|step| step.more);
        let fold = async {
            // the last large step is being written, or the end is near: events may come in faster than they can be
            // read, so the switch is tried first
            if held || !more {
                return Ok(Ok(None));
            }
            let pages = pages.get_or_insert_with(|| Pages::prefetched(store, reached(&targets), limits.page));
            let events = if is_first {
                FIRST_STEP.min(limits.events)
            } else {
                limits.events
            };
            is_first = false;
            let limits = Limits { events, ..*limits };
            let writing = Writing {
                advances: &before,
                written: None,
            };
            let folded = fold(&**store, &targets, pages, &limits, writing);
            // after a cancellation the folded step would not be written any more
            Ok(shutdown.run_until_cancelled(folded).await.unwrap_or(Ok(None)))
        };
        // if a step is not written, folding on top of it stops at once
        let write = async {
            match write.await {
                Ok(true) => Ok(()),
                Ok(false) => Err(Ok(None)),
                Err(error) => Err(Err(error.into())),
            }
        };
        let result = match tokio::try_join!(write, fold) {
            Ok(((), folded)) => folded.map(Some),
            Err(unwritten) => unwritten,
        };
        let Some(next) = undisturbed(&**store, result, &targets).await? else {
            (targets, under_way) = (reload(&**store, targets, by).await?, None);
            pages = None;
            continue;
        };
        if !before.is_empty() {
            report(&**store, &targets, &mut progress).await?;
        }
        if shutdown.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        if let Some(next) = &next {
            next.move_on(&mut targets);
        } else if !held {
            targets = finish(&**store, targets, by, shutdown).await?;
            pages = None;
            if targets.is_empty() {
                return Ok(());
            }
        }
        under_way = next;
    }
}

/// Reports the progress of the targets.
async fn report(
    store: &dyn Store,
    targets: &[Target],
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(), StoreError> {
    progress(Progress {
        position: reached(targets),
        head: store.head().await?.position,
    });
    Ok(())
}

/// Switches readers over to the targets; returns those still to be folded. Pauses if a reader blocks a switch.
async fn finish(
    store: &dyn Store,
    targets: Vec<Target>,
    by: By,
    shutdown: &CancellationToken,
) -> Result<Vec<Target>, RunError> {
    let (behind, held) = switch_all(store, targets).await?;
    let left = reload(store, behind, by).await?;
    if held && !left.is_empty() {
        let _ = shutdown.run_until_cancelled(tokio::time::sleep(HELD_PAUSE)).await;
    }
    Ok(left)
}

/// Writes a step. Each target has its own rows and checkpoint: if the store has two writers, half of them are written
/// in parallel, each half in a task of its own, since encoding takes as long as folding. If the caller is cancelled, a
/// part may still be written, as after a crash.
async fn write(store: &Arc<dyn Store>, steps: &Arc<[Advance]>) -> Result<bool, StoreError> {
    let half = match store.writers() {
        0 | 1 => 0,
        _ => half_way(steps),
    };
    let part = |range: Range<usize>| {
        let (store, steps) = (Arc::clone(store), Arc::clone(steps));
        AbortOnDropHandle::new(tokio::spawn(async move {
            match &steps[range] {
                [] => Ok(true),
                steps => store.advance(steps, None).await,
            }
        }))
    };
    let (one, other) = tokio::join!(part(0..half), part(half..steps.len()));
    let [one, other] = [one, other].map(|part| tasks::outcome(part).unwrap_or_else(|| Err(StoreError::ending())));
    Ok(one? && other?)
}

/// Where to split steps so that the larger part is as small as possible, in bytes.
fn half_way(steps: &[Advance]) -> usize {
    let sizes: Vec<usize> = steps.iter().map(Advance::size).collect();
    let larger = |at: &usize| {
        let (one, other) = sizes.split_at(*at);
        one.iter().sum::<usize>().max(other.iter().sum())
    };
    (1..sizes.len()).min_by_key(larger).unwrap_or_default()
}

/// Switches readers over to each target; returns the targets that could not be switched yet, and whether a reader
/// blocks one.
async fn switch_all(store: &dyn Store, targets: Vec<Target>) -> Result<(Vec<Target>, bool), StoreError> {
    // the first generation of a projection is live from its beginning
    let building = targets
        .into_iter()
        .filter(|target| target.generation.state == GenerationState::Building);
    let switched = stream::iter(building).map(|target| async {
        let switched = switch(store, &target).await?;
        Ok::<_, StoreError>((target, switched))
    });
    // switches that have begun are finished, even if another one fails meanwhile
    let switched: Vec<_> = switched.buffered(store.writers().max(1)).collect().await;
    let switched = switched.into_iter().collect::<Result<Vec<(Target, Switch)>, _>>()?;
    let held = switched.iter().any(|(_, switched)| *switched == Switch::Held);
    let behind = switched.into_iter().filter(|(_, switched)| *switched != Switch::Done);
    Ok((behind.map(|(target, _)| target).collect(), held))
}

async fn switch(store: &dyn Store, target: &Target) -> Result<Switch, StoreError> {
    let columns = target.projection.columns();
    match store.index_generation(&target.generation, columns).await {
        // made and dropped by another process's check
        Err(error) if error.is_missing_table() => return Ok(Switch::Behind),
        indexed => indexed?,
    }
    let switched = store.switch_generation(&target.generation, columns).await?;
    if switched == Switch::Held {
        tracing::warn!(
            projection = target.projection.name(),
            "an open transaction that reads the view holds up its switch to the rebuilt rows; trying again"
        );
    }
    Ok(switched)
}

/// The stored state of a generation; none once it is dropped.
pub(super) async fn current(store: &dyn Store, old: &Generation) -> Result<Option<Generation>, StoreError> {
    let generations = store.generations().await?;
    let mut generations = generations.into_iter();
    Ok(generations.find(|found| found.name == old.name && found.generation == old.generation))
}

/// The stored state of the targets; those that another process has made live are left out. One that was dropped by
/// another process's check begins anew.
async fn reload(store: &dyn Store, targets: Vec<Target>, by: By) -> Result<Vec<Target>, RunError> {
    let mut reloaded = Vec::with_capacity(targets.len());
    for Target {
        projection, generation, ..
    } in targets
    {
        let generation = match current(store, &generation).await? {
            Some(found) => found,
            None => begin(store, projection, by).await?,
        };
        if generation.state == GenerationState::Building {
            reloaded.push(Target::new(projection, generation));
        }
    }
    Ok(reloaded)
}

/// The result of a step; also none if the store refused it since another process has dropped a table.
async fn undisturbed<T>(
    store: &dyn Store,
    result: Result<Option<T>, RunError>,
    targets: &[Target],
) -> Result<Option<T>, RunError> {
    let Err(RunError::Store(error)) = result else {
        return result;
    };
    for target in targets {
        if !error.is_transient() && current(store, &target.generation).await?.is_none() {
            return Ok(None);
        }
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use store::RowChange;

    fn step(bytes: usize) -> Advance {
        let from = Generation {
            name: "orders".to_owned(),
            generation: 1,
            version: 1,
            position: Position(0),
            state: GenerationState::Building,
            by_service: false,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        Advance {
            from,
            columns: &[],
            to: Position(1),
            changes: vec![RowChange {
                key: String::new(),
                is_new: true,
                row: Some(("x".repeat(bytes), Vec::new())),
            }],
            parked: Vec::new(),
            unparked: Vec::new(),
            skipped: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_parted_half_way() {
        let parted = |sizes: &[usize]| half_way(&sizes.iter().copied().map(step).collect::<Vec<_>>());
        assert_eq!(parted(&[]), 0);
        assert_eq!(parted(&[7]), 0);
        assert_eq!(parted(&[1, 2, 3, 1, 5]), 3);
        assert_eq!(parted(&[9, 1, 1]), 1);
        assert_eq!(parted(&[1, 1, 9]), 2);
        assert_eq!(parted(&[0, 0]), 1);
    }
}
