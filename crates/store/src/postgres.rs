//! The store on PostgreSQL: production, any number of service processes on one database.
//!
//! Layout
//! - `connect`: from the URL to the driver's options
//! - `log`: the event log, references and data keys
//! - `checkpoints`: the log's origin, keys and checkpoints
//! - `clock_steps`: where the log's time steps back
//! - `consumers`: named consumers of the feed
//! - `generations`: the projections' tables and checkpoints
//! - `keys`: the wrapped data keys, the master key that wraps them, and the subjects they belong to
//! - `lease`: the right to do what one process does for all
//! - `lost`: what this process left open over connections that vanished
//! - `parked`: rows that stand still
//! - `processes`: the processes that are running
//! - `rows`: reading the projections' rows
//! - `schema`: the objects that are there, against those that should be
//! - `session`: sessions that vanish, and poolers
//! - `migrate`: whether the database is fit for a ledger, and migrations
//! - `servers`: which server takes writes
//! - `snapshots`: rows as of an earlier position
//! - `steps`: moving projections on
//! - `tokens`: API tokens
//! - `tree`: the Merkle tree, and the log as it stands, for an audit
//! - `values`: values of the ledger as the database has them

mod checkpoints;
mod clock_steps;
mod connect;
mod consumers;
mod copy;
mod floor;
mod generations;
mod keys;
mod lease;
mod log;
mod lost;
mod migrate;
mod parked;
mod processes;
mod rows;
mod schema;
mod servers;
mod session;
mod snapshots;
mod steps;
mod stream_snapshots;
mod tokens;
mod tree;
mod values;

use std::ops::{Range, RangeInclusive};

use self::session::{LOOKING, Purpose, SOON, Sessions};
use self::steps::Patience;
use aggregates::{ActorId, Position, StreamId, SubjectId, TokenId};
use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::Timestamp;
use projections::Column;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool};
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use super::lease::{LeaseTable, Leases};
use super::{
    Advance, Append, Batch, ClockStep, Consumer, ConsumerName, Count, Difference, Duty, EventFilter, EventQuery, Fence,
    Found, Generation, GenerationState, Head, KeptCheckpoint, KeptKey, Lease, LeaseState, Lookup, Mode, NewCheckpoint,
    Outline, ParkedCount, ParkedRow, RawEvent, Reference, RowQuery, SchemaCheck, Store, StoreError, StoredEvent,
    StoredRow, StoredToken, StreamSnapshot, Switch, TakenFloor, TreeHead, TreeStore,
};
use crate::TokenHash;
use crate::postgres_url::PostgresUrl;
use migrate::MIGRATIONS;
use servers::Chosen;
use tlog::{Growth, Hash};

/// Batches under way at once: while one is flushed to disk, the rows of the next are written. A third would only wait.
const LANES: u32 = 2;

/// The store on PostgreSQL.
pub struct PostgresStore {
    /// For the writer alone, so that readers never make it wait.
    writer: PgPool,
    turns: log::Turns,
    /// For what goes through whole tables.
    long: PgPool,
    /// For everything else.
    pool: PgPool,
    /// What the migrations make, once somebody has asked.
    expected: OnceCell<schema::Expected>,
    leases: Leases<lease::Table>,
    sessions: Sessions,
    /// Moves the pools to another server, where there are several.
    _following: Option<AbortOnDropHandle<()>>,
    /// Ends sessions of this process that have vanished.
    _ending: Option<AbortOnDropHandle<()>>,
}

