//! From a webhook to a durable event, in one total order without gaps, and back to the event's contents.
//!
//! Layout, in the order in which a webhook passes
//! - `content`: a body's content: inflated, in UTF-8
//! - `ingest`: its signature, and its payload split into facts, personal data and secrets
//! - `sections`: the contents of the sealed sections; a body spelled again from them
//! - `incoming`: a webhook made ready for recording; `address`: its e-mail addresses, hashed
//! - `original`: the webhook as evidence
//! - `access`: access events, made ready for recording
//! - `queue`: the work that waits to be recorded
//! - `writer`: the one task that appends: drain, plan, append, answer
//! - `brake`: back-pressure while views lag
//! - `plan`: a batch of webhooks becomes a batch of events: routed, decided, sealed, numbered and hashed
//! - `route`, `cache`: which stream a webhook belongs to; the writer's cache between batches
//! - `same`, `body_hash`: whether two webhooks have the same content
//! - `leaf`, `tree`: the canonical form of an event that the Merkle tree covers; the tree of a log written without one
//! - `in_flight`: the batch in flight to disk, and the next one that gathers meanwhile
//!
//! and back again, or no longer
//! - `reader`: opening the sealed sections of events
//! - `reveal`: credentials, opened from the events that hold the newest of each
//! - `seed`: TOTP seeds as providers write them
//! - `email`: the events with an e-mail address, found by hashes that are kept beside the log
//! - `evidence`, `quarantine`, `reprocess`: originals opened again: to check their signature, and to read what could not
//!   be used, or not be recognised
//! - `refused`: refused webhooks kept aside, until a key that is configured signs them
//! - `erasure`: erasing subjects: whom it reaches, the journal, restored backups, erasures by other processes

mod access;
mod address;
mod body_hash;
mod brake;
mod cache;
pub mod content;
pub mod email;
pub mod erasure;
pub mod evidence;
mod in_flight;
mod incoming;
pub mod ingest;
pub mod leaf;
mod original;
mod plan;
pub mod quarantine;
mod queue;
mod reader;
pub mod refused;
pub mod reprocess;
pub mod reveal;
mod route;
mod same;
pub mod sections;
mod seed;
mod tree;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{AccessEvent, EventId, OrderError, Position, StreamId};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use access::{record_access, record_access_as};
pub use incoming::{Incoming, PlainSections};
pub use original::Original;
pub use reader::{OpenError, Reader};

use access::AccessEntry;
use brake::Brake;
use queue::{Pending, Work};
use store::{DeliveryOutcome, Store, StoreError};
use vault::{OpenVaultError, Vault, VaultError};
use writer::Writer;

/// How long a failure counts that no success has followed: after that, senders that stopped may try again.
const REMEMBERED: Duration = Duration::from_secs(10);

/// KiB of bodies that may wait at once: bounds the memory of a queue of large webhooks.
const WAITING_KIB: usize = 64 * 1024;

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is recorded as a new event.
    Recorded,
    /// It had been recorded before, with the same content.
    Duplicate,
    /// It could not be used and is kept, sealed, as a quarantined event.
    Quarantined,
}

impl From<Outcome> for DeliveryOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Recorded => Self::Recorded,
            Outcome::Duplicate => Self::Duplicate,
            Outcome::Quarantined => Self::Quarantined,
        }
    }
}

/// Where a webhook is recorded. Given only once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What became of it.
    pub outcome: Outcome,
    /// The event's position; of a duplicate, the first one's.
    pub position: Position,
    /// The event's stream.
    pub stream: StreamId,
}

impl Receipt {
    /// The receipt of a repeat.
    fn of_repeat(self) -> Self {
        Self {
            outcome: Outcome::Duplicate,
            ..self
        }
    }
}

/// Why a webhook was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Too many webhooks wait already.
    #[error("the queue is full")]
    QueueFull,
    /// The service is shutting down, or the writer has ended.
    #[error("the ledger is closing")]
    Closed,
    /// The head was not where it was expected at any attempt.
    #[error(
        "the head of the log was not where this process had left it, each time: other processes were faster, or the \
         row in the table head was set back; `warmledger verify` tells which"
    )]
    Contended,
    /// The order refused it.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The store failed. If the failure is transient, sending the webhook again is safe: it is recorded once.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// A sealed section or a key could not be made or opened.
    #[error("the vault failed: {0}")]
    Vault(Arc<VaultError>),
    /// Facts could not be written.
    #[error("the event cannot be written: {0}")]
    Event(Arc<aggregates::EventError>),
}

impl RecordError {
    /// Whether this process lacks a master key: a retry succeeds once an operator has supplied it.
    pub fn lacks_key(&self) -> bool {
        matches!(self, Self::Vault(error) if error.lacks_key())
    }
}

impl From<OpenVaultError> for RecordError {
    fn from(error: OpenVaultError) -> Self {
        match error {
            OpenVaultError::Store(error) => Self::Store(Arc::new(error)),
            OpenVaultError::Vault(error) => Self::Vault(Arc::new(error)),
            OpenVaultError::KeyIsMissing(place) => Self::Vault(Arc::new(VaultError::NoMasterKey(place))),
        }
    }
}

