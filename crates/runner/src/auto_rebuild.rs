//! Automatic rebuilds by the service: of rows made by another version of the code, and of rebuilds that it had begun
//! before it stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use projections::AnyProjection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::rebuild::{By, begin, rebuild_by};
use super::rebuild_locks::{RebuildLock, RebuildLocks};
use super::step::Limits;
use store::clock;
use store::{Generation, GenerationState, Store, StoreError};

/// The interval between two checks for rebuilds to do.
const LOOKED: Duration = Duration::from_secs(2);
/// A rebuild without progress for so long counts as abandoned: longer than a step takes. A wrong guess is harmless,
/// since two processes that fill one generation take turns.
const STALLED_FOR: SignedDuration = SignedDuration::from_secs(10);
/// The pause before a failed rebuild is retried.
const FAILED_PAUSE: Duration = Duration::from_secs(30);

/// The rebuilds of the process that folds the projections: one task at a time.
#[derive(Default)]
pub(super) struct AutoRebuild {
    running: Option<JoinHandle<()>>,
    looked: Option<Instant>,
}

impl AutoRebuild {
    /// Begins the rebuilds that are due, if the interval is over.
    pub(super) async fn begin(&mut self, rebuilds: &Rebuilds, shutdown: &CancellationToken) -> Result<(), StoreError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOKED) {
            return Ok(());
        }
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.end().await;
        let generations = rebuilds.store.generations().await?;
        let first = self.looked.is_none();
        self.looked = Some(Instant::now());
        let is_due = |projection: &&'static dyn AnyProjection| {
            // rows of another version that appear later were made by a newer program's command
            let outdated = first || rebuilds.failure(projection.name()).is_some();
            outdated && is_outdated(*projection, &generations) || is_left(*projection, &generations)
        };
        let due: Vec<_> = rebuilds.projections.iter().copied().filter(is_due).collect();
        let (locks, due) = rebuilds.lock_one(&due);
        if !due.is_empty() {
            let names: Vec<_> = due.iter().map(|projection| projection.name()).collect();
            tracing::info!(
                projections = names.join(", "),
                "projections are rebuilt: their version is new, or it was begun before"
            );
            let (rebuilds, shutdown) = (rebuilds.clone(), shutdown.clone());
            self.running = Some(tokio::spawn(async move {
                rebuilds.run(locks, due, shutdown).await;
            }));
        }
        Ok(())
    }

    /// Waits for the running task: not long once the service is stopping.
    pub(super) async fn end(&mut self) {
        if let Some(running) = self.running.take()
            && let Err(error) = running.await
        {
            tracing::error!(%error, "the rebuild task failed");
        }
    }
}

/// Whether the live rows were made by another version of the code.
fn is_outdated(projection: &dyn AnyProjection, generations: &[Generation]) -> bool {
    let is_live = |found: &&Generation| found.name == projection.name() && found.state == GenerationState::Live;
    let live = generations.iter().find(is_live);
    live.is_some_and(|live| live.version != projection.version())
}

/// Whether the service had begun a rebuild that no process continues.
fn is_left(projection: &dyn AnyProjection, generations: &[Generation]) -> bool {
    generations.iter().any(|found| {
        let own = found.name == projection.name() && found.version == projection.version();
        let stalled = clock::now().duration_since(found.updated_at) > STALLED_FOR;
        own && found.state == GenerationState::Building && found.by_service && stalled
    })
}

