//! The event log, references and data keys on PostgreSQL.

use std::sync::PoisonError;
use std::time::Duration;

use aggregates::{EventId, Position, Source, StreamId, SubjectId};
use jiff_sqlx::ToSqlx;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Executor, Postgres, QueryBuilder, Row, SqlSafeStr};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::session::Sessions;
use super::tree;
use super::values::{moment, position, to_i64, unsigned};
use crate::tree::hash;
use crate::{
    Append, Batch, EventQuery, Found, Head, Lookup, NewEvent, Parts, Reference, SealedSections, StoreError, StoredEvent,
};
use sealing::{Sealed, Section};

/// SQLSTATE unique_violation.
const UNIQUE_VIOLATION: &str = "23505";
/// SQLSTATEs serialization_failure, deadlock_detected and lock_not_available: another process has the head. A deadlock there is
/// where two batches of this process are under way and the other process needs the positions of the second.
const OVERTAKEN: [&str; 3] = ["40001", "40P01", "55P03"];
const APPEND: &str =
    "SELECT append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                                          $21, $22, $23, $24, $25)";
/// How long an append may take: longer than anything but a lock that somebody holds, or a session that has vanished, and well
/// under the minute after which the sender of a webhook gives up.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// The key that two processes meet in which write behind their own batches.
const POSITIONS: &str = "events_pkey";

/// Columns of an event without its sealed sections.
pub(super) const PLAIN: &str =
    "position, stream, version, source, event_id, type, schema_version, recorded_at, subject, facts";

pub(super) async fn head(pool: &PgPool) -> Result<Head, StoreError> {
    let row = sqlx::query("SELECT position, recorded_at FROM head")
        .fetch_one(pool)
        .await?;
    Ok(Head {
        position: position(&row, "position")?,
        recorded_at: moment(&row, "recorded_at")?,
    })
}

/// The order of this process's batches.
pub(super) struct Turns {
    /// A number of the process's own; one that another process has too would only make them wait for each other.
    process: i32,
    taken: Mutex<u32>,
    /// Connections that wait for the next turn: the pool would have each answer once more before it lends it again.
    idle: std::sync::Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
    pub(super) sessions: Sessions,
}

impl Turns {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self {
            sessions,
            process: rand::random(),
            taken: Mutex::default(),
            idle: std::sync::Mutex::default(),
        }
    }

    /// Gives the connections back to their pool.
    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(PoolConnection<Postgres>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next turn's lock, one of three, and a connection. Turns are taken in the order of the calls, even where one has to
    /// wait for its connection to be made.
    pub(super) async fn take(&self, writer: &PgPool) -> Result<(i16, PoolConnection<Postgres>), sqlx::Error> {
        let mut taken = self.taken.lock().await;
        let connection = match self.idle_one() {
            Some(connection) => connection,
            None => writer.acquire().await?,
        };
        *taken = (*taken + 1) % 3;
        Ok((*taken as i16, connection))
    }

    /// One that waits, unless it may have vanished.
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

    /// Keeps a connection on which nothing is under way any more for the next turn.
    pub(super) fn give_back(&self, connection: PoolConnection<Postgres>) {
        self.idle().push((connection, Instant::now()));
    }

    pub(super) fn process(&self) -> i32 {
        self.process
    }
}

/// Makes a connection ready to append: a batch that had to be prepared first would come after the one behind it.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.prepare(APPEND.into_sql_str()).await?;
    Ok(())
}

pub(super) async fn append(writer: &PgPool, turns: &Turns, batch: &Batch<'_>) -> Result<Append, StoreError> {
    let (turn, mut connection) = turns.take(writer).await?;
    let begun = Instant::now();
    let appended = append_on(&mut connection, (turns.process, turn), batch).await;
    if begun.elapsed() >= LONGEST {
        turns.sessions.distrust();
    }
    match appended {
        Ok(_) => turns.give_back(connection),
        // whatever is left of it on the server ends with the session
        Err(_) => connection.close_on_drop(),
    }
    appended
}

