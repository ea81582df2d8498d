//! Sessions on PostgreSQL: lost connections are detected by time-outs.
//!
//! A host or a link may vanish silently. The server's side of a connection then ends by TCP's keepalive and user
//! time-out within some seconds, and releases its locks; an idle transaction is ended too, and no statement waits long
//! for a lock. The client's side has no such settings (sqlx opens the sockets), so every call has a time-out; a
//! connection on which a call timed out is closed, and so is every other one that has not answered since.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Row, raw_sql};
use tokio::time::{Instant, sleep, timeout};

use crate::{Mode, StoreError};

/// How long a statement waits for a connection before the store counts as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time-out of a call that neither reads nor waits for much.
pub(super) const SOON: Duration = Duration::from_secs(6);
/// The time-out of a call whose query the caller composed.
pub(super) const LOOKING: Duration = Duration::from_secs(30);
/// The time-out of a job over whole tables, provided that the database answers at all.
const LONG: Duration = Duration::from_hours(1);
/// The time-out of a ping.
const PING: Duration = Duration::from_secs(1);
/// A connection to a read-only server is kept no longer than this: the server may be promoted meanwhile.
const KEPT_READ_ONLY: Duration = Duration::from_secs(1);
/// A connection used within this time is not pinged.
const FRESH: Duration = Duration::from_secs(2);
/// During a long job the database is pinged at this interval, and counts as gone after so many missed answers.
const WATCHED: (Duration, u32) = (Duration::from_secs(3), 3);

/// Settings of every session. The server ends the session of a lost connection within seconds: it probes after three,
/// and gives up after six. JIT compilation or parallel workers cost more than any statement here takes.
const EVERY: &str = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
                     SET tcp_user_timeout = '6s'; SET jit = off; SET max_parallel_workers_per_gather = 0;";

/// The purpose of a session.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Appending. A session that holds the head and stalls is ended, so that it does not block others; and bytes as
    /// text are in the format that the driver reads.
    Appending,
    /// Short calls. Each execution is planned anew: a plan made while a table was empty would scan it for ever. A part
    /// of a step (4 MiB and its columns) stays in memory while it is written.
    Ordinary,
    /// Queries over whole tables.
    Long,
    /// Leases: an occasional statement.
    Leases,
    /// Migrating the schema, without a time-out. Another migrating process may be lost: a process that waits for its
    /// lock times out with an error, and is restarted.
    Migrating,
}

impl Purpose {
    /// Its settings besides those of every session.
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

/// Sets up a new session. By statements rather than start-up parameters: a pooler drops parameters that it does not
/// know.
pub(super) async fn prepare(connection: &mut PgConnection, purpose: Purpose) -> Result<(), sqlx::Error> {
    let sql = format!("{EVERY} {}", purpose.settings());
    raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

/// Opens a connection, with the reason if it fails: a pool only says that it got none in time.
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
    /// When a call last timed out: every connection not used since may be lost too.
    missed: Arc<Mutex<Option<Instant>>>,
    /// The mode the store is opened in.
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
            .acquire_timeout(match purpose {
                // few connections, and each is held for as long as a job takes
                Purpose::Long => LOOKING,
                _ => ACQUIRE_TIMEOUT,
            })
            .test_before_acquire(false)
            .before_acquire(move |connection, known| {
                let sessions = before.clone();
                Box::pin(async move {
                    let trusted = sessions.trusts(Instant::now().checked_sub(known.idle_for));
                    Ok(trusted && (known.idle_for < FRESH || sessions.answers(connection, known.age).await))
                })
            })
            // the last call may have been cancelled because the server does not answer
            .after_release(move |connection, known| {
                let sessions = after.clone();
                Box::pin(async move { Ok(sessions.answers(connection, known.age).await) })
            })
            .after_connect(move |connection, _| Box::pin(prepare(connection, purpose)))
    }

    /// Whether it answers, and takes writes. A session on a demoted server is dropped: the same name may now reach one
    /// that takes writes.
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

    /// Notes that the database did not answer in time.
    pub(super) fn distrust(&self) {
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a call timed out within this past time.
    pub(super) fn missed_within(&self, past: Duration) -> bool {
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.is_some_and(|missed| missed.elapsed() < past)
    }

    /// Whether a connection last used at this time can be expected to work.
    pub(super) fn trusts(&self, used: Option<Instant>) -> bool {
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.is_none_or(|missed| used.is_some_and(|used| used > missed))
    }

    /// The result of a call, or an error if it times out.
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

    /// The result of a long call, as long as the database answers pings over `pool`.
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

    /// Returns once several pings in a row have failed.
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

/// Refuses a pooler that lends a session per transaction or statement: settings and prepared statements would be gone
/// with the next one, and another client's settings there. If sessions are the client's own, two open connections have
/// different sessions, and keep them.
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

/// The server's process id of a connection. Not prepared, so that a pooler accepts it.
async fn process(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let asked = timeout(SOON, raw_sql("SELECT pg_backend_pid()").fetch_one(connection)).await;
    let row = asked.map_err(|_| no_answer(SOON))??;
    Ok(row.try_get(0)?)
}