impl From<incoming::PrepareError> for RecordError {
    fn from(error: incoming::PrepareError) -> Self {
        match error {
            incoming::PrepareError::Seal(error) => Self::Vault(Arc::new(error.into())),
            incoming::PrepareError::Event(error) => Self::Event(Arc::new(error)),
            incoming::PrepareError::Json(error) => Self::Event(Arc::new(error.into())),
        }
    }
}

/// A handle on the ledger's writer; clones share it.
#[derive(Clone)]
pub struct Ledger {
    queue: mpsc::UnboundedSender<Pending>,
    /// Permits for webhooks that wait to be appended.
    places: Arc<Semaphore>,
    /// Permits, in KiB, for the bodies of webhooks that wait for their answer.
    memory: Arc<Semaphore>,
    tail: watch::Receiver<Position>,
    failed: watch::Receiver<Option<Instant>>,
    brake: Brake,
}

impl Ledger {
    /// Starts the writer. It ends once every handle is dropped and everything accepted is answered.
    ///
    /// `capacity` is how many webhooks may wait before [`RecordError::QueueFull`].
    ///
    /// # Errors
    /// [`StoreError`] if the head cannot be read, or a tree that lags behind cannot be built.
    pub async fn start(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        capacity: usize,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let (head, frontier) = tree::caught_up(&*store).await?;
        let (queue, waiting) = mpsc::unbounded_channel();
        let (tail_sender, tail) = watch::channel(head.position);
        let (failing, failed) = watch::channel(None);
        let brake = Brake::default();
        let writer = Writer::new(store, vault, (head, frontier), tail_sender, failing, brake.clone());
        let task = tokio::spawn(writer.run(waiting));
        Ok((
            Self {
                queue,
                places: Arc::new(Semaphore::new(capacity.max(1))),
                memory: Arc::new(Semaphore::new(WAITING_KIB)),
                tail,
                failed,
                brake,
            },
            task,
        ))
    }

    /// Records a webhook; returns once it is durable.
    ///
    /// # Errors
    /// [`RecordError`]; then nothing of the webhook is kept, and a retry is safe.
    pub async fn record(&self, incoming: Incoming) -> Result<Receipt, RecordError> {
        let size = incoming.size();
        self.enqueue(Work::Webhook(Box::new(incoming)), size).await
    }

    /// Records an access event, in the same batches as webhooks; returns once it is durable.
    ///
    /// # Errors
    /// [`RecordError`]; it may have been recorded all the same only if the store's answer was lost and could not be
    /// looked up for seconds.
    pub async fn record_access(&self, event: AccessEvent) -> Result<Receipt, RecordError> {
        let entry = AccessEntry::new(event).map_err(|error| RecordError::Event(Arc::new(error)))?;
        self.enqueue(Work::Access(Box::new(entry)), 0).await
    }

    /// As [`Self::record_access`], under a given id.
    ///
    /// # Errors
    /// As [`Self::record_access`].
    pub async fn record_access_as(&self, event_id: EventId, event: AccessEvent) -> Result<Receipt, RecordError> {
        let entry = AccessEntry::named(event_id, event).map_err(|error| RecordError::Event(Arc::new(error)))?;
        self.enqueue(Work::Access(Box::new(entry)), 0).await
    }

    /// `size` is the memory that it takes, in bytes.
    async fn enqueue(&self, work: Work, size: usize) -> Result<Receipt, RecordError> {
        let kib = u32::try_from(size / 1024 + 1).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory).try_acquire_many_owned(kib);
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Ok(memory), Ok(place)) = (memory, place) else {
            return Err(RecordError::QueueFull);
        };
        let (answer, answered) = oneshot::channel();
        let pending = Pending::new(work, answer, place, memory);
        self.queue.send(pending).map_err(|_| RecordError::Closed)?;
        answered.await.unwrap_or(Err(RecordError::Closed))
    }

    /// The position of the newest event that this process knows of; changes whenever one is appended here.
    pub fn tail(&self) -> watch::Receiver<Position> {
        self.tail.clone()
    }

    /// Makes the writer wait between its batches while views lag more than half a second, at most 50 ms each time, so
    /// that recording and folding share the machine under a lasting load. `lag` is the views' lag.
    pub fn keep_pace_with(&self, lag: watch::Receiver<Duration>) {
        self.brake.follow(lag);
    }

    /// Whether the writer runs and takes webhooks.
    pub fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// How long ago the store last failed, if that was within 10 s and it has appended nothing since.
    pub fn failed(&self) -> Option<Duration> {
        let ago = self.failed.borrow().map(|at| at.elapsed());
        ago.filter(|ago| *ago < REMEMBERED)
    }

    /// How many webhooks may still be queued.
    pub fn room(&self) -> usize {
        self.places.available_permits()
    }
}
