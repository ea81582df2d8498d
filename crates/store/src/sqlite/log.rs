//! The event log, references and data keys on SQLite.

use aggregates::{EventId, Position, Source, StreamId, SubjectId};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};

use super::tree;
use super::values::{chunks, moment, position, to_i64, tuples, unsigned};
use crate::clock::{now, rfc3339_micros};
use crate::tree::hash;
use crate::{Append, Batch, EventQuery, Found, Head, Lookup, NewEvent, Parts, SealedSections, StoreError, StoredEvent};
use sealing::{Sealed, Section};

/// Result codes of a broken key: PRIMARY KEY, ROWID, UNIQUE, and the trigger that guards against REPLACE.
/// Source: <https://www.sqlite.org/rescode.html>.
const KEY_VIOLATIONS: [&str; 4] = ["1555", "2579", "2067", "1811"];

/// Columns of an event without its sealed sections.
pub(super) const PLAIN: &str =
    "position, stream, version, source, event_id, type, schema_version, recorded_at, subject, facts";
/// The sealed sections.
const SEALED: &str = "personal, secrets, original, leaf_hash";

pub(super) async fn head(pool: &SqlitePool) -> Result<Head, StoreError> {
    let row = sqlx::query("SELECT position, recorded_at FROM head")
        .fetch_one(pool)
        .await?;
    head_of(&row)
}

fn head_of(row: &SqliteRow) -> Result<Head, StoreError> {
    Ok(Head {
        position: position(row, "position")?,
        recorded_at: moment(row, "recorded_at")?,
    })
}

pub(super) async fn append(writer: &SqlitePool, batch: &Batch<'_>) -> Result<Append, StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    match insert(&mut tx, batch).await {
        Ok(true) => {
            tx.commit().await?;
            Ok(Append::Done)
        }
        Ok(false) => Ok(Append::LostRace),
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| KEY_VIOLATIONS.contains(&code.as_ref())) =>
        {
            Ok(Append::Conflict)
        }
        Err(error) => Err(error.into()),
    }
}

