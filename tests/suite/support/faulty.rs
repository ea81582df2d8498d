//! A store whose appends can be held up and can fail on purpose; everything else goes to the real one.

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex};

use aggregates::{ActorId, Position, StreamId, SubjectId, TokenId};
use async_trait::async_trait;
use futures_util::future::poll_immediate;
use jiff::Timestamp;
use projections::Column;
use tokio::sync::Semaphore;
use warmledger::access::TokenHash;
use warmledger::sealing::{MasterKeyId, WrappedKey};
use warmledger::store::{
    Advance, Append, Batch, ClockStep, Consumer, ConsumerName, Count, Difference, Duty, EventFilter, EventQuery, Fence,
    Floor, Found, Generation, GenerationState, Head, KeyStore, Lease, LeaseState, Lookup, Mark, ParkedCount, ParkedRow,
    Rewrapped, RowQuery, SchemaCheck, Store, StoreError, StoredEvent, StoredRow, StoredToken, StreamSnapshot,
    SubjectState, Switch, TakenFloor,
};
use warmledger::store::{KeptCheckpoint, KeptKey, NewCheckpoint, Outline, RawEvent, Reference, TreeHead, TreeStore};
use warmledger::store::{Process, ProcessStore, SeenProcess};
use warmledger::tlog::{Growth, Hash};

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
        let away = || StoreError::Unavailable("on purpose".to_owned());
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

#[async_trait]
impl KeyStore for FaultyStore {
    async fn master_key(&self) -> Result<Option<MasterKeyId>, StoreError> {
        self.real.master_key().await
    }

    async fn first_master_key(&self, id: MasterKeyId) -> Result<MasterKeyId, StoreError> {
        self.real.first_master_key(id).await
    }

    async fn set_master_key(&self, from: MasterKeyId, to: MasterKeyId) -> Result<bool, StoreError> {
        self.real.set_master_key(from, to).await
    }

    async fn keys_not_under(
        &self,
        id: MasterKeyId,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<WrappedKey>, StoreError> {
        self.real.keys_not_under(id, after, limit).await
    }

    async fn rewrap(&self, keys: &[Rewrapped], under: Option<Fence>) -> Result<u64, StoreError> {
        self.real.rewrap(keys, under).await
    }

    async fn key_counts(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError> {
        self.real.key_counts().await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.real.scrub().await
    }

    async fn without_key(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError> {
        self.real.without_key(subjects).await
    }

    async fn misshapen_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        self.real.misshapen_keys(limit).await
    }

    async fn data_keys(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        self.real.data_keys(after, limit).await
    }

    async fn unnamed_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        self.real.unnamed_keys(limit).await
    }

    async fn subjects(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectState>, StoreError> {
        self.real.subjects(subjects).await
    }

    async fn all_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectState>, StoreError> {
        self.real.all_subjects(after, limit).await
    }

    async fn stream_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectId>, StoreError> {
        self.real.stream_subjects(after, limit).await
    }

    async fn is_in_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<bool, StoreError> {
        self.real.is_in_effect(mark, subject, position).await
    }

    async fn put_into_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<(), StoreError> {
        self.real.put_into_effect(mark, subject, position).await
    }

    async fn erasures_without_effect(&self) -> Result<Vec<(SubjectId, Position)>, StoreError> {
        self.real.erasures_without_effect().await
    }

    async fn marked_subjects(&self) -> Result<(Position, Vec<SubjectState>), StoreError> {
        self.real.marked_subjects().await
    }

    async fn erased_subjects(&self) -> Result<Vec<SubjectState>, StoreError> {
        self.real.erased_subjects().await
    }
}

#[async_trait]
impl Store for FaultyStore {
    fn lanes(&self) -> usize {
        self.lanes
    }

    async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError> {
        self.real.clock_steps(until, limit).await
    }

    async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError> {
        self.real.part_at(time, head).await
    }

    async fn check_schema(&self) -> Result<SchemaCheck, StoreError> {
        self.real.check_schema().await
    }

    async fn floor(&self, after: Position, limit: u32) -> Result<Option<TakenFloor<'_>>, StoreError> {
        let taken = self.real.floor(after, limit).await?;
        Ok(taken.map(|(real, news)| {
            let floor: Box<dyn Floor + '_> = Box::new(FaultyFloor { store: self, real });
            (floor, news)
        }))
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        self.batches.lock().unwrap().push(batch.events.len());
        let turn = self.turn.lock().await;
        self.gate.acquire().await.unwrap().forget();
        let fault = self.faults.lock().unwrap().pop_front();
        let away = || StoreError::Unavailable("on purpose".to_owned());
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

    async fn probe(&self) -> Result<(), StoreError> {
        self.real.probe().await
    }

    async fn close(&self) {
        self.real.close().await;
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.real.head().await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        let references = lookup.references.iter().map(|_| "a reference".to_owned());
        let keys = lookup.subjects.iter().map(|_| "a key".to_owned());
        self.asked.lock().unwrap().extend(references.chain(keys));
        self.real.lookup(lookup).await
    }

    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
        let names = streams.iter().map(|stream| stream.as_str().to_owned());
        self.asked.lock().unwrap().extend(names);
        self.real.streams(streams).await
    }

    async fn resume(&self, streams: &[StreamId]) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError> {
        let names = streams.iter().map(|stream| stream.as_str().to_owned());
        self.asked.lock().unwrap().extend(names);
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

    async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.real.reserved_key(subject, offer).await
    }

    async fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        self.real.generations().await
    }

