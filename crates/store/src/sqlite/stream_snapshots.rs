//! Snapshots of streams on SQLite.

use std::collections::BTreeSet;

use aggregates::StreamId;
use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::events::{PLAIN, event};
use crate::{Parts, StoreError, StoredEvent, StreamSnapshot};

pub(super) async fn resume(
    pool: &SqlitePool,
    streams: &[StreamId],
) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError> {
    let names: BTreeSet<&str> = streams.iter().map(StreamId::as_str).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new("WITH wanted (name) AS (");
    query.push_values(names, |mut row, name| {
        row.push_bind(name);
    });
    let columns = format!("{PLAIN}{}", Parts::Leaves.columns());
    let columns: Vec<String> = columns.split(", ").map(|column| format!("events.{column}")).collect();
    query.push(format!(
        ") SELECT {}, CASE WHEN events.version = kept.version THEN kept.state END AS snapshot
         FROM wanted LEFT JOIN stream_snapshots AS kept ON kept.stream = wanted.name
          AND EXISTS (SELECT 1 FROM events WHERE stream = kept.stream AND version = kept.version)
         CROSS JOIN events ON events.stream = wanted.name AND events.version >= coalesce(kept.version, 1)
         ORDER BY events.position",
        columns.join(", ")
    ));
    let rows = query.build().persistent(false).fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok((event(row, Parts::Leaves)?, row.try_get("snapshot")?)))
        .collect()
}

pub(super) async fn keep(writer: &SqlitePool, snapshots: &[StreamSnapshot]) -> Result<(), StoreError> {
    if snapshots.is_empty() {
        return Ok(());
    }
    // in one statement: each call wakes the connection's thread and waits for it
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO stream_snapshots (stream, version, state) ");
    query.push_values(snapshots, |mut row, snapshot| {
        row.push_bind(snapshot.stream.as_str())
            .push_bind(i64::from(snapshot.version))
            .push_bind(snapshot.state.as_slice());
    });
    query.push(" ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state");
    query.build().persistent(false).execute(writer).await?;
    Ok(())
}
