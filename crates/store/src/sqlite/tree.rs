//! The Merkle tree on SQLite, and the log as it stands, for an audit.

use std::ops::Range;

use aggregates::Position;
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::values::{chunks, moment, position, tuples};
use crate::tree::hash;
use crate::{Head, Outline, RawEvent, RawHead, Reference, StoreError, TreeHead};
use tlog::{Frontier, Growth, Hash, TileNode};

pub(super) async fn tree(pool: &SqlitePool) -> Result<TreeHead, StoreError> {
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

pub(super) async fn hashes(pool: &SqlitePool, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError> {
    let sql = if level == 0 {
        "SELECT leaf_hash FROM events WHERE ?1 = 0 AND position > ?2 AND position <= ?3 ORDER BY position"
    } else {
        "SELECT hash FROM tree_nodes WHERE level = ?1 AND number >= ?2 AND number < ?3 ORDER BY number"
    };
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar(sql)
        .bind(i64::from(level))
        .bind(number(numbers.start))
        .bind(number(numbers.end))
        .fetch_all(pool)
        .await?;
    hashes.into_iter().map(hash).collect()
}

pub(super) async fn stray(pool: &SqlitePool) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM tree_nodes WHERE level NOT BETWEEN 1 AND 255 OR number < 0";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}

/// A number in the tree; none that is stored is beyond 2^63.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Inserts new nodes in the caller's transaction.
pub(super) async fn insert(tx: &mut SqliteConnection, nodes: &[TileNode]) -> Result<(), sqlx::Error> {
    for chunk in chunks(nodes) {
        let sql = format!(
            "INSERT OR FAIL INTO tree_nodes (level, number, hash) VALUES {}",
            tuples(chunk.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for node in chunk {
            query = query
                .bind(i64::from(node.level))
                .bind(number(node.index))
                .bind(node.hash.as_slice());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn grow(writer: &SqlitePool, from: u64, growth: &Growth) -> Result<bool, StoreError> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let moved = sqlx::query("UPDATE head SET tree_size = ?2, frontier = ?3 WHERE tree_size = ?1 AND position >= ?2")
        .bind(number(from))
        .bind(number(growth.frontier().size()))
        .bind(growth.frontier().to_bytes())
        .execute(&mut *tx)
        .await?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    insert(&mut tx, growth.nodes()).await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn outline(pool: &SqlitePool) -> Result<Outline, StoreError> {
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
            recorded_at: row.try_get("recorded_at")?,
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

pub(super) async fn references(pool: &SqlitePool, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError> {
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT position, ref FROM refs WHERE position >= ? AND position < ? ORDER BY position, ref")
            .bind(positions.start)
            .bind(positions.end)
            .fetch_all(pool)
            .await?;
    let found = rows.into_iter().map(|(position, hash)| (position, Reference(hash)));
    Ok(found.collect())
}

pub(super) async fn scan(
    pool: &SqlitePool,
    positions: Range<i64>,
    visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT position, stream, version, source, event_id, type, schema_version, recorded_at, subject,
                              facts, personal, secrets, original, leaf_hash
                       FROM events WHERE position >= ? AND position < ? ORDER BY position LIMIT ?";
    const AT_ONCE: i64 = 10_000;
    // a portion a read, since the write-ahead log grows while one lasts. Where rows were put in or taken out, a portion ends with
    // its last row, wherever that is
    let mut from = positions.start;
    loop {
        let mut rows = sqlx::query(SQL)
            .bind(from)
            .bind(positions.end)
            .bind(AT_ONCE)
            .fetch(pool);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            show(&row, visit)?;
            from = row.try_get::<i64, _>(0)?.saturating_add(1);
            count += 1;
        }
        if count < AT_ONCE {
            return Ok(());
        }
    }
}

fn show(row: &SqliteRow, visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send)) -> Result<(), sqlx::Error> {
    visit(RawEvent {
        position: row.try_get(0)?,
        stream: row.try_get(1)?,
        version: row.try_get(2)?,
        source: row.try_get(3)?,
        event_id: row.try_get(4)?,
        type_name: row.try_get(5)?,
        schema_version: row.try_get(6)?,
        recorded_at: row.try_get(7)?,
        subject: row.try_get(8)?,
        facts: row.try_get(9)?,
        personal: row.try_get(10)?,
        secrets: row.try_get(11)?,
        original: row.try_get(12)?,
        leaf_hash: row.try_get(13)?,
    });
    Ok(())
}

pub(super) async fn misversioned(pool: &SqlitePool) -> Result<Option<Position>, StoreError> {
    // by the index over streams and versions alone; only a stream that this finds is looked at
    let stream: Option<String> = sqlx::query_scalar(
        "SELECT stream FROM events GROUP BY stream HAVING min(version) <> 1 OR max(version) <> count(*) LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    let Some(stream) = stream else { return Ok(None) };
    let first: Option<i64> = sqlx::query_scalar(
        "SELECT min(position) FROM (
             SELECT position, version, row_number() OVER (ORDER BY position) AS place FROM events WHERE stream = ?
         ) WHERE version <> place",
    )
    .bind(stream)
    .fetch_one(pool)
    .await?;
    Ok(first.map(|first| Position(first.unsigned_abs())))
}