/// Appends over a connection whose turn it is.
pub(super) async fn append_on(
    connection: &mut PgConnection,
    (process, turn): (i32, i16),
    batch: &Batch<'_>,
) -> Result<Append, StoreError> {
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
    let (key_subjects, keys): (Vec<&str>, Vec<&[u8]>) = batch
        .keys
        .iter()
        .map(|(subject, wrapped)| (subject.as_str(), wrapped.as_slice()))
        .unzip();
    let (node_levels, node_numbers, node_hashes) = tree::columns(batch.tree.nodes());
    let mut arguments = PgArguments::default();
    // at once: doubling from nothing would copy everything again and again
    arguments.reserve(25, 8192 + events.iter().map(NewEvent::size).sum::<usize>());
    let append = sqlx::query_scalar_with::<_, bool, _>(APPEND, arguments)
        .bind(process)
        .bind(turn)
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
        .bind(key_subjects)
        .bind(keys)
        .bind(batch.tree.frontier().to_bytes())
        .bind(node_levels)
        .bind(node_numbers)
        .bind(node_hashes)
        .bind(batch.behind.then(|| batch.tree.base().to_bytes()));
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

/// Whether an append would succeed. No row is touched, so nobody waits for it; but the server refuses it like an append where the
/// role may not write or the database is read-only, and it ends once the server has it on disk, and where the standbys are that a
/// commit waits for.
pub(super) async fn probe(pool: &PgPool) -> Result<(), StoreError> {
    const PROBE: &str = "WITH moved AS (UPDATE head SET position = position WHERE false RETURNING position),
                              added AS (INSERT INTO events SELECT * FROM events WHERE false RETURNING position)
                         SELECT pg_logical_emit_message(true, 'warmledger', 'ready')";
    sqlx::query(PROBE).execute(pool).await?;
    Ok(())
}

pub(super) fn too_long() -> StoreError {
    StoreError::Unavailable(format!("an append was not done within {LONGEST:?}"))
}

fn text<'a>(events: &'a [NewEvent], field: impl Fn(&'a NewEvent) -> &'a str) -> Vec<&'a str> {
    events.iter().map(field).collect()
}

fn numbers(events: &[NewEvent], field: impl Fn(&NewEvent) -> u32) -> Vec<i32> {
    // versions are counted up from 1 and fit for the next two thousand million events of a stream
    events
        .iter()
        .map(|event| i32::try_from(field(event)).unwrap_or(i32::MAX))
        .collect()
}

