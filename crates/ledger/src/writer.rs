//! The one task that appends. It drains the queue (group commit), plans a batch, appends it in one atomic step and
//! answers every waiting caller. While a batch is in flight the next one gathers and is planned, so batches grow with
//! the load, the store never waits for a plan, and a lone webhook never waits for others.
//!
//! One append is in flight at a time. The plan made meanwhile builds on it. If it is refused or its answer is lost, it
//! and the next batch are decided again, one after the other and with nothing in flight.

mod failure;
mod others;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{Position, SubjectId};
use tokio::sync::{mpsc, watch};

use failure::{Shared, failed, is_of_all};
use others::NEWS;

use super::brake::Brake;
use super::cache::Cache;
use super::in_flight::{InFlight, Next, completion};
use super::plan::{Mode, Plan, Planned, Planner};
use super::queue::{BATCH, Pending};
use super::{Receipt, RecordError};
use store::{Append, Head, Store, StoreError};
use tlog::Frontier;
use vault::Vault;

/// How often a batch is retried while the store fails, before its callers get an error.
const ATTEMPTS: usize = 64;
/// How many batches are looked up before they are planned, after one was refused for a row that the caches lacked.
const LOOKED_UP_BATCHES: u32 = 16;
/// Pause before a retry after the store failed.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a batch is retried while the store is away or other processes append first: long enough for a restart of
/// the store to go unnoticed, and far less than the minute after which senders time out.
const HELD: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    head: Head,
    /// The Merkle tree up to the head.
    frontier: Frontier,
    cache: Cache,
    /// How many more batches are looked up in the store before they are planned.
    looked_up: u32,
    /// How many more batches are appended under the append lock, since other processes append too.
    contended: u32,
    /// Subjects of other processes' events whose data keys are not in memory.
    unknown_subjects: Vec<SubjectId>,
    /// Whether the last attempt found the store unavailable: then each batch is tried once, so that the queue is
    /// answered soon.
    unavailable: bool,
    /// When a missing master key was last logged.
    lacked: Option<Instant>,
    tail: watch::Sender<Position>,
    /// When the store last failed, unless it has appended since.
    failing: watch::Sender<Option<Instant>>,
    brake: Brake,
    /// When the next batch may be submitted: delayed only while the views lag.
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
            store,
            vault,
            head,
            frontier,
            cache: Cache::new(),
            looked_up: 0,
            contended: 0,
            unknown_subjects: Vec::new(),
            unavailable: false,
            lacked: None,
            tail,
            failing,
            brake,
            not_before: Instant::now(),
        }
    }

    /// Runs until every handle on the queue is dropped and the queue is empty.
    pub(super) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Pending>) {
        let mut in_flight = None;
        let mut next = Next::default();
        let mut open = true;
        loop {
            if in_flight.is_none() {
                in_flight = self.submit(&mut next).await;
            }
            if in_flight.is_none() && next.batch.is_empty() && !open {
                return;
            }
            let room = BATCH - next.batch.len();
            let held = !next.batch.is_empty() && Instant::now() < self.not_before;
            tokio::select! {
                biased;
                appended = completion(&mut in_flight) => {
                    if let Some(completed) = in_flight.take() {
                        in_flight = self.completed(completed, appended, &mut next).await;
                    }
                }
                received = queue.recv_many(&mut next.batch, room), if open && next.grows && room > 0 => {
                    open = received > 0;
                    self.extend(&mut next, in_flight.as_ref().map(InFlight::plan)).await;
                }
                () = tokio::time::sleep_until(self.not_before.into()), if held => {}
            }
        }
    }

    /// Plans the webhooks in `next`, as far as possible while another plan is in flight.
    async fn extend(&mut self, next: &mut Next, in_flight: Option<&Plan>) {
        if !self.plans_ahead() {
            // `record` plans it, which looks it up in the store at each attempt
            return;
        }
        let plan = next.plan.get_or_insert_with(|| match in_flight {
            Some(in_flight) => Plan::behind(in_flight.new_head(), in_flight.tree.frontier().clone()),
            None => Plan::behind(self.head, self.frontier.clone()),
        });
        let planner = Planner::new(&*self.store, &self.vault, &mut self.cache, in_flight, Mode::Optimistic);
        // `record` retries a failure, and answers if it fails again
        next.grows = planner.extend(plan, &mut next.batch).await.unwrap_or(false);
    }

    /// Submits the next batch if the brake lets it; nothing is in flight.
    async fn submit(&mut self, next: &mut Next) -> Option<InFlight> {
        let now = Instant::now();
        if next.batch.is_empty() || now < self.not_before {
            return None;
        }
        self.not_before = now + self.brake.pause();
        let mut next = std::mem::take(next);
        if !next.grows {
            // the append that it waited for is completed
            self.extend(&mut next, None).await;
        }
        match next.plan {
            Some(plan) if next.grows && self.plans_ahead() => {
                if plan.events.is_empty() {
                    self.finish(next.batch, plan);
                    return None;
                }
                Some(InFlight::submit(&self.store, next.batch, plan).await)
            }
            _ => {
                self.record(next.batch).await;
                None
            }
        }
    }

    /// Settles the append that was in flight; if it was refused, also the next batch, which built on it. Returns the
    /// append in flight then.
    async fn completed(
        &mut self,
        completed: InFlight,
        appended: Result<Append, StoreError>,
        next: &mut Next,
    ) -> Option<InFlight> {
        let (mut batch, plan) = completed.into_parts();
        if matches!(appended, Ok(Append::Done)) {
            self.unavailable = false;
            // the store gets its next append before callers are answered; a batch not planned on top of this one waits
            // until the cache has this one, lest it is sealed with a key that this one destroys
            let in_flight = match next.is_ready() {
                true => self.submit(next).await,
                false => None,
            };
            self.finish(batch, plan);
            return in_flight;
        }
        if let Err(error) = self.refused(&mut batch, &plan, appended).await {
            tracing::warn!(%error, "a batch was not appended; trying again");
        }
        self.record(batch).await;
        self.record(std::mem::take(next).batch).await;
        None
    }

    /// Whether a batch is planned before the one ahead of it is durable: not while the store has to be looked up first,
    /// nor while other processes append too, since a refused batch takes the plan built on it along.
    fn plans_ahead(&self) -> bool {
        self.looked_up == 0 && self.contended == 0
    }

    /// Records a batch and answers all its callers.
    async fn record(&mut self, mut batch: Vec<Pending>) {
        if batch.is_empty() {
            // or it would wait for its turn, and what comes in meanwhile for the next one
            return;
        }
        batch.iter_mut().for_each(Pending::leave_queue);
        let mut failure = RecordError::Contended;
        let begun = Instant::now();
        let mut failures = 0;
        loop {
            match self.attempt(&mut batch).await {
                Ok(Some(plan)) => {
                    self.unavailable = false;
                    return self.finish(batch, plan);
                }
                // a contended writer retries for five seconds
                Ok(None) if begun.elapsed() < HELD => {}
                Ok(None) => break,
                Err(RecordError::Store(error)) if error.is_transient() => {
                    if failures == 0 && !self.unavailable {
                        tracing::warn!(%error, "the store is not available");
                    }
                    failures += 1;
                    failure = RecordError::Store(error);
                    if self.unavailable || failures >= ATTEMPTS || begun.elapsed() >= HELD {
                        self.unavailable = true;
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) if batch.len() > 1 => {
                    // a missing key is logged once, and webhooks that do not need it are recorded
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

    /// Counts failures for lack of a master key. Logged at most once a minute: they go on until an operator acts.
    fn lacked(&mut self, failure: &RecordError) {
        const QUIET: Duration = Duration::from_secs(60);
        metrics::counter!("warmledger_webhooks_without_master_key_total").increment(1);
        if self.lacked.is_none_or(|at| at.elapsed() > QUIET) {
            tracing::error!(error = %failure, "webhooks cannot be recorded here for want of a master key");
            self.lacked = Some(Instant::now());
        }
    }

    /// Plans and appends once. `None` if another process appended first or a unique key refused: retry.
    async fn attempt(&mut self, batch: &mut [Pending]) -> Result<Option<Plan>, RecordError> {
        let store = Arc::clone(&self.store);
        let lock = match self.contended {
            0 => None,
            _ => store.append_lock(self.head.position, NEWS).await.map_err(failed)?,
        };
        let (plan, appended) = match lock {
            None => {
                // no append lock: not contended, or the store has none
                self.contended = 0;
                let plan = self.plan(batch).await?;
                if plan.events.is_empty() {
                    return Ok(Some(plan));
                }
                let appended = store.append(&plan.as_batch()).await;
                (plan, appended)
            }
            Some((lock, news)) => {
                self.contended -= 1;
                let planned = self.plan_under_lock(batch, news).await;
                match planned {
                    Ok(plan) if !plan.events.is_empty() => {
                        let appended = lock.append(&plan.as_batch()).await;
                        (plan, appended)
                    }
                    nothing_to_append => {
                        lock.release().await;
                        return nothing_to_append.map(Some);
                    }
                }
            }
        };
        match appended {
            Ok(Append::Done) => {
                self.looked_up = self.looked_up.saturating_sub(1);
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
        let mode = if self.looked_up > 0 {
            Mode::LookUpFirst
        } else {
            Mode::Optimistic
        };
        self.fetch_unknown_subjects().await?;
        let mut plan = Plan::behind(self.head, self.frontier.clone());
        let planner = Planner::new(&*self.store, &self.vault, &mut self.cache, None, mode);
        planner.extend(&mut plan, batch).await?;
        Ok(plan)
    }

    /// Prepares a batch that was not appended for its next attempt.
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
                    self.looked_up = LOOKED_UP_BATCHES;
                    // the conflict may be a data key under a master key that is not current any more
                    self.vault.follow(&*self.store).await?;
                } else {
                    self.looked_up = self.looked_up.max(1);
                    self.contend();
                }
                self.catch_up().await
            }
            Err(error) => {
                // the commit may have succeeded and only its answer be lost: the next attempt looks the ids up before
                // it writes
                self.looked_up = LOOKED_UP_BATCHES;
                plan.attempted(batch);
                if error.is_transient() {
                    // if this fails too, the error is the same kind, and the attempt is counted
                    self.catch_up().await?;
                }
                Err(RecordError::Store(Arc::new(error)))
            }
        }
    }

    /// Updates the caches with the durable batch and answers all its callers.
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
        plan.remember(&self.vault, &mut self.cache);
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
