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
use tokio_util::task::AbortOnDropHandle;

use super::auto_rebuild::{AutoRebuild, LockedRebuild, NotNow, Rebuilds};
use super::pages::Pages;
use super::rates::Rates;
use super::step::{Limits, Step, Stepped, Writing, fold};
use super::target::{Target, reached};
use super::{RunError, lag, snapshots};
use store::{Duty, Fence, Generation, GenerationState, Lease, Store, StoreError};
use store::{clock, tasks};

/// How soon events of other processes are noticed.
const POLL: Duration = Duration::from_millis(250);
/// The shortest and longest time between the beginnings of two steps: under load each step folds many events, which
/// costs less per event and leaves time to the writer. After a quiet time the first step begins at once.
const SPACING: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_millis(250);
/// Between steps folding rests so many times as long as it worked.
const REST: u32 = 4;
/// A step of so many events is a sign of load: the next one is folded while it is written. With fewer, steps that follow each other
/// at once would cost more than they gain: one sender lost a tenth of its rate at 100.
const BUSY: usize = 500;
/// Steps follow each other so for this long; then other work has its turn.
const IN_A_ROW: Duration = Duration::from_secs(1);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// A rebuild without progress for so long was abandoned, or its process killed: the next one begins anew.
const ABANDONED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// How long a replaced generation is kept, for readers that still use it.
const RETIRED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// Keeps projections up to date.
#[derive(Clone)]
pub struct LiveRunner {
    pub(super) store: Arc<dyn Store>,
    pub(super) projections: &'static [&'static dyn AnyProjection],
    errors: Arc<Mutex<HashMap<&'static str, String>>>,
    /// The position of each projection that lags behind the head, and since when this process has seen it there.
    pub(super) lagging_since: Arc<Mutex<HashMap<&'static str, (Position, Instant)>>>,
    pub(super) rebuilds: Rebuilds,
    rates: Arc<Mutex<Rates>>,
    reached: watch::Sender<Reached>,
    lag: watch::Sender<Duration>,
}

