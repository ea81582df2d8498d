//! Leases: the right to do a duty that one process is enough for.
//!
//! A lease is a row with a deadline by the database's clock. Its holder extends the deadline every second; a process
//! that stops releases it; if a process vanishes, its lease expires, so others need not wait for its session to end. A
//! takeover raises the epoch, and each write under a lease names its epoch (a fencing token): the database refuses the
//! writes of a former holder (Kleppmann, "How to do distributed locking").

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::{Duty, StoreError};

/// How long a lease lasts unless it is renewed. Together with the second between two attempts of other processes and
/// the database's answer time, a takeover takes well under ten seconds.
pub const TERM: Duration = Duration::from_secs(5);
/// How often its holder renews it.
const RENEWED_EVERY: Duration = Duration::from_secs(1);
/// The time-out of one call before it is retried over another connection.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The fencing token of a write under a lease. The write is refused with [`StoreError::Overtaken`] after a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The duty.
    pub duty: Duty,
    /// The epoch of its lease: how often it had been taken over.
    pub epoch: i64,
}

/// The right to do a duty that one process is enough for. Dropping it releases it; it expires after [`TERM`] if its
/// process has vanished.
#[async_trait]
pub trait Lease: Send {
    /// Whether it is still held. If it may have expired since the database did not answer, waits briefly for the
    /// answer.
    async fn is_held(&mut self) -> bool;

    /// The fencing token for writes under it.
    fn fence(&self) -> Fence;

    /// Releases it, and returns once the database has released it or did not answer: a process that ended at once would
    /// leave it behind.
    async fn give_back(self: Box<Self>);
}

/// A stored lease.
#[derive(Clone, Debug)]
pub struct LeaseState {
    /// The duty's name.
    pub duty: String,
    /// The current or last holder.
    pub holder: String,
    /// How often it was taken over.
    pub epoch: i64,
    /// The time until it expires, by the database's clock; below zero if it has expired.
    pub remaining: SignedDuration,
}

impl LeaseState {
    /// Whether it can be taken: it has expired, or the database's clock was set back since.
    pub fn is_vacant(&self) -> bool {
        self.remaining <= SignedDuration::ZERO || self.remaining.unsigned_abs() > TERM * 2
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that grants leases.
    pub trait LeaseStore {
        /// Takes the lease on a duty; none while another process holds it.
        async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError>;

        /// All leases that were ever taken.
        async fn leases(&self) -> Result<Vec<LeaseState>, StoreError>;
    }
}

/// The table of leases of one store.
#[async_trait]
pub(super) trait LeaseTable: Clone + Send + Sync + 'static {
    /// Takes an expired lease, for [`TERM`]. Returns its epoch, or none while another process holds it. A lease with
    /// more than twice the term left counts as expired: the clock was set back.
    async fn take(&self, duty: Duty, holder: &str) -> Result<Option<i64>, StoreError>;

    /// Extends it to [`TERM`] from now. `false` if another process has taken it over.
    async fn renew(&self, fence: Fence) -> Result<bool, StoreError>;

    /// Ends it, unless another process has taken it over.
    async fn give_back(&self, fence: Fence) -> Result<(), StoreError>;

    /// All that were ever taken.
    async fn all(&self) -> Result<Vec<LeaseState>, StoreError>;
}

/// The leases that a store has taken.
pub(super) struct Leases<T> {
    pub(super) table: T,
    holder: String,
    renewing: TaskTracker,
    closed: CancellationToken,
}

impl Leases<()> {
    /// A unique name for a holder of leases in this program.
    pub(super) fn holder(program: &str) -> String {
        // PostgreSQL keeps 63 bytes of the name of a session
        let program: String = program.chars().filter(char::is_ascii).take(30).collect();
        format!("{program} {}-{:016x}", std::process::id(), rand::random::<u64>())
    }
}

impl<T: LeaseTable> Leases<T> {
    pub(super) fn new(table: T, holder: String) -> Self {
        Self {
            table,
            holder,
            renewing: TaskTracker::new(),
            closed: CancellationToken::new(),
        }
    }

    pub(super) async fn take(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
        // read first, since taking a lease is a write
        let is_taken = |lease: &LeaseState| lease.duty == duty.as_str() && !lease.is_vacant();
        if self.table.all().await?.iter().any(is_taken) {
            return Ok(None);
        }
        // counted from before the call, so that it expires here no later than in the database
        let asked = Instant::now();
        let taken = match timeout(PATIENCE * 2, self.table.take(duty, &self.holder)).await {
            Ok(taken) => taken?,
            Err(_) => return Err(StoreError::Unavailable(format!("no answer within {:?}", PATIENCE * 2))),
        };
        let Some(epoch) = taken else { return Ok(None) };
        let fence = Fence { duty, epoch };
        let given_back = self.closed.child_token();
        let (renewed, until) = watch::channel(Some(asked + TERM));
        let renewing = renew(self.table.clone(), fence, renewed, given_back.clone());
        Ok(Some(Box::new(HeldLease {
            fence,
            until,
            renewing: self.renewing.spawn(renewing),
            given_back: given_back.drop_guard(),
        })))
    }

    /// Releases all of them.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.renewing.close();
        self.renewing.wait().await;
    }
}

/// Renews a lease until it is released, or another process has taken it over.
async fn renew(
    table: impl LeaseTable,
    fence: Fence,
    until: watch::Sender<Option<Instant>>,
    given_back: CancellationToken,
) {
    let mut troubled = false;
    while given_back.run_until_cancelled(sleep(RENEWED_EVERY)).await.is_some() {
        let asked = Instant::now();
        let renewing = timeout(PATIENCE, table.renew(fence));
        let Some(renewed) = given_back.run_until_cancelled(renewing).await else {
            break;
        };
        let trouble = match renewed {
            Ok(Ok(true)) => {
                until.send_replace(Some(asked + TERM));
                None
            }
            Ok(Ok(false)) => {
                until.send_replace(None);
                return;
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("the database did not answer within {PATIENCE:?}")),
        };
        // logged once, however often it is retried
        if let (Some(error), false) = (&trouble, troubled) {
            tracing::warn!(
                error,
                duty = fence.duty.as_str(),
                "a lease could not be renewed; trying again"
            );
        }
        troubled = trouble.is_some();
    }
    match timeout(PATIENCE, table.give_back(fence)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, duty = fence.duty.as_str(), "a lease could not be given back: it ends by itself")
        }
        Err(_) => tracing::warn!(
            duty = fence.duty.as_str(),
            "a lease could not be given back in time: it ends by itself"
        ),
    }
}

/// A lease that a task renews.
struct HeldLease {
    fence: Fence,
    /// Until when it is surely held; none after a takeover.
    until: watch::Receiver<Option<Instant>>,
    renewing: JoinHandle<()>,
    given_back: DropGuard,
}

#[async_trait]
impl Lease for HeldLease {
    async fn is_held(&mut self) -> bool {
        loop {
            match *self.until.borrow_and_update() {
                None => return false,
                Some(until) if Instant::now() < until => return true,
                Some(_) => {}
            }
            if !matches!(timeout(PATIENCE, self.until.changed()).await, Ok(Ok(()))) {
                return false;
            }
        }
    }

    fn fence(&self) -> Fence {
        self.fence
    }

    async fn give_back(self: Box<Self>) {
        let Self {
            renewing, given_back, ..
        } = *self;
        drop(given_back);
        if let Err(error) = renewing.await {
            tracing::error!(%error, "a lease was not given back: it ends by itself");
        }
    }
}