impl PostgresStore {
    /// Connects, and brings the schema up to date if it is opened for that.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached, or is not fit for what it is opened for.
    pub async fn open(url: &PostgresUrl, mode: Mode) -> Result<Self, StoreError> {
        url.check_certificates()?;
        let holder = Leases::<()>::holder(url.application_name.as_deref().unwrap_or("warmledger"));
        let servers = url.connect_options().into_iter().map(|server| {
            server
                // whoever takes over a lease finds the sessions of the one before by it
                .application_name(&holder)
                // poolers know nothing of it, and nothing here is a float
                .extra_float_digits(None)
        });
        let servers: Vec<PgConnectOptions> = servers.collect();
        let Chosen {
            index,
            connection: mut first,
        } = servers::find(&servers, mode).await?;
        let options = servers[index].clone();
        let mut second = session::connect(&options).await?;
        session::refuse_shared(&mut first, &mut second).await?;
        second.close().await?;
        session::prepare(&mut first, Purpose::Migrating).await?;
        let sessions = Sessions::new(mode);
        let table = lease::Table {
            pool: sessions
                .pool(Purpose::Leases)
                .max_connections(1)
                .connect_lazy_with(options.clone()),
            sessions: sessions.clone(),
        };
        sessions
            .while_there(&table.pool, migrate::prepare(&mut first, mode))
            .await?;
        first.close().await?;
        let writer = sessions
            .pool(Purpose::Appending)
            .max_connections(LANES)
            .after_connect(|connection, _| {
                Box::pin(async {
                    session::prepare(connection, Purpose::Appending).await?;
                    log::prepare(connection).await
                })
            })
            .connect_with(options.clone())
            .await?;
        let ordinary = sessions.pool(Purpose::Ordinary).max_connections(8);
        let long = sessions.pool(Purpose::Long).max_connections(4);
        let pool = ordinary.connect_with(options.clone()).await?;
        let long = long.connect_lazy_with(options);
        let following = (servers.len() > 1 && mode != Mode::ReadOnly).then(|| {
            let pools = [&writer, &pool, &long, &table.pool].map(PgPool::clone);
            AbortOnDropHandle::new(tokio::spawn(servers::follow(servers, index, pools)))
        });
        let ending = (mode != Mode::ReadOnly).then(|| {
            let ending = lost::end_lost(pool.clone(), sessions.clone());
            AbortOnDropHandle::new(tokio::spawn(ending))
        });
        Ok(Self {
            writer,
            turns: log::Turns::new(sessions.clone()),
            pool,
            expected: OnceCell::new(),
            long,
            leases: Leases::new(table, holder),
            sessions,
            _following: following,
            _ending: ending,
        })
    }

    /// The answer of a call that is over soon.
    async fn soon<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.sessions.within(SOON, call).await
    }

    /// The answer of a call that goes through whole tables.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.sessions.while_there(&self.leases.table.pool, call).await
    }
}

/// How long the sessions may take to end when the store is closed.
const GOOD_BYE: std::time::Duration = std::time::Duration::from_secs(3);

#[async_trait]
impl Store for PostgresStore {
    async fn probe(&self) -> Result<(), StoreError> {
        self.soon(log::probe(&self.pool)).await
    }

    async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError> {
        self.soon(clock_steps::newest(&self.pool, until, limit)).await
    }

    async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError> {
        self.sessions
            .within(LOOKING, clock_steps::part_at(&self.pool, time, head))
            .await
    }

    async fn check_schema(&self) -> Result<SchemaCheck, StoreError> {
        self.in_time(async {
            let expected = self.expected.get_or_try_init(|| schema::expected(&self.long)).await?;
            schema::check(&self.long, expected).await
        })
        .await
    }

    async fn close(&self) {
        self.leases.close().await;
        self.turns.close();
        let pools = [&self.leases.table.pool, &self.long, &self.pool, &self.writer];
        // of a server that has vanished no session says good-bye: they end with the process
        let closed = join_all(pools.map(PgPool::close));
        if tokio::time::timeout(GOOD_BYE, closed).await.is_err() {
            tracing::warn!("the database does not answer: its sessions are left to end by themselves");
        }
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.soon(log::head(&self.pool)).await
    }

    fn lanes(&self) -> usize {
        LANES as usize
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        log::append(&self.writer, &self.turns, batch).await
    }