    async fn create_generation(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        self.real.create_generation(name, version, columns).await
    }

    async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError> {
        self.real.index_generation(generation, columns).await
    }

    async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        self.real.documents(generation, keys).await
    }

    async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError> {
        self.real.advance(steps, under).await
    }

    async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError> {
        self.real.parked().await
    }

    async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError> {
        self.real.parked_counts().await
    }

    async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError> {
        self.real.parked_among(generation, keys).await
    }

    async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
        self.real.lease(duty).await
    }

    async fn leases(&self) -> Result<Vec<LeaseState>, StoreError> {
        self.real.leases().await
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, StoreError> {
        self.real.consumers().await
    }

    async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        self.real.consumer(name).await
    }

    async fn put_consumer(
        &self,
        name: &ConsumerName,
        filter: &EventFilter,
        position: Position,
        owner: Option<&ActorId>,
    ) -> Result<bool, StoreError> {
        self.real.put_consumer(name, filter, position, owner).await
    }

    async fn commit(
        &self,
        name: &ConsumerName,
        from: RangeInclusive<Position>,
        to: Position,
        under: Option<Fence>,
    ) -> Result<bool, StoreError> {
        self.real.commit(name, from, to, under).await
    }

    async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError> {
        self.real.consumer_seen(name).await
    }

    async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError> {
        self.real.delete_consumer(name).await
    }

    async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError> {
        self.real.entrust_generation(building).await
    }

    async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError> {
        self.real.switch_generation(building, columns).await
    }

    async fn create_snapshot(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        self.real.create_snapshot(name, version, columns).await
    }

    async fn copy_snapshot(
        &self,
        from: &Generation,
        into: &Generation,
        columns: &'static [Column],
    ) -> Result<(), StoreError> {
        self.real.copy_snapshot(from, into, columns).await
    }

    async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError> {
        self.real.set_state(generation, state).await
    }

    async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        self.real.drop_generation(generation).await
    }

    async fn differences(
        &self,
        live: &Generation,
        rebuilt: &Generation,
        columns: &'static [Column],
        limit: u32,
    ) -> Result<Option<Vec<Difference>>, StoreError> {
        self.real.differences(live, rebuilt, columns, limit).await
    }

    async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError> {
        self.real.row_count(generation).await
    }

    async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        self.real.create_token(token).await
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        self.real.tokens().await
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
        self.real.token_by_hash(hash).await
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
        self.real.revoke_token(id, at).await
    }

    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        self.real.token_used(id, at).await
    }

    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        self.real.rows(query).await
    }

    async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError> {
        self.real.counts(query, column).await
    }
}

#[async_trait]
impl ProcessStore for FaultyStore {
    async fn process_seen(&self, process: &Process) -> Result<(), StoreError> {
        self.real.process_seen(process).await
    }

    async fn processes(&self) -> Result<Vec<SeenProcess>, StoreError> {
        self.real.processes().await
    }

    async fn process_ended(&self, id: &str) -> Result<(), StoreError> {
        self.real.process_ended(id).await
    }
}

#[async_trait]
impl TreeStore for FaultyStore {
    async fn tree(&self) -> Result<TreeHead, StoreError> {
        self.real.tree().await
    }

    async fn tree_hashes(&self, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.real.tree_hashes(level, numbers).await
    }

    async fn stray_nodes(&self) -> Result<u64, StoreError> {
        self.real.stray_nodes().await
    }

    async fn grow_tree(&self, from: u64, growth: &Growth) -> Result<bool, StoreError> {
        self.real.grow_tree(from, growth).await
    }

    async fn origin(&self, offer: &str) -> Result<String, StoreError> {
        self.real.origin(offer).await
    }

    async fn known_origin(&self) -> Result<Option<String>, StoreError> {
        self.real.known_origin().await
    }

    async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        self.real.signing_keys().await
    }

    async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError> {
        self.real.add_signing_key(verifier, checkpoint).await
    }

    async fn add_checkpoint(&self, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError> {
        self.real.add_checkpoint(checkpoint, under).await
    }

    async fn latest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        self.real.latest_checkpoint().await
    }

    async fn checkpoints(&self, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError> {
        self.real.checkpoints(after, limit).await
    }

    async fn checkpoint_gaps(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
        self.real.checkpoint_gaps(limit).await
    }

    async fn references(&self, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError> {
        self.real.references(positions).await
    }

    async fn outline(&self) -> Result<Outline, StoreError> {
        self.real.outline().await
    }

    async fn scan(
        &self,
        positions: Range<i64>,
        visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
    ) -> Result<(), StoreError> {
        self.real.scan(positions, visit).await
    }

    async fn misversioned(&self) -> Result<Option<Position>, StoreError> {
        self.real.misversioned().await
    }
}