/// How far this process has folded each live projection; folding by other processes is not included.
#[derive(Clone, Debug, Default)]
pub struct Reached(BTreeMap<&'static str, Position>);

impl Reached {
    /// Whether all of these projections have reached the position.
    pub fn all(&self, names: &[&str], position: Position) -> bool {
        names
            .iter()
            .all(|name| self.0.get(name).is_some_and(|reached| *reached >= position))
    }
}

/// The state of the one process that folds the projections.
struct Lead {
    lease: Box<dyn Lease>,
    auto_rebuild: AutoRebuild,
}

impl LiveRunner {
    /// A runner of all registered projections.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            projections: projections::all(),
            errors: Arc::default(),
            lagging_since: Arc::default(),
            rebuilds: Rebuilds::new(Arc::clone(&store), projections::all()),
            reached: watch::Sender::default(),
            lag: watch::Sender::default(),
            rates: Arc::default(),
            store,
        }
    }

    /// Changes whenever this process has folded something.
    pub fn reached(&self) -> watch::Receiver<Reached> {
        self.reached.subscribe()
    }

    /// How long the oldest event has waited that some view lacks, as last measured; a stopped view does not count.
    pub fn lag(&self) -> watch::Receiver<Duration> {
        self.lag.subscribe()
    }

    /// Locks a projection for a rebuild beside its live rows. A ledger has one rebuild at a time, since rebuilds
    /// compete for the same writer and processors.
    ///
    /// # Errors
    /// [`NotNow`] if one is under way, here or in another process.
    pub async fn lock_rebuild(&self, projection: &'static dyn AnyProjection) -> Result<LockedRebuild, NotNow> {
        self.rebuilds.lock_alone(projection).await
    }

    /// Creates the first generation of projections that have none.
    ///
    /// # Errors
    /// [`StoreError`] if a table cannot be created.
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

    /// Folds new events until `shutdown`, unless another process on the same database does. `tail` changes when this
    /// process has appended something. A projection whose rows were made by another version of its code is rebuilt
    /// first, beside the old rows.
    pub async fn run(self, tail: watch::Receiver<Position>, shutdown: CancellationToken) {
        tokio::join!(self.fold(tail, &shutdown), self.measure(&shutdown));
    }

    /// Measures the lag of the projections repeatedly, whichever process folds them.
    async fn measure(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            // if the store is away there is nothing to measure, and folding logs it
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
                // another process folds; this one takes over soon after that one ends
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
                        // this process's writer has ended: only other processes append now
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
        if let Some(Lead { mut auto_rebuild, .. }) = lead {
            auto_rebuild.end().await;
        }
    }

    /// Folds new events if this process holds the lease, or gets it.
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
                let auto_rebuild = AutoRebuild::default();
                lead.insert(Lead { lease, auto_rebuild })
            }
        };
        held.auto_rebuild.begin(&self.rebuilds, shutdown).await?;
        match self.catch_up(held.lease.fence(), shutdown).await {
            Err(RunError::Store(StoreError::Overtaken(_))) => {
                tracing::warn!("another process has taken over the projections");
                *lead = None;
                Ok(())
            }
            caught_up => caught_up,
        }
    }

    /// Folds until less than a whole page is left: events appended meanwhile wait for the next call. A projection that
    /// fails does not delay the others.
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

    /// Steps of projections at the same position: together, or one by one if one of them fails. Returns whether there
    /// may be more to fold.
    async fn step(&self, targets: &mut [Target], fence: Fence) -> Result<bool, RunError> {
        match self.advance(targets, fence).await {
            Ok(step) => {
                self.note(targets, None);
                Ok(match step {
                    Stepped::Advanced { more } => more,
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
                // logged once, however often it is retried
                if self.note(targets, Some(&error)) {
                    tracing::error!(%error, "a projection is stopped");
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// One step, and under load further ones, each of which is folded while the one before it is written.
    async fn advance(&self, targets: &mut [Target], fence: Fence) -> Result<Stepped, RunError> {
        let begun = Instant::now();
        let (store, limits) = (&*self.store, &Limits::LIVE);
        let mut pages = Pages::after(reached(targets), limits.page, None);
        let Some(mut step) = fold(store, targets, &mut pages, limits, Writing::default()).await? else {
            return Ok(Stepped::UpToDate);
        };
        loop {
            step.move_on(targets);
            let written = CancellationToken::new();
            let write = self.write(&step, fence, written.clone());
            let writing = Writing {
                advances: &step.advances,
                written: Some(&written),
            };
            let overlaps = step.events >= BUSY && begun.elapsed() < IN_A_ROW;
            let next = async {
                match overlaps {
                    true => fold(store, targets, &mut pages, limits, writing).await,
                    false => Ok(None),
                }
            };
            let (is_written, next) = tokio::join!(write, next);
            match is_written {
                Ok(true) => {}
                Ok(false) => return Ok(Stepped::Overtaken),
                Err(error) => {
                    step.move_back(targets);
                    return Err(error.into());
                }
            }
            self.reached.send_modify(|Reached(reached)| {
                let now = targets
                    .iter()
                    .map(|target| (target.projection.name(), target.generation.position));
                reached.extend(now);
            });
            match next? {
                Some(next) => step = next,
                None => return Ok(Stepped::Advanced { more: step.more }),
            }
        }
    }

    /// Writes a step, and cancels `written` then: in a task, since there is as much to encode as to fold.
    async fn write(&self, step: &Step, fence: Fence, written: CancellationToken) -> Result<bool, StoreError> {
        let (store, advances) = (Arc::clone(&self.store), Arc::clone(&step.advances));
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let _written = written.drop_guard();
            store.advance(&advances, Some(fence)).await
        }));
        tasks::outcome(task.await).unwrap_or_else(|| Err(StoreError::ending()))
    }

    /// Stores the outcome; returns whether it is a new one.
    fn note(&self, targets: &[Target], error: Option<&RunError>) -> bool {
        // held only briefly; if a panic poisoned the lock, the map is still valid
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

    /// Drops a generation without readers and without a process that fills it.
    async fn tidy(&self, generation: &Generation, projection: Option<&'static dyn AnyProjection>) {
        let untouched = clock::now().duration_since(generation.updated_at);
        let over = match generation.state {
            GenerationState::Retired => untouched > RETIRED_FOR,
            GenerationState::Building => untouched > ABANDONED_FOR,
            GenerationState::Live | GenerationState::Filling | GenerationState::Snapshot => false,
        };
        let tidied = match projection {
            _ if over => self.store.drop_generation(generation).await,
            Some(projection) => snapshots::retire_or_drop(&*self.store, generation, projection).await,
            None => Ok(()),
        };
        let tidied = match tidied {
            // still in use by a reader: retried after a while
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