pub(super) async fn lookup(pool: &PgPool, lookup: &Lookup) -> Result<Found, StoreError> {
    let mut found = Found::default();
    if !lookup.events.is_empty() {
        let (sources, ids): (Vec<&str>, Vec<&str>) = lookup
            .events
            .iter()
            .map(|(source, id)| (source.as_str(), id.as_str()))
            .unzip();
        let rows = sqlx::query(
            "SELECT source, event_id, position, stream FROM events
             WHERE (source, event_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
        )
        .bind(sources)
        .bind(ids)
        .fetch_all(pool)
        .await?;
        for row in rows {
            found.events.push((
                Source::try_from(row.try_get::<String, _>("source")?)?,
                EventId::try_from(row.try_get::<String, _>("event_id")?)?,
                position(&row, "position")?,
                StreamId::try_from(row.try_get::<String, _>("stream")?)?,
            ));
        }
    }
    if !lookup.references.is_empty() {
        let references: Vec<i64> = lookup.references.iter().map(|reference| reference.0).collect();
        let rows = sqlx::query(
            // not a join: before its first statistics PostgreSQL would rather sort the whole log
            "SELECT ref, (SELECT stream FROM events WHERE events.position = refs.position) AS stream
             FROM refs WHERE ref = ANY ($1) ORDER BY position",
        )
        .bind(references)
        .fetch_all(pool)
        .await?;
        for row in rows {
            found.references.push((
                Reference(row.try_get("ref")?),
                StreamId::try_from(row.try_get::<String, _>("stream")?)?,
            ));
        }
    }
    if !lookup.subjects.is_empty() {
        found.keys = super::keys::wrapped(pool, &lookup.subjects).await?;
    }
    Ok(found)
}

pub(super) async fn streams(pool: &PgPool, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
    let names: Vec<&str> = streams.iter().map(StreamId::as_str).collect();
    // stream by stream, by the index: for a list PostgreSQL would rather read the whole table
    let sql = format!(
        "SELECT found.* FROM (SELECT DISTINCT name FROM unnest($1::text[]) AS named (name)) AS wanted
         CROSS JOIN LATERAL (SELECT {PLAIN} FROM events WHERE stream = wanted.name OFFSET 0) AS found
         ORDER BY position"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(names).fetch_all(pool).await?;
    rows.iter().map(|row| event(row, Parts::Plain)).collect()
}

pub(super) async fn events(pool: &PgPool, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
    let (filter, parts) = (&query.filter, query.parts);
    let mut sql = QueryBuilder::<Postgres>::new(format!(
        "SELECT {PLAIN}{} FROM events WHERE position > ",
        parts.columns()
    ));
    sql.push_bind(to_i64(query.after));
    if let Some(until) = query.until {
        sql.push(" AND position <= ").push_bind(to_i64(until));
    }
    if !filter.types.is_empty() {
        sql.push(" AND type = ANY (").push_bind(&filter.types).push(")");
    }
    if let Some(category) = &filter.category {
        let (from, to) = category.range();
        sql.push(" AND stream >= ")
            .push_bind(from)
            .push(" AND stream < ")
            .push_bind(to);
    }
    if let Some(stream) = &filter.stream {
        sql.push(" AND stream = ").push_bind(stream.as_str());
    }
    if let Some(subject) = &filter.subject {
        sql.push(" AND subject = ").push_bind(subject.as_str());
    }
    sql.push(" ORDER BY position LIMIT ").push_bind(i64::from(query.limit));
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(|row| event(row, parts)).collect()
}

pub(super) async fn events_at(pool: &PgPool, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
    let positions: Vec<i64> = positions.iter().copied().map(to_i64).collect();
    let sql = format!(
        "SELECT {PLAIN}{} FROM events WHERE position = ANY ($1) ORDER BY position",
        Parts::All.columns()
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(positions).fetch_all(pool).await?;
    rows.iter().map(|row| event(row, Parts::All)).collect()
}

pub(super) async fn reserved_key(pool: &PgPool, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError> {
    sqlx::query(
        "INSERT INTO data_keys (subject, wrapped, created_at) VALUES ($1, $2, now()) ON CONFLICT (subject) DO NOTHING",
    )
    .bind(subject.as_str())
    .bind(offer)
    .execute(pool)
    .await?;
    let query = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE subject = $1");
    Ok(query.bind(subject.as_str()).fetch_one(pool).await?)
}

pub(super) fn event(row: &PgRow, parts: Parts) -> Result<StoredEvent, StoreError> {
    let section = |name: &str| -> Result<Option<Sealed>, StoreError> {
        Ok(row.try_get::<Option<Vec<u8>>, _>(name)?.map(Sealed::from_bytes))
    };
    let sections = match parts {
        Parts::All => SealedSections {
            personal: section("personal")?,
            secrets: section("secrets")?,
            original: section("original")?,
        },
        Parts::Plain | Parts::Leaves => SealedSections::default(),
    };
    let leaf_hash = match parts {
        Parts::All | Parts::Leaves => Some(hash(row.try_get("leaf_hash")?)?),
        Parts::Plain => None,
    };
    Ok(StoredEvent {
        position: position(row, "position")?,
        stream: StreamId::parse(row.try_get("stream")?)?,
        version: unsigned(row, "version")?,
        source: Source::parse(row.try_get("source")?)?,
        event_id: EventId::parse(row.try_get("event_id")?)?,
        type_name: row.try_get("type")?,
        schema_version: unsigned(row, "schema_version")?,
        recorded_at: moment(row, "recorded_at")?,
        subject: SubjectId::parse(row.try_get("subject")?)?,
        facts: row.try_get("facts")?,
        sealed: sections,
        leaf_hash,
    })
}
