//! The event log on PostgreSQL.

use aggregates::{EventId, Position, Source, StreamId};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::columns::position;
use super::events::{self, PLAIN, event};
use super::{PostgresStore, WRITERS, append, append_lock, data_keys};
use crate::{
    Append, Batch, EventQuery, Found, Head, Locked, LogStore, Lookup, Parts, Reference, StoreError, StoredEvent,
};

#[async_trait]
impl LogStore for PostgresStore {
    async fn head(&self) -> Result<Head, StoreError> {
        events::newest(self).await
    }

    fn writers(&self) -> usize {
        WRITERS as usize
    }

    async fn append(&self, batch: &Batch<'_>) -> Result<Append, StoreError> {
        append::append(&self.writer, &self.connections, batch).await
    }

    async fn append_lock(&self, after: Position, limit: u32) -> Result<Option<Locked<'_>>, StoreError> {
        let (held, events) = append_lock::take(&self.writer, &self.connections, after, limit).await?;
        Ok(Some((Box::new(held), events)))
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        self.soon::<_, StoreError>(async {
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
                .fetch_all(&self.pool)
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
                    // not a join: before its first statistics PostgreSQL would sort the whole log
                    "SELECT ref, (SELECT stream FROM events WHERE events.position = refs.position) AS stream
                     FROM refs WHERE ref = ANY ($1) ORDER BY position",
                )
                .bind(references)
                .fetch_all(&self.pool)
                .await?;
                for row in rows {
                    found.references.push((
                        Reference(row.try_get("ref")?),
                        StreamId::try_from(row.try_get::<String, _>("stream")?)?,
                    ));
                }
            }
            if !lookup.subjects.is_empty() {
                found.keys = data_keys::wrapped(&self.pool, &lookup.subjects).await?;
            }
            Ok(found)
        })
        .await
    }

    async fn streams(&self, streams: &[StreamId]) -> Result<Vec<StoredEvent>, StoreError> {
        self.soon::<_, StoreError>(async {
            let names: Vec<&str> = streams.iter().map(StreamId::as_str).collect();
            // a lateral join by index for each stream: for a list PostgreSQL would read the whole table
            let sql = format!(
                "SELECT found.* FROM (SELECT DISTINCT name FROM unnest($1::text[]) AS named (name)) AS wanted
                 CROSS JOIN LATERAL (SELECT {PLAIN} FROM events WHERE stream = wanted.name OFFSET 0) AS found
                 ORDER BY position"
            );
            let rows = sqlx::query(AssertSqlSafe(sql))
                .bind(names)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(|row| event(row, Parts::Plain)).collect()
        })
        .await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
        events::events(self, query).await
    }

    async fn events_at(&self, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
        events::events_at(self, positions).await
    }
}