    async fn floor(&self, after: Position, limit: u32) -> Result<Option<TakenFloor<'_>>, StoreError> {
        let (held, events) = floor::take(&self.writer, &self.turns, after, limit).await?;
        Ok(Some((Box::new(held), events)))
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        self.soon(log::lookup(&self.pool, lookup)).await
    }

    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
        self.soon(log::streams(&self.pool, streams)).await
    }

    async fn resume(&self, streams: &[StreamId]) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError> {
        self.soon(stream_snapshots::resume(&self.pool, streams)).await
    }

    async fn keep_snapshots(&self, snapshots: &[StreamSnapshot]) -> Result<(), StoreError> {
        self.soon(stream_snapshots::keep(&self.pool, snapshots)).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        self.soon(log::events(&self.pool, query)).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        self.soon(log::events_at(&self.pool, positions)).await
    }

    async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.soon(log::reserved_key(&self.pool, subject, offer)).await
    }

    async fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        self.soon(generations::all(&self.pool)).await
    }

    async fn create_generation(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        self.soon(generations::create(&self.pool, name, version, columns)).await
    }

    async fn index_generation(&self, generation: &Generation, columns: &'static [Column]) -> Result<(), StoreError> {
        self.in_time(generations::index(&self.long, generation, columns)).await
    }

    async fn documents(&self, generation: &Generation, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        self.soon(generations::documents(&self.pool, generation, keys)).await
    }

    async fn advance(&self, steps: &[Advance], under: Option<Fence>) -> Result<bool, StoreError> {
        // a rebuild's step is as wide as memory allows
        let (pool, limit) = match under {
            Some(_) => (&self.pool, SOON),
            None => (&self.long, LOOKING),
        };
        let sessions = &self.sessions;
        steps::advance(pool, Patience { sessions, limit }, steps, under).await
    }

    async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError> {
        self.soon(parked::all(&self.pool)).await
    }

    async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError> {
        self.soon(parked::counts(&self.pool)).await
    }

    async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError> {
        self.soon(parked::among(&self.pool, generation, keys)).await
    }

    async fn entrust_generation(&self, building: &Generation) -> Result<(), StoreError> {
        self.soon(generations::entrust(&self.pool, building)).await
    }

    async fn switch_generation(&self, building: &Generation, columns: &'static [Column]) -> Result<Switch, StoreError> {
        self.soon(generations::switch(&self.pool, building, columns)).await
    }

    async fn create_snapshot(
        &self,
        name: &'static str,
        version: u32,
        columns: &'static [Column],
    ) -> Result<Generation, StoreError> {
        self.soon(snapshots::create(&self.pool, name, version, columns)).await
    }

    async fn copy_snapshot(
        &self,
        from: &Generation,
        into: &Generation,
        columns: &'static [Column],
    ) -> Result<(), StoreError> {
        self.in_time(snapshots::copy(&self.long, from, into, columns)).await
    }

    async fn set_state(&self, generation: &Generation, state: GenerationState) -> Result<(), StoreError> {
        self.soon(snapshots::set_state(&self.pool, generation, state)).await
    }

    async fn drop_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        self.soon(generations::drop(&self.pool, generation)).await
    }

    async fn differences(
        &self,
        live: &Generation,
        rebuilt: &Generation,
        columns: &'static [Column],
        limit: u32,
    ) -> Result<Option<Vec<Difference>>, StoreError> {
        self.in_time(generations::differences(&self.long, live, rebuilt, columns, limit))
            .await
    }

    async fn row_count(&self, generation: &Generation) -> Result<u64, StoreError> {
        self.in_time(generations::row_count(&self.long, generation)).await
    }

    async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
        self.leases.take(duty).await
    }

    async fn leases(&self) -> Result<Vec<LeaseState>, StoreError> {
        self.leases.table.all().await
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, StoreError> {
        self.soon(consumers::all(&self.pool)).await
    }

    async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        self.soon(consumers::one(&self.pool, name)).await
    }

    async fn put_consumer(
        &self,
        name: &ConsumerName,
        filter: &EventFilter,
        position: Position,
        owner: Option<&ActorId>,
    ) -> Result<bool, StoreError> {
        self.soon(consumers::put(&self.pool, name, filter, position, owner))
            .await
    }

    async fn commit(
        &self,
        name: &ConsumerName,
        from: RangeInclusive<Position>,
        to: Position,
        under: Option<Fence>,
    ) -> Result<bool, StoreError> {
        self.soon(consumers::commit(&self.pool, name, from, to, under)).await
    }

    async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError> {
        self.soon(consumers::seen(&self.pool, name)).await
    }

    async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError> {
        self.soon(consumers::delete(&self.pool, name)).await
    }

    async fn create_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        self.soon(tokens::create(&self.pool, token)).await
    }

    async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        self.soon(tokens::all(&self.pool)).await
    }

    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<StoredToken>, StoreError> {
        self.soon(tokens::by_hash(&self.pool, hash)).await
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, StoreError> {
        self.soon(tokens::revoke(&self.pool, id, at)).await
    }

    async fn token_used(&self, id: &TokenId, at: Timestamp) -> Result<(), StoreError> {
        self.soon(tokens::used(&self.pool, id, at)).await
    }

    async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError> {
        self.sessions.within(LOOKING, rows::rows(&self.pool, query)).await
    }

    async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError> {
        self.sessions
            .within(LOOKING, rows::counts(&self.pool, query, column))
            .await
    }
}

