//! The one task that appends. It drains what waits (group commit), plans a batch, appends it in one atomic step and
//! answers every waiter. While a batch is on its way to disk the next one gathers and is planned, so batches grow with
//! the load, the store never waits for a plan, and a lone webhook never waits for company.
//!
//! Where the store can take in a batch while it flushes the one before, two are under way. A plan that is made meanwhile
//! counts on those. If one of them is refused or its answer is lost, it and all that counted on it are decided again, one
//! after the other and with nothing under way.

mod others;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{Position, SubjectId};
use tokio::sync::{mpsc, watch};

use others::NEWS;

use super::brake::Brake;
use super::cache::Cache;
use super::flight::{Flight, Next, landing};
use super::plan::{Mode, Plan, Planned, Planner};
use super::queue::{BATCH, Pending};
use super::snapshot::SnapshotWriter;
use super::{Receipt, RecordError};
use store::{Append, Head, Store, StoreError};
use tlog::Frontier;
use vault::Vault;

/// How often a batch is tried again while the store fails, before it is answered as unavailable.
const ATTEMPTS: usize = 64;
/// How many batches are planned carefully after one was refused for something that the caches did not know.
const CAREFUL_BATCHES: u32 = 16;
/// Pause before the next attempt after the store failed.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a batch is held while the store is away, or while other processes are faster: long enough for a restart of it to go unnoticed, and far less than
/// the minute after which the sender gives up waiting.
const HELD: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    head: Head,
    /// The Merkle tree up to the head.
    frontier: Frontier,
    cache: Cache,
    snapshot_writer: SnapshotWriter,
    careful: u32,
    crowded: u32,
    /// Subjects of other processes' events whose data keys are not known here.
    strangers: Vec<SubjectId>,
    /// Whether the store was away when last tried: then each batch is tried once, so that the queue is answered soon.
    away: bool,
    /// When it was last logged that a master key is missing.
    lacked: Option<Instant>,
    tail: watch::Sender<Position>,
    /// When the store took nothing, unless it has taken something since.
    failing: watch::Sender<Option<Instant>>,
    brake: Brake,
    /// When the next batch may leave: later than at once only while the views are late.
    not_before: Instant,
}

