//! The task that keeps the live generations up to date.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aggregates::Position;
use jiff::SignedDuration;
use projections::AnyProjection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::auto_rebuild::{AutoRebuild, LockedRebuild, NotNow, Rebuilds};
use super::rates::Rates;
use super::step::{Limits, Stepped, Target, advance};
use super::{RunError, lag, snapshots};
use store::clock;
use store::{Duty, Fence, Generation, GenerationState, Lease, Store, StoreError};

/// How soon events of other processes are noticed.
const POLL: Duration = Duration::from_millis(250);
/// Steps of newly appended events begin so far apart at least, and at most: under load each folds many events, which costs
/// less for each of them, and takes little from the writer. After a quiet time the first one begins at once.
const SPACING: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_millis(250);
/// Between them folding rests so many times as long as it has worked.
const REST: u32 = 4;
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// A rebuild that has not moved for so long was given up, or its process killed: another one begins anew.
const ABANDONED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// A replaced generation is kept so long, for readers that are still in it.
const RETIRED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// Keeps projections up to date.
#[derive(Clone)]
pub struct LiveRunner {
    pub(super) store: Arc<dyn Store>,
    pub(super) projections: &'static [&'static dyn AnyProjection],
    errors: Arc<Mutex<HashMap<&'static str, String>>>,
    /// Where a projection stands behind the head, and since when this process sees it there.
    pub(super) standing: Arc<Mutex<HashMap<&'static str, (Position, Instant)>>>,
    pub(super) rebuilds: Rebuilds,
    rates: Arc<Mutex<Rates>>,
    reached: watch::Sender<Reached>,
    lag: watch::Sender<Duration>,
}