/// False if the head is not where the batch expects it.
///
/// What cannot be inserted makes the whole transaction void, so SQLite need not be able to undo single statements (`OR FAIL`): else it
/// keeps a copy of each page that one changes (lang_conflict.html).
async fn insert(tx: &mut SqliteConnection, batch: &Batch<'_>) -> Result<bool, sqlx::Error> {
    let recorded_at = rfc3339_micros(batch.recorded_at);
    let first = to_i64(batch.expected.position) + 1;
    let rows: Vec<(i64, &NewEvent)> = (first..).zip(batch.events).collect();
    let moved = sqlx::query(
        "UPDATE head SET position = ?1, recorded_at = ?2, tree_size = ?1, frontier = ?3
         WHERE position = ?4 AND tree_size = ?4 AND frontier = coalesce(?5, frontier)",
    )
    .bind(first - 1 + rows.len() as i64)
    .bind(&recorded_at)
    .bind(batch.tree.frontier().to_bytes())
    .bind(first - 1)
    .bind(batch.behind.then(|| batch.tree.base().to_bytes()))
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    for chunk in chunks(&rows) {
        let sql = format!(
            "INSERT OR FAIL INTO events ({PLAIN}, {SEALED}) VALUES {}",
            tuples(chunk.len(), 14)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (position, event) in chunk {
            query = bind_event(query, *position, event, &recorded_at);
        }
        query.execute(&mut *tx).await?;
    }
    let references: Vec<(i64, i64)> = rows
        .iter()
        .flat_map(|(position, event)| event.references.iter().map(|reference| (reference.0, *position)))
        .collect();
    for chunk in chunks(&references) {
        let sql = format!(
            "INSERT OR FAIL INTO refs (ref, position) VALUES {}",
            tuples(chunk.len(), 2)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (reference, position) in chunk {
            query = query.bind(*reference).bind(*position);
        }
        query.execute(&mut *tx).await?;
    }
    for chunk in chunks(batch.keys) {
        let sql = format!(
            "INSERT INTO data_keys (subject, wrapped, created_at) VALUES {}",
            tuples(chunk.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (subject, wrapped) in chunk {
            query = query.bind(subject.as_str()).bind(wrapped.as_slice()).bind(&recorded_at);
        }
        query.execute(&mut *tx).await?;
    }
    tree::insert(&mut *tx, batch.tree.nodes()).await?;
    Ok(true)
}

fn bind_event<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    position: i64,
    event: &'q NewEvent,
    recorded_at: &'q str,
) -> Query<'q, Sqlite, SqliteArguments> {
    let sealed = |section: Section| event.sealed.get(section).map(Sealed::as_bytes);
    query
        .bind(position)
        .bind(event.stream.as_str())
        .bind(i64::from(event.version))
        .bind(event.source.as_str())
        .bind(event.event_id.as_str())
        .bind(event.type_name)
        .bind(i64::from(event.schema_version))
        .bind(recorded_at)
        .bind(event.subject.as_str())
        .bind(event.facts.as_str())
        .bind(sealed(Section::Personal))
        .bind(sealed(Section::Secrets))
        .bind(sealed(Section::Original))
        .bind(event.leaf_hash.as_slice())
}

pub(super) async fn lookup(pool: &SqlitePool, lookup: &Lookup) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for (source, id) in &lookup.events {
        let row = sqlx::query("SELECT position, stream FROM events WHERE source = ? AND event_id = ?")
            .bind(source.as_str())
            .bind(id.as_str())
            .fetch_optional(pool)
            .await?;
        if let Some(row) = row {
            let stream = StreamId::try_from(row.try_get::<String, _>("stream")?)?;
            found
                .events
                .push((source.clone(), id.clone(), position(&row, "position")?, stream));
        }
    }
    for reference in &lookup.references {
        let streams: Vec<String> =
            sqlx::query_scalar("SELECT stream FROM refs JOIN events USING (position) WHERE ref = ? ORDER BY position")
                .bind(reference.0)
                .fetch_all(pool)
                .await?;
        for stream in streams {
            found.references.push((*reference, StreamId::try_from(stream)?));
        }
    }
    found.keys = super::keys::wrapped(pool, &lookup.subjects).await?;
    Ok(found)
}

pub(super) async fn streams(pool: &SqlitePool, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
    if streams.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(format!("SELECT {PLAIN} FROM events WHERE stream IN ("));
    let mut list = query.separated(", ");
    for stream in streams {
        list.push_bind(stream.as_str());
    }
    query.push(") ORDER BY position");
    let rows = query.build().persistent(false).fetch_all(pool).await?;
    rows.iter().map(|row| event(row, Parts::Plain)).collect()
}

pub(super) async fn events(pool: &SqlitePool, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
    let (filter, parts) = (&query.filter, query.parts);
    let mut sql = QueryBuilder::<Sqlite>::new(format!(
        "SELECT {PLAIN}{} FROM events WHERE position > ",
        parts.columns()
    ));
    sql.push_bind(to_i64(query.after));
    if let Some(until) = query.until {
        sql.push(" AND position <= ").push_bind(to_i64(until));
    }
    if !filter.types.is_empty() {
        let mut list = sql.push(" AND type IN (").separated(", ");
        for name in &filter.types {
            list.push_bind(name.as_str());
        }
        sql.push(")");
    }
    if let Some(category) = &filter.category {
        // `+`: not by the index over streams, which would sort all of a category's events for each page
        let (from, to) = category.range();
        sql.push(" AND +stream >= ")
            .push_bind(from)
            .push(" AND +stream < ")
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

pub(super) async fn events_at(pool: &SqlitePool, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(format!(
        "SELECT {PLAIN}{} FROM events WHERE position IN (",
        Parts::All.columns()
    ));
    let mut list = query.separated(", ");
    for position in positions {
        list.push_bind(to_i64(*position));
    }
    query.push(") ORDER BY position");
    let rows = query.build().persistent(false).fetch_all(pool).await?;
    rows.iter().map(|row| event(row, Parts::All)).collect()
}

pub(super) async fn reserved_key(
    writer: &SqlitePool,
    subject: &SubjectId,
    offer: &[u8],
) -> Result<Vec<u8>, StoreError> {
    sqlx::query("INSERT INTO data_keys (subject, wrapped, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(subject.as_str())
        .bind(offer)
        .bind(rfc3339_micros(now()))
        .execute(writer)
        .await?;
    let query = sqlx::query_scalar("SELECT wrapped FROM data_keys WHERE subject = ?");
    Ok(query.bind(subject.as_str()).fetch_one(writer).await?)
}

pub(super) fn event(row: &SqliteRow, parts: Parts) -> Result<StoredEvent, StoreError> {
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

/// Whether an append would succeed: the head is written as it is, down to the disk.
pub(super) async fn probe(writer: &SqlitePool) -> Result<(), StoreError> {
    sqlx::query("UPDATE head SET position = position")
        .execute(writer)
        .await?;
    Ok(())
}
