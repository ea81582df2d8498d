//! Sessions on PostgreSQL: none that has vanished is waited for.
//!
//! A host or a link may vanish without a word. The server's side of a connection then ends by TCP's keepalive and user time-out
//! within some seconds, and with it the locks that it held; a transaction that stands idle is ended too, and no statement waits
//! long for a lock. This side of it has no such settings (sqlx opens the sockets), so every call has a deadline; a connection on
//! which one was missed is closed, and so is every other one that was not heard of since.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Row, raw_sql};
use tokio::time::{Instant, sleep, timeout};

use crate::{Mode, StoreError};

/// How long a statement waits for a connection before the store counts as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a call may take that neither looks through much nor waits for much.
pub(super) const SOON: Duration = Duration::from_secs(6);
/// How long a call may take whose query a caller has made up.
pub(super) const LOOKING: Duration = Duration::from_secs(30);
/// How long a job may take that goes through whole tables, as long as the database answers at all.
const LONG: Duration = Duration::from_hours(1);
/// How long an answer to nothing may take.
const PING: Duration = Duration::from_secs(1);
/// A connection to a server that takes no writes is not kept for longer: by then that may have changed.
const KEPT_READ_ONLY: Duration = Duration::from_secs(1);
/// A connection that has just been used is not asked whether it still works.
const FRESH: Duration = Duration::from_secs(2);
/// While a job takes long the database is asked so often whether it is there, and counts as gone after so many misses.
const WATCHED: (Duration, u32) = (Duration::from_secs(3), 3);

/// Settings of every session. The server's side of one that has vanished ends within some seconds: it asks after three, and
/// gives up after six. Compiling a statement, or starting workers for it, takes longer than any of ours.
const EVERY: &str = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
                     SET tcp_user_timeout = '6s'; SET jit = off; SET max_parallel_workers_per_gather = 0;";

/// What a session is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Appending. One that holds the head and stops in its tracks does not hold up the others; and bytes as text are of the one
    /// kind that the driver reads.
    Appending,
    /// Ordinary work. Plans are made afresh for each execution: one made while a table was empty would scan it for ever; and a
    /// part of a step (4 MiB and its columns) is to stay in memory while it is written.
    Ordinary,
    /// What goes through whole tables.
    Long,
    /// Leases: a statement now and then.
    Leases,
    /// Changing the schema, which takes as long as it takes. Another process that is at it may have vanished: whoever waits for
    /// it gives up, says so, and is started again.
    Migrating,
}

impl Purpose {
    /// Its settings beyond those of every session.
    fn settings(self) -> &'static str {
        match self {
            Self::Appending => {
                "SET bytea_output = hex; SET idle_in_transaction_session_timeout = '2s'; SET lock_timeout = '4s';
                 SET statement_timeout = '5s'"
            }
            Self::Ordinary => {
                "SET plan_cache_mode = force_custom_plan; SET work_mem = '16MB'; SET lock_timeout = '5s';
                 SET idle_in_transaction_session_timeout = '4s'; SET statement_timeout = '30s'"
            }
            Self::Long => {
                "SET plan_cache_mode = force_custom_plan; SET work_mem = '16MB'; SET lock_timeout = '5s';
                 SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = 0"
            }
            Self::Leases => {
                "SET lock_timeout = '1s'; SET idle_in_transaction_session_timeout = '1s'; SET statement_timeout = '2s'"
            }
            Self::Migrating => {
                "SET lock_timeout = '20s'; SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0"
            }
        }
    }
}

/// Makes a new session ready. By statements and not at its start: a pooler passes no settings on that it does not know.
pub(super) async fn prepare(connection: &mut PgConnection, purpose: Purpose) -> Result<(), sqlx::Error> {
    let sql = format!("{EVERY} {}", purpose.settings());
    raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// Opens a connection, and says why if it cannot be: a pool says only that it got none in time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    match timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(connected) => connected.map_err(StoreError::of_first),
        Err(_) => Err(no_answer(ACQUIRE_TIMEOUT)),
    }
}

/// Whether a session may write.
pub(super) async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let shown = raw_sql("SHOW transaction_read_only").fetch_one(connection).await?;
    Ok(shown.try_get::<&str, _>(0)? == "off")
}

fn no_answer(limit: Duration) -> StoreError {
    StoreError::Unavailable(format!("the database did not answer within {} s", limit.as_secs_f32()))
}

