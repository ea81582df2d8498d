//! The store on PostgreSQL: production, any number of service processes on one database.
//!
//! Layout
//! - `connect`, `servers`, `session`: from the URL to the driver's options; which server takes writes; sessions that vanish, and poolers
//! - `values`: the driver's types, values as the database has them, and words of its dialect
//! - `migrate`, `schema`: whether the database is fit for a ledger, and migrations; the objects that are there
//! - `log`, `append`, `append_lock`: the event log; appending; the right to append next
//! - `nodes`, `data_keys`: new nodes of the Merkle tree; data keys
//! - `tables`, `steps`, `copy`, `stream_snapshots`: the projections' tables; moving them on, by COPY; snapshots of streams
//! - `lease`, `lost`: the table of leases; what this process left open over connections that vanished
//! - the rest: `both/`

mod append;
mod append_lock;
mod connect;
mod copy;
mod data_keys;
mod lease;
mod log;
mod lost;
mod migrate;
mod nodes;
mod schema;
mod servers;
mod session;
mod steps;
mod stream_snapshots;
mod tables;
mod values;

/// What is the same for both stores.
#[path = "both/all.rs"]
mod both;

use self::session::{LOOKING, Purpose, SOON, Sessions};
use async_trait::async_trait;
use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPool, Postgres};
use sqlx::{Connection, Transaction};
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use both::{columns, events, generations, keys, leases, migrations, statements};

use super::lease::Leases;
use super::{Mode, SchemaCheck, Store, StoreError, UpkeepStore, WriteAheadLog};
use crate::postgres_url::PostgresUrl;
use migrate::MIGRATIONS;
use servers::Chosen;

/// As the modules have it that are the same for both stores.
use PostgresStore as SqlStore;

/// Batches under way at once: while one is flushed to disk, the rows of the next are written. A third would only wait.
const WRITERS: u32 = 2;

/// The store on PostgreSQL.
pub struct PostgresStore {
    /// For the writer alone, so that readers never make it wait.
    writer: PgPool,
    connections: append::Connections,
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
            .max_connections(WRITERS)
            .after_connect(|connection, _| {
                Box::pin(async {
                    session::prepare(connection, Purpose::Appending).await?;
                    append::prepare(connection).await
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
            connections: append::Connections::new(sessions.clone()),
            pool,
            expected: OnceCell::new(),
            long,
            leases: Leases::new(table, holder),
            sessions,
            _following: following,
            _ending: ending,
        })
    }

    /// For what is over soon, and reads.
    fn reading(&self) -> &PgPool {
        &self.pool
    }

    /// For what is over soon, and writes.
    fn writing(&self) -> &PgPool {
        &self.pool
    }

    /// For what reads whole tables.
    fn scanning(&self) -> &PgPool {
        &self.long
    }

    /// Begins a transaction that is over soon, and writes.
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin().await
    }

    /// Begins one that writes, and takes as long as there are rows.
    async fn begin_long(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.long.begin().await
    }

    /// Begins one that reads whole tables, all of one moment.
    async fn begin_to_read(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.long
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// The answer of a call that is over soon.
    async fn soon<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.sessions.within(SOON, call).await
    }

    /// The answer of a call that a caller has made up.
    async fn looking<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.sessions.within(LOOKING, call).await
    }

    /// The answer of a call that goes through whole tables.
    async fn in_time<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        let call = async { Ok(call.await?) };
        self.sessions.while_there(&self.leases.table.pool, call).await
    }
}

/// How long the sessions may take to end when the store is closed.
const GOOD_BYE: std::time::Duration = std::time::Duration::from_secs(3);

impl Store for PostgresStore {}

#[async_trait]
impl UpkeepStore for PostgresStore {
    async fn probe(&self) -> Result<(), StoreError> {
        // No row is touched, so nobody waits for it; but the server refuses it like an append where the role may not write or the database
        // is read-only, and it ends once the server has it on disk, and where the standbys are that a commit waits for.
        const PROBE: &str = "WITH moved AS (UPDATE head SET position = position WHERE false RETURNING position),
                                  added AS (INSERT INTO events SELECT * FROM events WHERE false RETURNING position)
                             SELECT pg_logical_emit_message(true, 'warmledger', 'ready')";
        self.soon(sqlx::query(PROBE).execute(&self.pool)).await?;
        Ok(())
    }

    async fn check_schema(&self) -> Result<SchemaCheck, StoreError> {
        self.in_time::<_, StoreError>(async {
            let expected = self.expected.get_or_try_init(|| schema::expected(&self.long)).await?;
            schema::check(&self.long, expected).await
        })
        .await
    }

    async fn close(&self) {
        self.leases.close().await;
        self.connections.close();
        let pools = [&self.leases.table.pool, &self.long, &self.pool, &self.writer];
        // of a server that has vanished no session says good-bye: they end with the process
        let closed = join_all(pools.map(PgPool::close));
        if tokio::time::timeout(GOOD_BYE, closed).await.is_err() {
            tracing::warn!("the database does not answer: its sessions are left to end by themselves");
        }
    }

    async fn trim(&self, _: bool) -> Result<Option<WriteAheadLog>, StoreError> {
        Ok(None)
    }
}
