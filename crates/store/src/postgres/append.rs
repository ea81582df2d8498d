//! Appending to the log on PostgreSQL, by `append_batch`.

use std::sync::PoisonError;
use std::time::Duration;

use jiff_sqlx::ToSqlx;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool};
use sqlx::{Arguments, Executor, Postgres, SqlSafeStr};
use tokio::time::{Instant, timeout};

use super::nodes;
use super::session::Sessions;
use crate::log::to_i64;
use crate::{Append, Batch, NewEvent, StoreError};
use sealing::{Sealed, Section};

/// SQLSTATE unique_violation.
const UNIQUE_VIOLATION: &str = "23505";
/// SQLSTATEs serialization_failure, deadlock_detected and lock_not_available: another process holds the head.
const OVERTAKEN: [&str; 3] = ["40001", "40P01", "55P03"];
const APPEND: &str =
    "SELECT append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                                          $21, $22, $23, $24)";
/// The time-out of an append: longer than anything but a wait for a lock or a lost session, and well under the minute
/// after which the webhook's sender times out.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// The key that two processes violate if they append behind the same head.
const POSITIONS: &str = "events_pkey";

/// The connections for appends.
pub(super) struct Connections {
    /// Idle connections: the pool would ping each before it lends it again.
    idle: std::sync::Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
    pub(super) sessions: Sessions,
}

impl Connections {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self {
            sessions,
            idle: std::sync::Mutex::default(),
        }
    }

    /// Returns the connections to their pool.
    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(PoolConnection<Postgres>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for a batch.
    pub(super) async fn take(&self, writer: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        match self.idle_one() {
            Some(connection) => Ok(connection),
            None => writer.acquire().await,
        }
    }

    /// An idle connection that is not suspected to be lost.
    fn idle_one(&self) -> Option<PoolConnection<Postgres>> {
        let mut idle = self.idle();
        while let Some((mut connection, used)) = idle.pop() {
            if self.sessions.trusts(Some(used)) {
                return Some(connection);
            }
            connection.close_on_drop();
        }
        None
    }

    /// Keeps a connection for the next batch; nothing is in flight on it.
    pub(super) fn give_back(&self, connection: PoolConnection<Postgres>) {
        self.idle().push((connection, Instant::now()));
    }
}

/// Prepares a connection for appends: a batch whose statement is still to be prepared would arrive after the next
/// batch.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.prepare(APPEND.into_sql_str()).await?;
    Ok(())
}

pub(super) async fn append(
    writer: &PgPool,
    connections: &Connections,
    batch: &Batch<'_>,
) -> Result<Append, StoreError> {
    let mut connection = connections.take(writer).await?;
    let begun = Instant::now();
    let appended = append_on(&mut connection, batch).await;
    if begun.elapsed() >= LONGEST {
        connections.sessions.distrust();
    }
    match appended {
        Ok(_) => connections.give_back(connection),
        // closing it rolls back the rest on the server
        Err(_) => connection.close_on_drop(),
    }
    appended
}

/// Appends over a connection.
pub(super) async fn append_on(connection: &mut PgConnection, batch: &Batch<'_>) -> Result<Append, StoreError> {
    let events = batch.events;
    let sealed = |section: Section| -> Vec<Option<&[u8]>> {
        events
            .iter()
            .map(|event| event.sealed.get(section).map(Sealed::as_bytes))
            .collect()
    };
    let (refs, ref_rows): (Vec<i64>, Vec<i32>) = (1..)
        .zip(events)
        .flat_map(|(row, event)| event.references.iter().map(move |found| (found.0, row)))
        .unzip();
    let (emails, email_rows): (Vec<i64>, Vec<i32>) = (1..)
        .zip(events)
        .flat_map(|(row, event)| event.emails.iter().map(move |email| (email.0, row)))
        .unzip();
    let (key_subjects, keys): (Vec<&str>, Vec<&[u8]>) = batch
        .keys
        .iter()
        .map(|(subject, wrapped)| (subject.as_str(), wrapped.as_slice()))
        .unzip();
    let (node_levels, node_numbers, node_hashes) = nodes::arrays(batch.tree.nodes());
    let mut arguments = PgArguments::default();
    // in one allocation: doubling from nothing would copy everything several times
    arguments.reserve(24, 8192 + events.iter().map(NewEvent::size).sum::<usize>());
    let append = sqlx::query_scalar_with::<_, bool, _>(APPEND, arguments)
        .bind(to_i64(batch.expected.position))
        .bind(batch.recorded_at.to_sqlx())
        .bind(text(events, |event| event.stream.as_str()))
        .bind(numbers(events, |event| event.version))
        .bind(text(events, |event| event.source.as_str()))
        .bind(text(events, |event| event.event_id.as_str()))
        .bind(text(events, |event| event.type_name))
        .bind(numbers(events, |event| event.schema_version))
        .bind(text(events, |event| event.subject.as_str()))
        .bind(text(events, |event| event.facts.as_str()))
        .bind(sealed(Section::Personal))
        .bind(sealed(Section::Secrets))
        .bind(sealed(Section::Original))
        .bind(
            events
                .iter()
                .map(|event| event.leaf_hash.as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(refs)
        .bind(ref_rows)
        .bind(emails)
        .bind(email_rows)
        .bind(key_subjects)
        .bind(keys)
        .bind(batch.tree.frontier().to_bytes())
        .bind(node_levels)
        .bind(node_numbers)
        .bind(node_hashes);
    match timeout(LONGEST, append.fetch_one(connection)).await {
        Ok(Ok(true)) => Ok(Append::Done),
        Ok(Ok(false)) => Ok(Append::LostRace),
        Ok(Err(sqlx::Error::Database(error))) => match error.code().as_deref() {
            Some(UNIQUE_VIOLATION) if error.constraint() == Some(POSITIONS) => Ok(Append::LostRace),
            Some(UNIQUE_VIOLATION) => Ok(Append::Conflict),
            Some(code) if OVERTAKEN.contains(&code) => Ok(Append::LostRace),
            _ => Err(sqlx::Error::Database(error).into()),
        },
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(too_long()),
    }
}

pub(super) fn too_long() -> StoreError {
    StoreError::Unavailable(format!("an append was not done within {LONGEST:?}"))
}

fn text<'a>(events: &'a [NewEvent], field: impl Fn(&'a NewEvent) -> &'a str) -> Vec<&'a str> {
    events.iter().map(field).collect()
}

fn numbers(events: &[NewEvent], field: impl Fn(&NewEvent) -> u32) -> Vec<i32> {
    // versions count from 1, so they fit for two thousand million events of a stream
    events
        .iter()
        .map(|event| i32::try_from(field(event)).unwrap_or(i32::MAX))
        .collect()
}
