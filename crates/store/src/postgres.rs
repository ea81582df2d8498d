//! The store on PostgreSQL: production, any number of service processes on one database.
//!
//! Layout
//! - `connect`, `servers`, `session`: from the URL to the driver's options; which server takes writes; time-outs of
//!   sessions, and poolers
//! - `values`: the driver's types, values as stored, and words of its dialect
//! - `migrate`, `schema`: whether the database fits a ledger, and migrations; the existing objects
//! - `log`, `append`, `append_lock`: the event log; appending; the append lock
//! - `nodes`, `email_refs`, `delivery_rows`, `data_keys`: new nodes of the Merkle tree, hashes of addresses, deliveries;
//!   data keys
//! - `tables`, `steps`, `copy`: the projections' tables; advancing them, by COPY
//! - `lease`, `lost`: the table of leases; ending transactions left open over lost connections
//! - the rest: `both/`

mod append;
mod append_lock;
mod connect;
mod copy;
mod data_keys;
mod delivery_rows;
mod email_refs;
mod lease;
mod log;
mod lost;
mod migrate;
mod nodes;
mod schema;
mod servers;
mod session;
mod steps;
mod tables;
mod values;

/// The code shared by both stores.
#[path = "both/all.rs"]
mod both;

use self::session::{LOOKING, Purpose, SOON, Sessions};
use async_trait::async_trait;
use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPool, Postgres};
use sqlx::{Connection, Transaction};
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use both::{advances, columns, events, generations, leases, migrations, statements};

use super::lease::Leases;
use super::{Mode, SchemaCheck, Store, StoreError, UpkeepStore, WriteAheadLog};
use crate::postgres_url::PostgresUrl;
use migrate::MIGRATIONS;
use servers::Chosen;

/// The name of the store in the shared modules.
use PostgresStore as SqlStore;

/// Batches in flight at once: while one is flushed to disk, the rows of the next are written. A third would only wait.
const WRITERS: u32 = 2;

/// The store on PostgreSQL.
pub struct PostgresStore {
    /// For the writer alone, so that readers never delay it.
    writer: PgPool,
    connections: append::Connections,
    /// For queries over whole tables.
    long: PgPool,
    /// For everything else.
    pool: PgPool,
    /// The objects that the migrations create, computed on first use.
    expected: OnceCell<schema::Expected>,
    leases: Leases<lease::Table>,
    sessions: Sessions,
    /// Moves the pools to another server, if there are several.
    _following: Option<AbortOnDropHandle<()>>,
    /// Ends lost sessions of this process.
    _ending: Option<AbortOnDropHandle<()>>,
}

impl PostgresStore {
    /// Connects, and migrates the schema if the mode says so.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached, or does not fit the mode.
    pub async fn open(url: &PostgresUrl, mode: Mode) -> Result<Self, StoreError> {
        url.check_certificates()?;
        let holder = Leases::<()>::holder(url.application_name.as_deref().unwrap_or("warmledger"));
        let servers = url.connect_options().into_iter().map(|server| {
            server
                // the process that takes over a lease finds the former holder's sessions by it
                .application_name(&holder)
                // poolers do not know it, and no value here is a float
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

    /// The pool for short reads.
    fn reading(&self) -> &PgPool {
        &self.pool
    }

    /// The pool for short writes.
    fn writing(&self) -> &PgPool {
        &self.pool
    }

    /// The pool for reads of whole tables.
    fn scanning(&self) -> &PgPool {
        &self.long
    }

    /// Begins a short writing transaction.
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin().await
    }

    /// Begins a writing transaction whose duration grows with its rows.
    async fn begin_long(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.long.begin().await
    }

    /// Begins a transaction that reads whole tables in one snapshot.
    async fn begin_to_read(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.long
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// Runs a short call, with its time-out.
    async fn soon<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.sessions.within(SOON, call).await
    }

    /// Runs a call whose query the caller composed, with its time-out.
    async fn looking<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        self.sessions.within(LOOKING, call).await
    }

    /// Runs a call over whole tables, with its time-out.
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
        // No row is touched, so no lock is waited for. But the server refuses it like an append if the role may not
        // write or the database is read-only, and it returns once it is on disk, and on the standbys that a commit
        // waits for.
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
        // a vanished server never closes its sessions: they end with the process
        let closed = join_all(pools.map(PgPool::close));
        if tokio::time::timeout(GOOD_BYE, closed).await.is_err() {
            tracing::warn!("the database does not answer: its sessions are left to end by themselves");
        }
    }

    async fn trim(&self, _: bool) -> Result<Option<WriteAheadLog>, StoreError> {
        Ok(None)
    }
}
