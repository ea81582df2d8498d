//! A store whose appends can be held up or fail on purpose; all other calls go to the real one ([`Wraps`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aggregates::{Position, StreamId};
use async_trait::async_trait;
use tokio::sync::Semaphore;
use warmledger::store::{
    Append, AppendLock, Batch, EventQuery, Found, Head, Locked, LogStore, Lookup, Store, StoreError, StoredEvent, Wraps,
};

/// The fault of one append.
pub enum Fault {
    /// Nothing is written, and the store reports that it is unavailable.
    Unwritten,
    /// The batch is written, and the answer is lost.
    AnswerLost,
}

/// The real store behind a gate.
pub struct FaultyStore {
    real: Arc<dyn Store>,
    gate: Semaphore,
    faults: Mutex<VecDeque<Fault>>,
    batches: Mutex<Vec<usize>>,
    asked: Mutex<Vec<String>>,
    turns: AtomicUsize,
}

impl FaultyStore {
    /// A store that lets this many appends pass before it holds them up.
    pub fn new(real: Arc<dyn Store>, appends: usize) -> Arc<Self> {
        Arc::new(Self {
            real,
            gate: Semaphore::new(appends),
            faults: Mutex::default(),
            batches: Mutex::default(),
            asked: Mutex::default(),
            turns: AtomicUsize::default(),
        })
    }

    /// Lets this many more appends pass.
    pub fn let_pass(&self, appends: usize) {
        self.gate.add_permits(appends);
    }

    /// The faults of the next appends that pass, in order.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// The sizes of all batches that reached the gate.
    pub fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }

    /// How often the append lock was asked for.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::Relaxed)
    }

    /// The references and streams looked up since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn ask(&self, streams: &[StreamId]) {
        let names = streams.iter().map(|stream| stream.as_str().to_owned());
        self.asked.lock().unwrap().extend(names);
    }

    /// Waits at the gate; returns the fault of the append.
    async fn pass(&self, batch: &Batch<'_>) -> Option<Fault> {
        self.batches.lock().unwrap().push(batch.events.len());
        self.gate.acquire().await.unwrap().forget();
        self.faults.lock().unwrap().pop_front()
    }

    /// Waits until this many appends have reached the gate.
    pub async fn appends_begun(&self, count: usize) {
        for _ in 0..1_000 {
            if self.batches().len() >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("no more than {} appends were begun", self.batches().len());
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("on purpose".to_owned())
}

/// The real lock behind the same gate.
struct FaultyLock<'a> {
    store: &'a FaultyStore,
    real: Box<dyn AppendLock + 'a>,
}

#[async_trait]
impl AppendLock for FaultyLock<'_> {
    async fn append(self: Box<Self>, batch: &Batch<'_>) -> Result<Append, StoreError> {
        let Self { store, real } = *self;
        match store.pass(batch).await {
            Some(Fault::Unwritten) => {
                real.release().await;
                Err(unavailable())
            }
            fault => answered(fault, real.append(batch).await),
        }
    }

    async fn release(self: Box<Self>) {
        self.real.release().await;
    }
}

/// The answer of an append with this fault.
fn answered(fault: Option<Fault>, appended: Result<Append, StoreError>) -> Result<Append, StoreError> {
    if fault.is_none() {
        return appended;
    }
    assert_eq!(appended?, Append::Done);
    Err(unavailable())
}

impl Wraps for FaultyStore {
    fn wrapped(&self) -> &dyn Store {
        &*self.real
    }
}

impl Store for FaultyStore {}

#[async_trait]
impl LogStore for FaultyStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.real.head().await
    }

    fn writers(&self) -> usize {
        self.real.writers()
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        match self.pass(batch).await {
            Some(Fault::Unwritten) => Err(unavailable()),
            fault => answered(fault, self.real.append(batch).await),
        }
    }

    async fn append_lock(&self, after: Position, limit: u32) -> Result<Option<Locked<'_>>, StoreError> {
        self.turns.fetch_add(1, Ordering::Relaxed);
        let locked = self.real.append_lock(after, limit).await?;
        Ok(locked.map(|(real, news)| {
            let lock: Box<dyn AppendLock + '_> = Box::new(FaultyLock { store: self, real });
            (lock, news)
        }))
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        let references = lookup.references.iter().map(|_| "a reference".to_owned());
        let keys = lookup.subjects.iter().map(|_| "a key".to_owned());
        self.asked.lock().unwrap().extend(references.chain(keys));
        self.real.lookup(lookup).await
    }

    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
        self.ask(streams);
        self.real.streams(streams).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        self.real.events(query).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        self.real.events_at(positions).await
    }
}