#[async_trait]
impl TreeStore for PostgresStore {
    async fn tree(&self) -> Result<TreeHead, StoreError> {
        self.soon(tree::tree(&self.pool)).await
    }

    async fn tree_hashes(&self, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.soon(tree::hashes(&self.pool, level, numbers)).await
    }

    async fn stray_nodes(&self) -> Result<u64, StoreError> {
        self.in_time(tree::stray(&self.long)).await
    }

    async fn grow_tree(&self, from: u64, growth: &Growth) -> Result<bool, StoreError> {
        self.soon(tree::grow(&self.writer, from, growth)).await
    }

    async fn origin(&self, offer: &str) -> Result<String, StoreError> {
        self.soon(checkpoints::origin(&self.pool, offer)).await
    }

    async fn known_origin(&self) -> Result<Option<String>, StoreError> {
        self.soon(checkpoints::known_origin(&self.pool)).await
    }

    async fn signing_keys(&self) -> Result<Vec<KeptKey>, StoreError> {
        self.soon(checkpoints::keys(&self.pool)).await
    }

    async fn add_signing_key(&self, verifier: &str, checkpoint: Option<&NewCheckpoint>) -> Result<(), StoreError> {
        self.soon(checkpoints::add_key(&self.pool, verifier, checkpoint)).await
    }

    async fn add_checkpoint(&self, checkpoint: &NewCheckpoint, under: Option<Fence>) -> Result<(), StoreError> {
        self.soon(checkpoints::add(&self.pool, checkpoint, under)).await
    }

    async fn latest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        self.soon(checkpoints::latest(&self.pool)).await
    }

    async fn checkpoints(&self, after: (u64, i64), limit: u32) -> Result<Vec<KeptCheckpoint>, StoreError> {
        self.soon(checkpoints::page(&self.pool, after, limit)).await
    }

    async fn checkpoint_gaps(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
        self.in_time(checkpoints::gaps(&self.long, limit)).await
    }

    async fn references(&self, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError> {
        self.in_time(tree::references(&self.long, positions)).await
    }

    async fn outline(&self) -> Result<Outline, StoreError> {
        self.in_time(tree::outline(&self.long)).await
    }

    async fn scan(
        &self,
        positions: Range<i64>,
        visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
    ) -> Result<(), StoreError> {
        self.in_time(tree::scan(&self.long, positions, visit)).await
    }

    async fn misversioned(&self) -> Result<Option<Position>, StoreError> {
        self.in_time(tree::misversioned(&self.long)).await
    }
}