impl Writer {
    pub(super) fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        (head, frontier): (Head, Frontier),
        tail: watch::Sender<Position>,
        failing: watch::Sender<Option<Instant>>,
        brake: Brake,
    ) -> Self {
        Self {
            snapshot_writer: SnapshotWriter::start(Arc::clone(&store)),
            store,
            vault,
            head,
            frontier,
            cache: Cache::new(),
            careful: 0,
            crowded: 0,
            strangers: Vec::new(),
            away: false,
            lacked: None,
            tail,
            failing,
            brake,
            not_before: Instant::now(),
        }
    }

    /// Runs until every handle on the queue is dropped and the queue is empty.
    pub(super) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Pending>) {
        let mut flights = VecDeque::new();
        let mut next = Next::default();
        let mut open = true;
        loop {
            self.depart(&mut flights, &mut next).await;
            if flights.is_empty() && next.batch.is_empty() && !open {
                return self.snapshot_writer.finish().await;
            }
            let room = BATCH - next.batch.len();
            let held = !next.batch.is_empty() && Instant::now() < self.not_before;
            tokio::select! {
                biased;
                appended = landing(&mut flights), if !flights.is_empty() => {
                    if let Some(landed) = flights.pop_front() {
                        self.landed(landed, appended, &mut flights, &mut next).await;
                    }
                }
                received = queue.recv_many(&mut next.batch, room), if open && next.grows && room > 0 => {
                    open = received > 0;
                    self.extend(&mut next, &plans(&flights)).await;
                }
                () = tokio::time::sleep_until(self.not_before.into()), if held => {}
            }
        }
    }

    /// Plans what `next` has got, as far as that can be told while the plans ahead are under way.
    async fn extend(&mut self, next: &mut Next, ahead: &[&Plan]) {
        if !self.plans_ahead() {
            // it is planned by `record`, which asks the store anew at each attempt
            return;
        }
        let plan = next.plan.get_or_insert_with(|| match ahead.first() {
            Some(ahead) => Plan::behind(ahead.new_head(), ahead.tree.frontier().clone()),
            None => Plan::behind(self.head, self.frontier.clone()),
        });
        let planner = Planner::new(&*self.store, &self.vault, &mut self.cache, ahead, Mode::Optimistic);
        // what failed is tried again by `record`, and answered if it fails there
        next.grows = planner.extend(plan, &mut next.batch).await.unwrap_or(false);
    }

    /// Sends the next batch off, if it may go now.
    async fn depart(&mut self, flights: &mut VecDeque<Flight>, next: &mut Next) {
        let may_go = match flights.back() {
            None => !next.batch.is_empty(),
            Some(last) => flights.len() < self.store.lanes() && last.leads(next),
        };
        let now = Instant::now();
        if !may_go || now < self.not_before {
            return;
        }
        self.not_before = now + self.brake.pause();
        let mut next = std::mem::take(next);
        if !next.grows {
            // what it waited for has landed
            self.extend(&mut next, &plans(flights)).await;
        }
        match next.plan {
            Some(plan) if next.grows && self.plans_ahead() => {
                if plan.events.is_empty() {
                    self.finish(next.batch, plan);
                } else {
                    let behind = !flights.is_empty();
                    flights.push_back(Flight::take_off(&self.store, next.batch, plan, behind).await);
                }
            }
            _ => self.record(next.batch).await,
        }
    }

    /// Settles the first of the flights; if it was not appended, all that counted on it.
    async fn landed(
        &mut self,
        flight: Flight,
        appended: Result<Append, StoreError>,
        flights: &mut VecDeque<Flight>,
        next: &mut Next,
    ) {
        let (mut batch, plan) = flight.into_parts();
        if matches!(appended, Ok(Append::Done)) {
            self.away = false;
            // the store gets its next work before anybody is answered; what was not planned on top of this batch has to wait until
            // it is remembered, lest a key that it destroys seals something
            if next.is_ready() {
                self.depart(flights, next).await;
            }
            self.finish(batch, plan);
            return;
        }
        let mut undone = Vec::new();
        while !flights.is_empty() {
            // appended after all, where only the answer to the one before was lost
            let appended = landing(flights).await;
            if let Some(flight) = flights.pop_front() {
                let (mut batch, plan) = flight.into_parts();
                if !matches!(appended, Ok(Append::LostRace | Append::Conflict)) {
                    plan.attempted(&mut batch);
                }
                undone.push(batch);
            }
        }
        if let Err(error) = self.refused(&mut batch, &plan, appended).await {
            tracing::warn!(%error, "a batch was not appended; trying again");
        }
        self.record(batch).await;
        undone.push(std::mem::take(next).batch);
        for batch in undone {
            self.record(batch).await;
        }
    }

    /// Whether batches are planned before those ahead of them are durable: not while the store has to be asked first, nor
    /// where other processes append too, since what counts on a batch is mostly refused with it.
    fn plans_ahead(&self) -> bool {
        self.careful == 0 && self.crowded == 0
    }

    /// Records a batch and answers all of it.
    async fn record(&mut self, mut batch: Vec<Pending>) {
        batch.iter_mut().for_each(Pending::leave_queue);
        let mut failure = RecordError::Contended;
        let begun = Instant::now();
        let mut failures = 0;
        loop {
            match self.attempt(&mut batch).await {
                Ok(Some(plan)) => {
                    self.away = false;
                    return self.finish(batch, plan);
                }
                // whoever is as fast as others gets its turn before long
                Ok(None) if begun.elapsed() < HELD => {}
                Ok(None) => break,
                Err(RecordError::Store(error)) if error.is_transient() => {
                    if failures == 0 && !self.away {
                        tracing::warn!(%error, "the store is not available");
                    }
                    failures += 1;
                    failure = RecordError::Store(error);
                    if self.away || failures >= ATTEMPTS || begun.elapsed() >= HELD {
                        self.away = true;
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) if batch.len() > 1 => {
                    // of a key that is missing the log tells once, and what does not need it is recorded
                    if !error.lacks_key() {
                        tracing::error!(%error, "a batch was refused; recording its webhooks one by one");
                    }
                    for pending in batch {
                        Box::pin(self.record(vec![pending])).await;
                    }
                    return;
                }
                Err(error) => {
                    failure = error;
                    break;
                }
            }
        }
        if is_of_all(&failure) {
            self.failing.send_replace(Some(Instant::now()));
        }
        if failure.lacks_key() {
            self.lacked(&failure);
        } else {
            tracing::error!(error = %failure, webhooks = batch.len(), "webhooks could not be recorded");
        }
        let shared = Shared::of(failure);
        for pending in batch {
            pending.answer(Err(shared.error()));
        }
    }

    /// Counts what cannot be recorded for want of a master key. Logged at most once a minute: it goes on until somebody acts.
    fn lacked(&mut self, failure: &RecordError) {
        const QUIET: Duration = Duration::from_secs(60);
        metrics::counter!("warmledger_webhooks_without_master_key_total").increment(1);
        if self.lacked.is_none_or(|at| at.elapsed() > QUIET) {
            tracing::error!(error = %failure, "webhooks cannot be recorded here for want of a master key");
            self.lacked = Some(Instant::now());
        }
    }

    /// Plans and appends once. `None` if another process was faster or knew more: try again.
    async fn attempt(&mut self, batch: &mut [Pending]) -> Result<Option<Plan>, RecordError> {
        let mut plan = self.plan(batch).await?;
        if plan.events.is_empty() {
            return Ok(Some(plan));
        }
        let store = Arc::clone(&self.store);
        let floor = match self.crowded {
            0 => None,
            _ => store.floor(self.head.position, NEWS).await.map_err(failed)?,
        };
        let appended = match floor {
            None => {
                // nobody takes turns here
                self.crowded = 0;
                store.append(&plan.as_batch(false)).await
            }
            Some((floor, news)) => {
                self.crowded = self.crowded.saturating_sub(1);
                let settled = self.settle(&mut plan, batch, news).await;
                if settled.is_err() || plan.events.is_empty() {
                    floor.leave().await;
                    return settled.map(|()| Some(plan));
                }
                floor.append(&plan.as_batch(false)).await
            }
        };
        match appended {
            Ok(Append::Done) => {
                self.careful = self.careful.saturating_sub(1);
                Ok(Some(plan))
            }
            refused => {
                self.refused(batch, &plan, refused).await?;
                Ok(None)
            }
        }
    }

    /// Plans a batch behind the head.
    async fn plan(&mut self, batch: &mut [Pending]) -> Result<Plan, RecordError> {
        let mode = if self.careful > 0 {
            Mode::Careful
        } else {
            Mode::Optimistic
        };
        self.meet_strangers().await?;
        let mut plan = Plan::behind(self.head, self.frontier.clone());
        let planner = Planner::new(&*self.store, &self.vault, &mut self.cache, &[], mode);
        planner.extend(&mut plan, batch).await?;
        Ok(plan)
    }

    /// Gets ready to decide a batch again that was not appended.
    async fn refused(
        &mut self,
        batch: &mut [Pending],
        plan: &Plan,
        appended: Result<Append, StoreError>,
    ) -> Result<(), RecordError> {
        match appended {
            Ok(refused) => {
                metrics::counter!("warmledger_batches_retried_total").increment(1);
                if refused == Append::Conflict {
                    self.careful = CAREFUL_BATCHES;
                    // it may have been a data key under a master key that is not current any more
                    self.vault.follow(&*self.store).await?;
                } else {
                    self.careful = self.careful.max(1);
                    self.crowd();
                }
                self.catch_up().await
            }
            Err(error) => {
                // the answer may be lost while the commit is not: the next attempt looks the ids up before it writes
                self.careful = CAREFUL_BATCHES;
                plan.attempted(batch);
                if error.is_transient() {
                    // if this fails too, the error is the same kind, and the attempt is counted
                    self.catch_up().await?;
                }
                Err(RecordError::Store(Arc::new(error)))
            }
        }
    }

    /// Remembers what has become durable and answers everybody.
    fn finish(&mut self, batch: Vec<Pending>, mut plan: Plan) {
        metrics::histogram!("warmledger_batch_size").record(batch.len() as f64);
        self.head = plan.new_head();
        plan.tree.frontier().clone_into(&mut self.frontier);
        self.tail.send_replace(self.head.position);
        if !plan.events.is_empty() {
            self.failing.send_if_modified(|failing| failing.take().is_some());
        }
        let planned = std::mem::take(&mut plan.planned);
        let receipts: Vec<Option<Receipt>> = (0..plan.events.len()).map(|index| plan.receipt(index)).collect();
        plan.remember(&self.vault, &mut self.cache, &self.snapshot_writer);
        for (pending, planned) in batch.into_iter().zip(planned) {
            let receipt = |index: usize| receipts.get(index).cloned().flatten().ok_or(RecordError::Closed);
            pending.answer(match planned {
                Planned::New(index) => receipt(index),
                Planned::RepeatOf(index) => receipt(index).map(Receipt::of_repeat),
                Planned::Known(receipt) => Ok(receipt),
                Planned::Refused(error) => Err(error),
            });
        }
    }
}

fn failed(error: StoreError) -> RecordError {
    RecordError::Store(Arc::new(error))
}

/// Whether a failure says nothing of the webhook: any other one would have fared the same.
fn is_of_all(failure: &RecordError) -> bool {
    match failure {
        RecordError::Store(error) => error.is_transient() || error.takes_no_writes(),
        RecordError::Contended => true,
        _ => false,
    }
}

/// The plans that are under way, the newest first.
fn plans(flights: &VecDeque<Flight>) -> Vec<&Plan> {
    flights.iter().rev().map(Flight::plan).collect()
}

/// A failure that a whole batch shares.
struct Shared(RecordError);

impl Shared {
    fn of(error: RecordError) -> Self {
        Self(error)
    }

    fn error(&self) -> RecordError {
        match &self.0 {
            RecordError::QueueFull => RecordError::QueueFull,
            RecordError::Closed => RecordError::Closed,
            RecordError::Contended => RecordError::Contended,
            RecordError::Order(error) => RecordError::Order(error.clone()),
            RecordError::Store(error) => RecordError::Store(Arc::clone(error)),
            RecordError::Vault(error) => RecordError::Vault(Arc::clone(error)),
            RecordError::Event(error) => RecordError::Event(Arc::clone(error)),
        }
    }
}
