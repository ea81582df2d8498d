//! A store whose appends can be held up and can fail on purpose; everything else goes to the real one ([`Wraps`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aggregates::{Position, StreamId};
use async_trait::async_trait;
use futures_util::future::poll_immediate;
use tokio::sync::Semaphore;
use warmledger::store::{
    Append, Batch, EventQuery, Floor, Found, Head, LogStore, Lookup, Store, StoreError, StoredEvent, StreamSnapshot,
    TakenFloor, Wraps,
};

/// What happens to one append.
pub enum Fault {
    /// Nothing is written, and the store says that it is away.
    Unwritten,
    /// It is written, and the answer gets lost.
    AnswerLost,
}

/// The real store behind a gate.
pub struct FaultyStore {
    real: Arc<dyn Store>,
    lanes: usize,
    turn: tokio::sync::Mutex<()>,
    gate: Semaphore,
    faults: Mutex<VecDeque<Fault>>,
    batches: Mutex<Vec<usize>>,
    asked: Mutex<Vec<String>>,
}

impl FaultyStore {
    /// A store that lets so many appends pass before it holds them up.
    pub fn new(real: Arc<dyn Store>, appends: usize) -> Arc<Self> {
        Self::with_lanes(real, appends, 1)
    }

    /// As [`Self::new`]; so many appends may be under way at once.
    pub fn with_lanes(real: Arc<dyn Store>, appends: usize, lanes: usize) -> Arc<Self> {
        Arc::new(Self {
            real,
            lanes,
            turn: tokio::sync::Mutex::default(),
            gate: Semaphore::new(appends),
            faults: Mutex::default(),
            batches: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// Lets so many more appends pass.
    pub fn let_pass(&self, appends: usize) {
        self.gate.add_permits(appends);
    }

    /// What happens to the next appends that pass, in turn.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// The sizes of all batches that came to the gate.
    pub fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }

    /// The references and streams that were asked for since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn ask(&self, streams: &[StreamId]) {
        let names = streams.iter().map(|stream| stream.as_str().to_owned());
        self.asked.lock().unwrap().extend(names);
    }

    /// Waits until so many appends have come to the gate.
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

fn away() -> StoreError {
    StoreError::Unavailable("on purpose".to_owned())
}

/// The real floor behind the same gate.
struct FaultyFloor<'a> {
    store: &'a FaultyStore,
    real: Box<dyn Floor + 'a>,
}

#[async_trait]
impl Floor for FaultyFloor<'_> {
    async fn append(self: Box<Self>, batch: &Batch<'_>) -> Result<Append, StoreError> {
        let Self { store, real } = *self;
        store.batches.lock().unwrap().push(batch.events.len());
        store.gate.acquire().await.unwrap().forget();
        let fault = store.faults.lock().unwrap().pop_front();
        match fault {
            None => real.append(batch).await,
            Some(Fault::Unwritten) => {
                real.leave().await;
                Err(away())
            }
            Some(Fault::AnswerLost) => {
                assert_eq!(real.append(batch).await?, Append::Done);
                Err(away())
            }
        }
    }

    async fn leave(self: Box<Self>) {
        self.real.leave().await;
    }
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

    fn lanes(&self) -> usize {
        self.lanes
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        self.batches.lock().unwrap().push(batch.events.len());
        let turn = self.turn.lock().await;
        self.gate.acquire().await.unwrap().forget();
        let fault = self.faults.lock().unwrap().pop_front();
        if matches!(fault, Some(Fault::Unwritten)) {
            return Err(away());
        }
        // the real store is called in the order in which this one was
        let mut append = self.real.append(batch);
        let mut appended = poll_immediate(&mut append).await;
        drop(turn);
        if appended.is_none() {
            appended = Some(append.await);
        }
        match (fault, appended.unwrap()) {
            (None, appended) => appended,
            (Some(_), appended) => {
                assert_eq!(appended?, Append::Done);
                Err(away())
            }
        }
    }

    async fn floor(&self, after: Position, limit: u32) -> Result<Option<TakenFloor<'_>>, StoreError> {
        let taken = self.real.floor(after, limit).await?;
        Ok(taken.map(|(real, news)| {
            let floor: Box<dyn Floor + '_> = Box::new(FaultyFloor { store: self, real });
            (floor, news)
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

    async fn resume(&self, streams: &[StreamId]) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError> {
        self.ask(streams);
        self.real.resume(streams).await
    }

    async fn keep_snapshots(&self, snapshots: &[StreamSnapshot]) -> Result<(), StoreError> {
        self.real.keep_snapshots(snapshots).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        self.real.events(query).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        self.real.events_at(positions).await
    }
}
