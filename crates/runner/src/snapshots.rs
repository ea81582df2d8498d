//! The rows of projections as of an earlier position: folded into a table of their own beside the live ones, and kept
//! for a while, for the next page of the same answer and as a start for later positions.
//!
//! A snapshot never changes, so any process that finds one may read it. A process folds one at a time; a caller
//! cancelled while it waits costs nothing more, and a fold that has begun is finished, for a later request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::Position;
use jiff::SignedDuration;
use projections::AnyProjection;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::RunError;
use super::pace::Pace;
use super::step::{Limits, Stepped, advance};
use super::target::Target;
use store::clock;
use store::{Generation, GenerationState, Store, StoreError};

/// How many snapshots of a projection are kept; beyond that the oldest is dropped.
const KEPT: usize = 4;
/// How many more of a projection may exist that are being folded or wait to be dropped; beyond that requests are
/// refused.
const WAITING: usize = 12;
/// The delay between retiring and dropping a snapshot: a caller that found it before reads it within this time.
const READ_FOR: Duration = Duration::from_secs(10);
/// How long a snapshot is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// A filling one that was not written for so long was abandoned by its process.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Finds and creates snapshots.
#[derive(Clone)]
pub struct Snapshots {
    store: Arc<dyn Store>,
    /// The lock that lets one fold run at a time.
    turn: Arc<Mutex<()>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Snapshots {
    /// Folds in `tasks`, until `shutdown`.
    pub fn new(store: Arc<dyn Store>, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self {
            store,
            turn: Arc::default(),
            tasks,
            shutdown,
        }
    }

    /// Whether these projections already have snapshots at a position.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn are_there(
        &self,
        projections: &[&'static dyn AnyProjection],
        position: Position,
    ) -> Result<bool, StoreError> {
        Ok(self.find(projections, position).await?.1.is_empty())
    }

    /// The snapshots of these projections at a position, which must not be beyond the end of the log; missing ones are
    /// folded now. Dropping the future does not stop a fold that has begun.
    ///
    /// # Errors
    /// [`RunError`]; [`RunError::Cancelled`] if the service stops, [`RunError::TooManyMoments`] if there are too many
    /// snapshots.
    pub async fn at(
        &self,
        projections: &[&'static dyn AnyProjection],
        position: Position,
    ) -> Result<Vec<Generation>, RunError> {
        let (found, missing) = self.find(projections, position).await?;
        if missing.is_empty() {
            return Ok(found);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // the previous holder of the lock may have folded these
        let (mut found, missing) = self.find(projections, position).await?;
        self.have_room(&missing).await?;
        let folded = self.tasks.spawn({
            let own = self.clone();
            async move {
                let folded = own.fold(missing, position).await;
                drop(turn);
                folded
            }
        });
        match folded.await {
            Ok(folded) => found.extend(folded?),
            // as if the panic were here; the remaining table is found abandoned later
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(RunError::Cancelled),
        }
        Ok(found)
    }

    /// The existing snapshots, and the projections that have none.
    async fn find(
        &self,
        projections: &[&'static dyn AnyProjection],
        position: Position,
    ) -> Result<(Vec<Generation>, Vec<&'static dyn AnyProjection>), StoreError> {
        let generations = self.store.generations().await?;
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for projection in projections {
            let mut own = generations.iter().filter(|kept| is_snapshot_of(kept, *projection));
            match own.find(|kept| kept.position == position) {
                Some(kept) => found.push(kept.clone()),
                None => missing.push(*projection),
            }
        }
        Ok((found, missing))
    }

    /// Whether one more snapshot of each may be made: their number is bounded, however many are requested.
    async fn have_room(&self, projections: &[&'static dyn AnyProjection]) -> Result<(), RunError> {
        let generations = self.store.generations().await?;
        let is_full = |projection: &&'static dyn AnyProjection| {
            let own = generations.iter().filter(|kept| kept.name == projection.name());
            let passing = own.filter(|kept| !matches!(kept.state, GenerationState::Live | GenerationState::Building));
            passing.count() >= KEPT + WAITING
        };
        match projections.iter().any(is_full) {
            true => Err(RunError::TooManyMoments),
            false => Ok(()),
        }
    }

    async fn fold(
        &self,
        projections: Vec<&'static dyn AnyProjection>,
        position: Position,
    ) -> Result<Vec<Generation>, RunError> {
        let mut targets = Vec::with_capacity(projections.len());
        let folded = self.fold_into(&mut targets, projections, position).await;
        if folded.is_err() {
            for target in &targets {
                // the store itself may have failed; then the process that holds the projections' lease drops it later
                if let Err(error) = self.store.drop_generation(&target.generation).await {
                    tracing::warn!(%error, name = target.generation.name, "a snapshot could not be dropped yet");
                }
            }
        }
        folded?;
        let mut snapshots = Vec::with_capacity(targets.len());
        for Target {
            generation, projection, ..
        } in targets
        {
            self.store.index_generation(&generation, projection.columns()).await?;
            self.store.set_state(&generation, GenerationState::Snapshot).await?;
            self.keep_the_newest(projection).await?;
            snapshots.push(Generation {
                state: GenerationState::Snapshot,
                ..generation
            });
        }
        Ok(snapshots)
    }

    /// Folds from the nearest snapshot before the position, or from the beginning.
    async fn fold_into(
        &self,
        targets: &mut Vec<Target>,
        projections: Vec<&'static dyn AnyProjection>,
        position: Position,
    ) -> Result<(), RunError> {
        let kept = self.store.generations().await?;
        for projection in projections {
            let columns = projection.columns();
            let generation = self
                .store
                .create_snapshot(projection.name(), projection.version(), columns)
                .await?;
            let before = kept
                .iter()
                .filter(|kept| is_snapshot_of(kept, projection) && kept.position < position);
            let nearest = before.max_by_key(|kept| kept.position);
            targets.push(match nearest {
                Some(_) => Target::new(projection, generation),
                None => Target::to_fill(projection, generation, position),
            });
            if let (Some(nearest), Some(target)) = (nearest, targets.last_mut()) {
                if let Err(error) = self.store.copy_snapshot(nearest, &target.generation, columns).await {
                    // it may have been dropped meanwhile
                    return Err(match self.is_there(nearest).await? {
                        true => error.into(),
                        false => RunError::Disturbed,
                    });
                }
                target.generation.position = nearest.position;
            }
        }
        let mut pace = Pace::of(&*self.store).await?;
        while targets.iter().any(|target| target.generation.position < position) {
            if self.shutdown.is_cancelled() {
                return Err(RunError::Cancelled);
            }
            pace.look(&*self.store).await?;
            let (held, begun) = (pace.is_held(), Instant::now());
            let limits = if held { pace.limits() } else { Limits::REBUILD };
            let step = advance(&*self.store, targets, &limits, Some(position), None).await?;
            if !matches!(step, Stepped::Advanced { .. }) {
                // no other process writes it: either it was dropped, or the log is shorter than before
                return Err(RunError::Disturbed);
            }
            if held {
                let reached = targets.iter().map(|target| target.generation.position).min();
                pace.rest(begun.elapsed(), reached.unwrap_or_default(), &self.shutdown)
                    .await;
            }
        }
        Ok(())
    }

    async fn is_there(&self, kept: &Generation) -> Result<bool, StoreError> {
        let generations = self.store.generations().await?;
        let mut same = generations.iter().filter(|found| found.name == kept.name);
        Ok(same.any(|found| found.generation == kept.generation))
    }

    async fn keep_the_newest(&self, projection: &'static dyn AnyProjection) -> Result<(), StoreError> {
        let mut kept = self.store.generations().await?;
        kept.retain(|kept| is_snapshot_of(kept, projection));
        kept.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.updated_at));
        for old in kept.iter().skip(KEPT) {
            self.store.set_state(old, GenerationState::Retired).await?;
            let (store, shutdown, old) = (Arc::clone(&self.store), self.shutdown.clone(), old.clone());
            self.tasks.spawn(async move {
                if shutdown
                    .run_until_cancelled(tokio::time::sleep(READ_FOR))
                    .await
                    .is_none()
                {
                    return;
                }
                if let Err(error) = store.drop_generation(&old).await {
                    tracing::debug!(%error, name = old.name, "a snapshot is left for the leader to drop");
                }
            });
        }
        Ok(())
    }
}

fn is_snapshot_of(kept: &Generation, projection: &dyn AnyProjection) -> bool {
    kept.state == GenerationState::Snapshot && kept.name == projection.name() && kept.version == projection.version()
}

/// Retires a snapshot that is too old or of another projection version; drops one that was never finished.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub(super) async fn retire_or_drop(
    store: &dyn Store,
    generation: &Generation,
    projection: &dyn AnyProjection,
) -> Result<(), StoreError> {
    let age = clock::now().duration_since(generation.updated_at);
    match generation.state {
        GenerationState::Snapshot if age > KEPT_FOR || generation.version != projection.version() => {
            store.set_state(generation, GenerationState::Retired).await
        }
        GenerationState::Filling if age > ABANDONED_AFTER => store.drop_generation(generation).await,
        _ => Ok(()),
    }
}