/// Why no rebuild can begin.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// A projection is being rebuilt.
    #[error(
        "{0} is being rebuilt already, and a ledger has one rebuild at a time; GET /api/v1/projections tells how far it is"
    )]
    Rebuilding(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The lock for rebuilding a projection, held until it is dropped.
pub struct LockedRebuild {
    rebuilds: Rebuilds,
    lock: RebuildLock,
    projection: &'static dyn AnyProjection,
}

impl LockedRebuild {
    /// Begins the rebuild; once this returns, the service resumes it even after a restart. The returned future does the
    /// work and logs the outcome.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be begun.
    pub async fn begin(
        self,
        shutdown: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send + use<>, StoreError> {
        let Self {
            rebuilds,
            lock,
            projection,
        } = self;
        begin(&*rebuilds.store, projection, By::Service).await?;
        Ok(async move { rebuilds.run(vec![lock], vec![projection], shutdown).await })
    }
}

/// The rebuilds of this process: those under way, and those that failed. Clones share them.
#[derive(Clone)]
pub(super) struct Rebuilds {
    store: Arc<dyn Store>,
    projections: &'static [&'static dyn AnyProjection],
    locks: RebuildLocks,
    /// Why the last rebuild of a projection failed.
    failed: Arc<Mutex<HashMap<&'static str, String>>>,
}

impl Rebuilds {
    pub(super) fn new(store: Arc<dyn Store>, projections: &'static [&'static dyn AnyProjection]) -> Self {
        Self {
            store,
            projections,
            locks: RebuildLocks::default(),
            failed: Arc::default(),
        }
    }

    /// Locks a projection for a rebuild beside its live rows. A ledger has one rebuild at a time, since rebuilds
    /// compete for the same writer and processors.
    ///
    /// # Errors
    /// [`NotNow`] if one is under way, here or in another process.
    pub(super) async fn lock_alone(&self, projection: &'static dyn AnyProjection) -> Result<LockedRebuild, NotNow> {
        let name = projection.name();
        let lock = self
            .locks
            .lock_alone(name)
            .map_err(|other| NotNow::Rebuilding(other.to_owned()))?;
        let now = clock::now();
        let is_moving = |found: &&Generation| {
            let moved = now.duration_since(found.updated_at) <= STALLED_FOR;
            found.state == GenerationState::Building && found.by_service && moved
        };
        if let Some(other) = self.store.generations().await?.iter().find(is_moving) {
            return Err(NotNow::Rebuilding(other.name.clone()));
        }
        Ok(LockedRebuild {
            rebuilds: self.clone(),
            lock,
            projection,
        })
    }

    /// Locks those of the projections that this process is not rebuilding yet.
    fn lock_one(
        &self,
        projections: &[&'static dyn AnyProjection],
    ) -> (Vec<RebuildLock>, Vec<&'static dyn AnyProjection>) {
        let lock = |projection: &&'static dyn AnyProjection| {
            let lock = self.locks.lock_one(projection.name())?;
            Some((lock, *projection))
        };
        projections.iter().filter_map(lock).unzip()
    }

    /// Rebuilds. After a failure it pauses before it releases the locks, so that the retry is not immediate.
    async fn run(
        &self,
        locks: Vec<RebuildLock>,
        projections: Vec<&'static dyn AnyProjection>,
        shutdown: CancellationToken,
    ) {
        let rebuilt = rebuild_by(
            By::Service,
            &Limits::REBUILD,
            &self.store,
            &projections,
            |_| {},
            &shutdown,
        )
        .await;
        self.note_rebuilds(&projections, &rebuilt);
        match rebuilt {
            Ok(()) => tracing::info!("projections are rebuilt"),
            Err(RunError::Cancelled) => {}
            Err(error) => {
                tracing::error!(%error, "projections could not be rebuilt; trying again soon");
                tokio::select! {
                    () = tokio::time::sleep(FAILED_PAUSE) => {}
                    () = shutdown.cancelled() => {}
                }
            }
        }
        drop(locks);
    }

    /// Why the last rebuild of a projection failed in this process, if it did.
    pub(super) fn failure(&self, name: &str) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(name).cloned()
    }

    /// Stores the reasons of failed rebuilds, and clears those of others.
    fn note_rebuilds(&self, projections: &[&'static dyn AnyProjection], rebuilt: &Result<(), RunError>) {
        // held only briefly; if a panic poisoned the lock, the map is still valid
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        for projection in projections {
            match rebuilt {
                Err(error) if !matches!(error, RunError::Cancelled) => {
                    failed.insert(projection.name(), error.to_string());
                }
                _ => {
                    failed.remove(projection.name());
                }
            }
        }
    }
}
