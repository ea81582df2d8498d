//! The Merkle tree on PostgreSQL, and the log as it stands, for an audit.

use std::ops::Range;

use aggregates::Position;
use futures_util::TryStreamExt;
use jiff_sqlx::Timestamp;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::values::{moment, position};
use crate::clock::rfc3339_micros;
use crate::tree::hash;
use crate::{Head, Outline, RawEvent, RawHead, Reference, StoreError, TreeHead};
use tlog::{Frontier, Growth, Hash, TileNode};

pub(super) async fn tree(pool: &PgPool) -> Result<TreeHead, StoreError> {
    let row = sqlx::query("SELECT position, recorded_at, tree_size, frontier FROM head")
        .fetch_one(pool)
        .await?;
    let Position(size) = position(&row, "tree_size")?;
    let frontier = Frontier::from_bytes(size, row.try_get("frontier")?)
        .ok_or_else(|| StoreError::Corrupt("the frontier is not that of its tree".to_owned()))?;
    Ok(TreeHead {
        head: Head {
            position: position(&row, "position")?,
            recorded_at: moment(&row, "recorded_at")?,
        },
        frontier,
    })
}

pub(super) async fn hashes(pool: &PgPool, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError> {
    let sql = if level == 0 {
        "SELECT leaf_hash FROM events WHERE $1 = 0 AND position > $2 AND position <= $3 ORDER BY position"
    } else {
        "SELECT hash FROM tree_nodes WHERE level = $1 AND number >= $2 AND number < $3 ORDER BY number"
    };
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar(sql)
        .bind(i16::from(level))
        .bind(number(numbers.start))
        .bind(number(numbers.end))
        .fetch_all(pool)
        .await?;
    hashes.into_iter().map(hash).collect()
}

pub(super) async fn stray(pool: &PgPool) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM tree_nodes WHERE level NOT BETWEEN 1 AND 255 OR number < 0";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}

/// A number in the tree; none that is stored is beyond 2^63.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// New nodes as parallel arrays.
pub(super) fn columns(nodes: &[TileNode]) -> (Vec<i16>, Vec<i64>, Vec<&[u8]>) {
    (
        nodes.iter().map(|node| i16::from(node.level)).collect(),
        nodes.iter().map(|node| number(node.index)).collect(),
        nodes.iter().map(|node| node.hash.as_slice()).collect(),
    )
}

pub(super) async fn grow(writer: &PgPool, from: u64, growth: &Growth) -> Result<bool, StoreError> {
    let mut tx = writer.begin().await?;
    let moved = sqlx::query("UPDATE head SET tree_size = $2, frontier = $3 WHERE tree_size = $1 AND position >= $2")
        .bind(number(from))
        .bind(number(growth.frontier().size()))
        .bind(growth.frontier().to_bytes())
        .execute(&mut *tx)
        .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    let (levels, numbers, hashes) = columns(growth.nodes());
    sqlx::query(
        "INSERT INTO tree_nodes (level, number, hash) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])",
    )
    .bind(levels)
    .bind(numbers)
    .bind(hashes)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn outline(pool: &PgPool) -> Result<Outline, StoreError> {
    let row = sqlx::query(
        "SELECT position, recorded_at, tree_size, frontier,
                (SELECT min(position) FROM events) AS first, (SELECT max(position) FROM events) AS last
         FROM (SELECT 1) AS one LEFT JOIN head ON true",
    )
    .fetch_one(pool)
    .await?;
    let head = match row.try_get::<Option<i64>, _>("position")? {
        Some(position) => Some(RawHead {
            position,
            recorded_at: rfc3339_micros(moment(&row, "recorded_at")?),
            tree_size: row.try_get("tree_size")?,
            frontier: row.try_get("frontier")?,
        }),
        None => None,
    };
    Ok(Outline {
        head,
        first: row.try_get("first")?,
        last: row.try_get("last")?,
    })
}

pub(super) async fn references(pool: &PgPool, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError> {
    // they lie nearly in order, so they are soon sorted here; PostgreSQL would write them to disk for it
    let mut rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT position, ref FROM refs WHERE position >= $1 AND position < $2")
            .bind(positions.start)
            .bind(positions.end)
            .fetch_all(pool)
            .await?;
    rows.sort_unstable();
    let found = rows.into_iter().map(|(position, hash)| (position, Reference(hash)));
    Ok(found.collect())
}

pub(super) async fn scan(
    pool: &PgPool,
    positions: Range<i64>,
    visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT position, stream, version, source, event_id, type, schema_version, recorded_at, subject,
                              facts, personal, secrets, original, leaf_hash
                       FROM events WHERE position >= $1 AND position < $2 ORDER BY position";
    let mut rows = sqlx::query(SQL).bind(positions.start).bind(positions.end).fetch(pool);
    while let Some(row) = rows.try_next().await? {
        show(&row, visit)?;
    }
    Ok(())
}

fn show(row: &PgRow, visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send)) -> Result<(), sqlx::Error> {
    let recorded_at = rfc3339_micros(row.try_get::<Timestamp, _>(7)?.to_jiff());
    visit(RawEvent {
        position: row.try_get(0)?,
        stream: row.try_get(1)?,
        version: row.try_get::<i32, _>(2)?.into(),
        source: row.try_get(3)?,
        event_id: row.try_get(4)?,
        type_name: row.try_get(5)?,
        schema_version: row.try_get::<i32, _>(6)?.into(),
        recorded_at: &recorded_at,
        subject: row.try_get(8)?,
        facts: row.try_get(9)?,
        personal: row.try_get(10)?,
        secrets: row.try_get(11)?,
        original: row.try_get(12)?,
        leaf_hash: row.try_get(13)?,
    });
    Ok(())
}

pub(super) async fn misversioned(pool: &PgPool) -> Result<Option<Position>, StoreError> {
    // by the index over streams and versions alone; only a stream that this finds is looked at
    let stream: Option<String> = sqlx::query_scalar(
        "SELECT stream FROM events GROUP BY stream HAVING min(version) <> 1 OR max(version) <> count(*) LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    let Some(stream) = stream else { return Ok(None) };
    let sql = "SELECT min(position) AS position FROM (
                   SELECT position, version, row_number() OVER (ORDER BY position) AS place FROM events WHERE stream = $1
               ) AS of_stream WHERE version <> place";
    let row = sqlx::query(AssertSqlSafe(sql)).bind(stream).fetch_one(pool).await?;
    let first: Option<i64> = row.try_get("position")?;
    Ok(first.map(|first| Position(first.unsigned_abs())))
}
