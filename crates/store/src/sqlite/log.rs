//! The event log on SQLite.

use aggregates::{Position, StreamId};
use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Row};

use super::columns::position;
use super::events::{self, PLAIN, event};
use super::statements::among;
use super::values::{chunks, list, tuples};
use super::{SqliteStore, data_keys, email_refs, nodes};
use crate::clock::rfc3339_micros;
use crate::log::to_i64;
use crate::{Append, Batch, EventQuery, Found, Head, LogStore, Lookup, NewEvent, Parts, StoreError, StoredEvent};
use sealing::{Sealed, Section};

/// Result codes of a violated key: PRIMARY KEY, ROWID, UNIQUE, and the trigger that guards against REPLACE.
/// Source: <https://www.sqlite.org/rescode.html>.
const KEY_VIOLATIONS: [&str; 4] = ["1555", "2579", "2067", "1811"];

/// The sealed sections.
const SEALED: &str = "personal, secrets, original, leaf_hash";

#[async_trait]
impl LogStore for SqliteStore {
    async fn head(&self) -> Result<Head, StoreError> {
        events::newest(self).await
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        let mut tx = self.begin().await?;
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

    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        let mut found = Found::default();
        for (source, id) in &lookup.events {
            let row = sqlx::query("SELECT position, stream FROM events WHERE source = ? AND event_id = ?")
                .bind(source.as_str())
                .bind(id.as_str())
                .fetch_optional(&self.pool)
                .await?;
            if let Some(row) = row {
                let stream = StreamId::try_from(row.try_get::<String, _>("stream")?)?;
                found
                    .events
                    .push((source.clone(), id.clone(), position(&row, "position")?, stream));
            }
        }
        for reference in &lookup.references {
            let streams: Vec<String> = sqlx::query_scalar(
                "SELECT stream FROM refs JOIN events USING (position) WHERE ref = ? ORDER BY position",
            )
            .bind(reference.0)
            .fetch_all(&self.pool)
            .await?;
            for stream in streams {
                found.references.push((*reference, StreamId::try_from(stream)?));
            }
        }
        found.keys = data_keys::wrapped(&self.pool, &lookup.subjects).await?;
        Ok(found)
    }

    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
        let named = among("stream", "$1");
        let sql = format!("SELECT {PLAIN} FROM events WHERE {named} ORDER BY position");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(list(streams.iter().map(StreamId::as_str)));
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(|row| event(row, Parts::Plain)).collect()
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        events::events(self, query).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        events::events_at(self, positions).await
    }
}

/// False if the head is not where the batch expects it.
///
/// A failed insert rolls back the whole transaction, so SQLite need not be able to undo single statements (`OR FAIL`):
/// otherwise it keeps a copy of each page that a statement changes (lang_conflict.html).
async fn insert(tx: &mut SqliteConnection, batch: &Batch<'_>) -> Result<bool, sqlx::Error> {
    let recorded_at = rfc3339_micros(batch.recorded_at);
    let first = to_i64(batch.expected.position) + 1;
    let rows: Vec<(i64, &NewEvent)> = (first..).zip(batch.events).collect();
    let moved = sqlx::query(
        "UPDATE head SET position = ?1, recorded_at = ?2, tree_size = ?1, frontier = ?3
         WHERE position = ?4 AND tree_size = ?4",
    )
    .bind(first - 1 + rows.len() as i64)
    .bind(&recorded_at)
    .bind(batch.tree.frontier().to_bytes())
    .bind(first - 1)
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
    let emails: Vec<(i64, i64, &str)> = rows
        .iter()
        .flat_map(|(position, event)| {
            let subject = event.subject.as_str();
            event.emails.iter().map(move |email| (*position, email.0, subject))
        })
        .collect();
    email_refs::insert(&mut *tx, &emails).await?;
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
    nodes::insert(&mut *tx, batch.tree.nodes()).await?;
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