/// How far this process has folded each live projection; what other processes fold does not show here.
#[derive(Clone, Debug, Default)]
pub struct Reached(BTreeMap<&'static str, Position>);

impl Reached {
    /// Whether all of these projections are that far.
    pub fn all(&self, names: &[&str], position: Position) -> bool {
        names
            .iter()
            .all(|name| self.0.get(name).is_some_and(|reached| *reached >= position))
    }
}

/// What the one process has that folds the projections.
struct Lead {
    lease: Box<dyn Lease>,
    due: AutoRebuild,
}

impl LiveRunner {
    /// A runner of all registered projections.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            projections: projections::all(),
            errors: Arc::default(),
            standing: Arc::default(),
            rebuilds: Rebuilds::new(Arc::clone(&store), projections::all()),
            reached: watch::Sender::default(),
            lag: watch::Sender::default(),
            rates: Arc::default(),
            store,
        }
    }

    /// Tells whenever this process has folded something.
    pub fn reached(&self) -> watch::Receiver<Reached> {
        self.reached.subscribe()
    }

    /// For how long the oldest event has waited that is not in every view yet, as of the last look; a view that stands still does not
    /// count.
    pub fn lag(&self) -> watch::Receiver<Duration> {
        self.lag.subscribe()
    }

    /// Claims the right to rebuild a projection beside its live rows. A ledger has one rebuild at a time: each takes from the same
    /// writer and the same processors.
    ///
    /// # Errors
    /// [`NotNow`] if one is under way, here or in another process.
    pub async fn claim_rebuild(&self, projection: &'static dyn AnyProjection) -> Result<LockedRebuild, NotNow> {
        self.rebuilds.claim_alone(projection).await
    }

    /// Makes the first generation of projections that have none.
    ///
    /// # Errors
    /// [`StoreError`] if a table cannot be made.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let existing = self.store.generations().await?;
        for projection in self.projections {
            let name = projection.name();
            if !existing
                .iter()
                .any(|found| found.name == name && found.state == GenerationState::Live)
            {
                self.store
                    .create_generation(name, projection.version(), projection.columns())
                    .await?;
            }
        }
        Ok(())
    }

    /// Folds whatever is appended until `shutdown`, while no other process on the same database does. `tail` tells when
    /// this process has appended something. A projection whose rows were made by another version of its code is rebuilt
    /// first, beside the old rows.
    pub async fn run(self, tail: watch::Receiver<Position>, shutdown: CancellationToken) {
        tokio::join!(self.fold(tail, &shutdown), self.measure(&shutdown));
    }

    /// Looks again and again how far the projections are, whichever process folds them.
    async fn measure(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            // while the store is away there is nothing to measure, and folding says so
            let late = self.look().await.unwrap_or_default();
            self.lag.send_replace(late);
            let _ = shutdown
                .run_until_cancelled(tokio::time::sleep_until(lag::next_look(late).into()))
                .await;
        }
    }

    async fn look(&self) -> Result<Duration, StoreError> {
        let generations = self.store.generations().await?;
        let rates = {
            let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            rates.note(&generations, Instant::now());
            rates.clone()
        };
        lag::of_moving(&*self.store, self.projections, &generations, &rates).await
    }

    pub(super) fn rates(&self) -> Rates {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fold(&self, mut tail: watch::Receiver<Position>, shutdown: &CancellationToken) {
        let mut lead = None;
        while !shutdown.is_cancelled() {
            let begun = tokio::time::Instant::now();
            let pause = match self.work(&mut lead, shutdown).await {
                Ok(()) if lead.is_some() => POLL,
                // another process folds; this one takes over soon after it has gone
                Ok(()) => PAUSE,
                Err(error) => {
                    tracing::error!(%error, "projections are held up");
                    PAUSE
                }
            };
            let spacing = (begun.elapsed() * REST).clamp(*SPACING.start(), *SPACING.end());
            tokio::select! {
                changed = tail.changed(), if lead.is_some() => {
                    if changed.is_err() {
                        // the ledger has ended: only other processes append now
                        tokio::time::sleep(POLL).await;
                    }
                }
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
            tokio::select! {
                () = tokio::time::sleep_until(begun + spacing) => {}
                () = shutdown.cancelled() => {}
            }
        }
        if let Some(Lead { mut due, .. }) = lead {
            due.end().await;
        }
    }

    /// Folds what there is if this process has the lease, or can have it.
    async fn work(&self, lead: &mut Option<Lead>, shutdown: &CancellationToken) -> Result<(), RunError> {
        if let Some(Lead { lease, .. }) = lead
            && !lease.is_held().await
        {
            tracing::warn!("the lease on the projections is lost");
            *lead = None;
        }
        let held = match lead {
            Some(held) => held,
            None => {
                let Some(lease) = self.store.lease(Duty::Projections).await? else {
                    return Ok(());
                };
                tracing::info!("this process folds the projections");
                let due = AutoRebuild::default();
                lead.insert(Lead { lease, due })
            }
        };
        held.due.begin(&self.rebuilds, shutdown).await?;
        match self.catch_up(held.lease.fence(), shutdown).await {
            Err(RunError::Store(StoreError::Overtaken(_))) => {
                tracing::warn!("another process has taken over the projections");
                *lead = None;
                Ok(())
            }
            caught_up => caught_up,
        }
    }

    /// Folds until there is no whole batch left: what is appended meanwhile waits for the next time. A projection that
    /// fails does not hold up the others.
    async fn catch_up(&self, fence: Fence, shutdown: &CancellationToken) -> Result<(), RunError> {
        while !shutdown.is_cancelled() {
            let mut by_position: BTreeMap<Position, Vec<Target>> = BTreeMap::new();
            for generation in self.store.generations().await? {
                let projection = self
                    .projections
                    .iter()
                    .find(|projection| projection.name() == generation.name);
                self.tidy(&generation, projection.copied()).await;
                if let Some(projection) = projection
                    && generation.state == GenerationState::Live
                    && generation.version == projection.version()
                {
                    let target = Target::new(*projection, generation);
                    by_position.entry(target.generation.position).or_default().push(target);
                }
            }
            let mut more = false;
            for targets in by_position.values_mut() {
                more |= self.step(targets, fence).await?;
            }
            if !more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One step of projections that stand at the same position: together, or one by one if one of them fails. Tells
    /// whether there may well be more to fold.
    async fn step(&self, targets: &mut [Target], fence: Fence) -> Result<bool, RunError> {
        match advance(&*self.store, targets, &Limits::LIVE, None, Some(fence)).await {
            Ok(step) => {
                self.note(targets, None);
                Ok(match step {
                    Stepped::Advanced { more } => {
                        self.reached.send_modify(|Reached(reached)| {
                            reached.extend(
                                targets
                                    .iter()
                                    .map(|target| (target.projection.name(), target.generation.position)),
                            );
                        });
                        more
                    }
                    Stepped::Overtaken => true,
                    Stepped::UpToDate => false,
                })
            }
            Err(error) if error.is_its_own() && targets.len() > 1 => {
                let mut more = false;
                for target in targets.chunks_mut(1) {
                    more |= Box::pin(self.step(target, fence)).await?;
                }
                Ok(more)
            }
            Err(error) if error.is_its_own() => {
                // said once, however often it is tried
                if self.note(targets, Some(&error)) {
                    tracing::error!(%error, "a projection is stopped");
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes how it went; tells whether that is news.
    fn note(&self, targets: &[Target], error: Option<&RunError>) -> bool {
        // the lock is held for a moment only; one poisoned by a panic still holds a good map
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        for target in targets {
            let error = error.map(ToString::to_string);
            let before = match error.clone() {
                Some(error) => errors.insert(target.projection.name(), error),
                None => errors.remove(target.projection.name()),
            };
            news |= before != error;
        }
        news
    }

    /// Drops what nobody reads and nobody fills any more.
    async fn tidy(&self, generation: &Generation, projection: Option<&'static dyn AnyProjection>) {
        let untouched = clock::now().duration_since(generation.updated_at);
        let over = match generation.state {
            GenerationState::Retired => untouched > RETIRED_FOR,
            GenerationState::Building => untouched > ABANDONED_FOR,
            GenerationState::Live | GenerationState::Filling | GenerationState::Snapshot => false,
        };
        let tidied = match projection {
            _ if over => self.store.drop_generation(generation).await,
            Some(projection) => snapshots::let_go(&*self.store, generation, projection).await,
            None => Ok(()),
        };
        let tidied = match tidied {
            // somebody reads it still: another look in a while
            Err(StoreError::Locked(_)) => self.store.set_state(generation, GenerationState::Retired).await,
            tidied => tidied,
        };
        if let Err(error) = tidied {
            tracing::warn!(%error, name = generation.name, "a generation that is not needed could not be dropped yet");
        }
    }

    pub(super) fn errors(&self) -> HashMap<&'static str, String> {
        let errors = self.errors.lock();
        errors.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
