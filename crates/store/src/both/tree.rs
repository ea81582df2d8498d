//! The Merkle tree, and the unchecked rows of the log, for an audit.

use std::ops::Range;

use aggregates::Position;
use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::Row;

use super::columns::{optional_position, position};
use super::values::{DbRow, SCANNED_AT_ONCE, int64, raw_moment};
use super::{SqlStore, events, nodes};
use crate::tree::{hash, number};
use crate::{Outline, RawEvent, RawHead, Reference, StoreError, TreeHead, TreeStore};
use tlog::{Frontier, Growth, Hash};

#[async_trait]
impl TreeStore for SqlStore {
    async fn tree(&self) -> Result<TreeHead, StoreError> {
        let query = sqlx::query("SELECT position, recorded_at, tree_size, frontier FROM head");
        let row = self.soon(query.fetch_one(self.reading())).await?;
        let Position(size) = position(&row, "tree_size")?;
        let frontier = Frontier::from_bytes(size, row.try_get("frontier")?)
            .ok_or_else(|| StoreError::Corrupt("the frontier is not that of its tree".to_owned()))?;
        Ok(TreeHead {
            head: events::head(&row)?,
            frontier,
        })
    }

    async fn tree_hashes(&self, level: u8, numbers: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        let sql = if level == 0 {
            "SELECT leaf_hash FROM events WHERE $1 = 0 AND position > $2 AND position <= $3 ORDER BY position"
        } else {
            "SELECT hash FROM tree_nodes WHERE level = $1 AND number >= $2 AND number < $3 ORDER BY number"
        };
        let query = sqlx::query_scalar(sql)
            .bind(i16::from(level))
            .bind(number(numbers.start))
            .bind(number(numbers.end));
        let hashes = self.soon(query.fetch_all(self.reading())).await?;
        hashes.into_iter().map(hash).collect()
    }

    async fn stray_nodes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM tree_nodes WHERE level NOT BETWEEN 1 AND 255 OR number < 0";
        let count: i64 = self.in_time(sqlx::query_scalar(sql).fetch_one(self.scanning())).await?;
        Ok(count.unsigned_abs())
    }

    async fn grow_tree(&self, from: u64, growth: &Growth) -> Result<bool, StoreError> {
        let sql = "UPDATE head SET tree_size = $2, frontier = $3 WHERE tree_size = $1 AND position >= $2";
        let query = sqlx::query(sql)
            .bind(number(from))
            .bind(number(growth.frontier().size()))
            .bind(growth.frontier().to_bytes());
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            if query.execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
            nodes::insert(&mut tx, growth.nodes()).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn references(&self, positions: Range<i64>) -> Result<Vec<(i64, Reference)>, StoreError> {
        // they are nearly in order, so sorting them here is fast; PostgreSQL would write them to disk
        let sql = "SELECT position, ref FROM refs WHERE position >= $1 AND position < $2";
        let query = sqlx::query_as(sql).bind(positions.start).bind(positions.end);
        let mut rows: Vec<(i64, i64)> = self.in_time(query.fetch_all(self.scanning())).await?;
        rows.sort_unstable();
        let found = rows.into_iter().map(|(position, hash)| (position, Reference(hash)));
        Ok(found.collect())
    }

    async fn outline(&self) -> Result<Outline, StoreError> {
        let sql = "SELECT position, recorded_at, tree_size, frontier,
                          (SELECT min(position) FROM events) AS first, (SELECT max(position) FROM events) AS last
                   FROM (SELECT 1) AS one LEFT JOIN head ON true";
        let row = self.in_time(sqlx::query(sql).fetch_one(self.scanning())).await?;
        let head = match row.try_get::<Option<i64>, _>("position")? {
            Some(position) => Some(RawHead {
                position,
                recorded_at: raw_moment(&row, "recorded_at")?.into_owned(),
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

    async fn scan(
        &self,
        positions: Range<i64>,
        visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send),
    ) -> Result<(), StoreError> {
        const SQL: &str =
            "SELECT position, stream, version, source, event_id, type, schema_version, recorded_at, subject,
                                  facts, personal, secrets, original, leaf_hash
                           FROM events WHERE position >= $1 AND position < $2 ORDER BY position LIMIT $3";
        // if rows were inserted or removed, a page ends with its last row, at any position
        self.in_time::<_, StoreError>(async {
            let mut from = positions.start;
            loop {
                let query = sqlx::query(SQL).bind(from).bind(positions.end).bind(SCANNED_AT_ONCE);
                let mut rows = query.fetch(self.scanning());
                let mut count = 0;
                while let Some(row) = rows.try_next().await? {
                    show(&row, visit)?;
                    from = row.try_get::<i64, _>(0)?.saturating_add(1);
                    count += 1;
                }
                if count < SCANNED_AT_ONCE {
                    return Ok(());
                }
            }
        })
        .await
    }

    async fn misversioned(&self) -> Result<Option<Position>, StoreError> {
        self.in_time::<_, StoreError>(async {
            // by the index over streams and versions alone; only the stream it finds is read
            let sql = "SELECT stream FROM events GROUP BY stream HAVING min(version) <> 1 OR max(version) <> count(*) LIMIT 1";
            let stream: Option<String> = sqlx::query_scalar(sql).fetch_optional(self.scanning()).await?;
            let Some(stream) = stream else { return Ok(None) };
            let sql = "SELECT min(position) AS position FROM (
                   SELECT position, version, row_number() OVER (ORDER BY position) AS place FROM events WHERE stream = $1
               ) AS of_stream WHERE version <> place";
            let row = sqlx::query(sql).bind(stream).fetch_one(self.scanning()).await?;
            optional_position(&row, "position")
        })
        .await
    }
}

fn show(row: &DbRow, visit: &mut (dyn for<'a> FnMut(RawEvent<'a>) + Send)) -> Result<(), sqlx::Error> {
    visit(RawEvent {
        position: row.try_get(0)?,
        stream: row.try_get(1)?,
        version: int64(row, 2)?,
        source: row.try_get(3)?,
        event_id: row.try_get(4)?,
        type_name: row.try_get(5)?,
        schema_version: int64(row, 6)?,
        recorded_at: &raw_moment(row, 7)?,
        subject: row.try_get(8)?,
        facts: row.try_get(9)?,
        personal: row.try_get(10)?,
        secrets: row.try_get(11)?,
        original: row.try_get(12)?,
        leaf_hash: row.try_get(13)?,
    });
    Ok(())
}
