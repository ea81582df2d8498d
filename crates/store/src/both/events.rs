//! Reading the event log.

use aggregates::{EventId, Position, Source, StreamId, SubjectId};
use sqlx::{AssertSqlSafe, QueryBuilder, Row};

use super::SqlStore;
use super::columns::{position, unsigned};
use super::statements::among;
use super::values::{ANY, Db, DbRow, UNINDEXED, list, moment};
use crate::log::to_i64;
use crate::tree::hash;
use crate::{EventQuery, Head, Parts, SealedSections, StoreError, StoredEvent};
use sealing::Sealed;

/// Columns of an event without its sealed sections.
pub(crate) const PLAIN: &str =
    "position, stream, version, source, event_id, type, schema_version, recorded_at, subject, facts";

/// The head from its row.
pub(crate) fn head(row: &DbRow) -> Result<Head, StoreError> {
    Ok(Head {
        position: position(row, "position")?,
        recorded_at: moment(row, "recorded_at")?,
    })
}

pub(crate) async fn newest(store: &SqlStore) -> Result<Head, StoreError> {
    let query = sqlx::query("SELECT position, recorded_at FROM head");
    head(&store.soon(query.fetch_one(store.reading())).await?)
}

pub(crate) async fn events(store: &SqlStore, query: &EventQuery) -> Result<Vec<StoredEvent>, StoreError> {
    let (filter, parts) = (&query.filter, query.parts);
    let select = format!("SELECT {PLAIN}{} FROM events WHERE position > ", parts.columns());
    let mut sql = QueryBuilder::<Db>::new(select);
    sql.push_bind(to_i64(query.after));
    if let Some(until) = query.until {
        sql.push(" AND position <= ").push_bind(to_i64(until));
    }
    if !filter.types.is_empty() {
        sql.push(" AND type ").push(ANY.0);
        sql.push_bind(list(filter.types.iter().map(String::as_str))).push(ANY.1);
    }
    if let Some(category) = &filter.category {
        let (from, to) = category.range();
        sql.push(format!(" AND {UNINDEXED}stream >= ")).push_bind(from);
        sql.push(format!(" AND {UNINDEXED}stream < ")).push_bind(to);
    }
    if let Some(stream) = &filter.stream {
        sql.push(" AND stream = ").push_bind(stream.as_str());
    }
    if let Some(subject) = &filter.subject {
        sql.push(" AND subject = ").push_bind(subject.as_str());
    }
    sql.push(" ORDER BY position LIMIT ").push_bind(i64::from(query.limit));
    let rows = store.soon(sql.build().fetch_all(store.reading())).await?;
    rows.iter().map(|row| event(row, parts)).collect()
}

pub(crate) async fn events_at(store: &SqlStore, positions: &[Position]) -> Result<Vec<StoredEvent>, StoreError> {
    let (columns, there) = (Parts::All.columns(), among("position", "$1"));
    let sql = format!("SELECT {PLAIN}{columns} FROM events WHERE {there} ORDER BY position");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(list(positions.iter().copied().map(to_i64)));
    let rows = store.soon(query.fetch_all(store.reading())).await?;
    rows.iter().map(|row| event(row, Parts::All)).collect()
}

pub(crate) fn event(row: &DbRow, parts: Parts) -> Result<StoredEvent, StoreError> {
    let section = |name: &str| -> Result<Option<Sealed>, StoreError> {
        Ok(row.try_get::<Option<Vec<u8>>, _>(name)?.map(Sealed::from_bytes))
    };
    let sections = match parts {
        Parts::All => SealedSections {
            personal: section("personal")?,
            secrets: section("secrets")?,
            original: section("original")?,
        },
        Parts::Personal => SealedSections {
            personal: section("personal")?,
            ..SealedSections::default()
        },
        Parts::Plain | Parts::Leaves => SealedSections::default(),
    };
    let leaf_hash = match parts {
        Parts::All | Parts::Leaves => Some(hash(row.try_get("leaf_hash")?)?),
        Parts::Plain | Parts::Personal => None,
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