/// All sessions of a store.
#[derive(Clone)]
pub(super) struct Sessions {
    /// When one of them was last found not to answer: whatever was not used since may have vanished with it.
    missed: Arc<Mutex<Option<Instant>>>,
    /// What the store is opened for.
    mode: Mode,
}

impl Sessions {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            missed: Arc::default(),
            mode,
        }
    }

    /// A pool of sessions for one purpose.
    pub(super) fn pool(&self, purpose: Purpose) -> PgPoolOptions {
        let (before, after) = (self.clone(), self.clone());
        PgPoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(move |connection, known| {
                let sessions = before.clone();
                Box::pin(async move {
                    let trusted = sessions.trusts(Instant::now().checked_sub(known.idle_for));
                    Ok(trusted && (known.idle_for < FRESH || sessions.answers(connection, known.age).await))
                })
            })
            // whoever gives it back may have been cut short, since it does not answer
            .after_release(move |connection, known| {
                let sessions = after.clone();
                Box::pin(async move { Ok(sessions.answers(connection, known.age).await) })
            })
            .after_connect(move |connection, _| Box::pin(prepare(connection, purpose)))
    }

    /// Whether it answers, and takes writes. One whose server was demoted is not kept: whoever is reached by the same name now may
    /// take writes.
    async fn answers(&self, connection: &mut PgConnection, age: Duration) -> bool {
        let answer = timeout(PING, takes_writes(connection)).await;
        if answer.is_err() {
            self.distrust();
        }
        match answer {
            Ok(Ok(writable)) => writable || self.mode == Mode::ReadOnly || age < KEPT_READ_ONLY,
            _ => false,
        }
    }

    /// Notes that the database has not answered in time.
    pub(super) fn distrust(&self) {
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the database has not answered in time so shortly ago.
    pub(super) fn missed_within(&self, past: Duration) -> bool {
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.is_some_and(|missed| missed.elapsed() < past)
    }

    /// Whether a connection that was last used then may be expected to work.
    pub(super) fn trusts(&self, used: Option<Instant>) -> bool {
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.is_none_or(|missed| used.is_some_and(|used| used > missed))
    }

    /// The answer of a call, if it comes in time.
    pub(super) async fn within<T, E>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError>
    where
        StoreError: From<E>,
    {
        match timeout(limit, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                self.distrust();
                Err(no_answer(limit))
            }
        }
    }

    /// The answer of a call that may take long, as long as the database answers others, which `pool` asks it for.
    pub(super) async fn while_there<T>(
        &self,
        pool: &PgPool,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::select! {
            answer = self.within(LONG, call) => answer,
            gone = self.gone(pool) => Err(gone),
        }
    }

    /// Ends once the database has not answered several times in a row.
    async fn gone(&self, pool: &PgPool) -> StoreError {
        let (pause, limit) = WATCHED;
        let mut misses = 0;
        loop {
            sleep(pause).await;
            match self.within(PING, raw_sql("SELECT 1").execute(pool)).await {
                Ok(_) => misses = 0,
                Err(error) if misses + 1 >= limit => return error,
                Err(_) => misses += 1,
            }
        }
    }
}

/// Refuses a pooler that lends a session for one transaction or statement at a time: what is set or prepared in a session would be
/// gone with the next one, and somebody else's settings there. Two connections that are open at once have a session each if it
/// is theirs, and the same one each time.
pub(super) async fn refuse_shared(one: &mut PgConnection, other: &mut PgConnection) -> Result<(), StoreError> {
    for _ in 0..3 {
        let (own, theirs) = (process(one).await?, process(other).await?);
        let stays = own == process(one).await? && own == process(one).await? && theirs == process(other).await?;
        if own == theirs || !stays {
            return Err(StoreError::Unsuitable(
                "a pooler lends the sessions of PostgreSQL for one transaction at a time, and warmledger keeps settings and \
                 prepared statements in them: set pool_mode = session in pgbouncer for this database, or connect to PostgreSQL \
                 itself"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// The server's process that a connection talks to. Not prepared, so that a pooler has nothing to refuse.
async fn process(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let asked = timeout(SOON, raw_sql("SELECT pg_backend_pid()").fetch_one(connection)).await;
    let row = asked.map_err(|_| no_answer(SOON))??;
    Ok(row.try_get(0)?)
}
