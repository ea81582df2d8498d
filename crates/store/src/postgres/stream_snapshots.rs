//! Snapshots of streams on PostgreSQL.

use aggregates::StreamId;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Row};

use super::events::{PLAIN, event};
use crate::{Parts, StoreError, StoredEvent, StreamSnapshot};

pub(super) async fn resume(
    pool: &PgPool,
    streams: &[StreamId],
) -> Result<Vec<(StoredEvent, Option<Vec<u8>>)>, StoreError> {
    let names: Vec<&str> = streams.iter().map(StreamId::as_str).collect();
    // a lateral join by index for each stream: for a list PostgreSQL would read whole tables
    let sql = format!(
        "SELECT found.*, CASE WHEN found.version = kept.version THEN kept.state END AS snapshot
         FROM (SELECT DISTINCT name FROM unnest($1::text[]) AS named (name)) AS wanted
         LEFT JOIN LATERAL (
             SELECT version, state FROM stream_snapshots AS snapshot
             WHERE stream = wanted.name
               AND EXISTS (SELECT FROM events WHERE stream = snapshot.stream AND version = snapshot.version)
             OFFSET 0
         ) AS kept ON true
         CROSS JOIN LATERAL (
             SELECT {PLAIN}{} FROM events WHERE stream = wanted.name AND version >= coalesce(kept.version, 1) OFFSET 0
         ) AS found
         ORDER BY position",
        Parts::Leaves.columns()
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(names).fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok((event(row, Parts::Leaves)?, row.try_get("snapshot")?)))
        .collect()
}

pub(super) async fn keep(pool: &PgPool, snapshots: &[StreamSnapshot]) -> Result<(), StoreError> {
    let streams: Vec<&str> = snapshots.iter().map(|snapshot| snapshot.stream.as_str()).collect();
    let versions: Vec<i32> = snapshots
        .iter()
        .map(|snapshot| i32::try_from(snapshot.version).unwrap_or(i32::MAX))
        .collect();
    let states: Vec<&[u8]> = snapshots.iter().map(|snapshot| snapshot.state.as_slice()).collect();
    let mut tx = pool.begin().await?;
    // no wait for the disk, since a snapshot lost in a crash is not needed; and a short time-out, so that a locked
    // table does not keep the connection from other calls
    sqlx::raw_sql("SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = '1s'")
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO stream_snapshots (stream, version, state)
         SELECT stream, version, state
         FROM unnest($1::text[], $2::integer[], $3::bytea[]) AS snapshot (stream, version, state)
         ORDER BY stream
         ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state",
    )
    .bind(streams)
    .bind(versions)
    .bind(states)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
