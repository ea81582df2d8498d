//! Named consumers of the feed.

use std::ops::RangeInclusive;

use aggregates::{ActorId, Position};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::values::{AS_JSON, DbRow, moment, optional_moment, stamp};
use super::{SqlStore, columns::position, leases};
use crate::clock::now;
use crate::log::to_i64;
use crate::{Consumer, ConsumerName, ConsumerStore, EventFilter, Fence, StoreError};

const SELECT: &str =
    "SELECT name, CAST(filter AS text) AS filter, position, created_at, updated_at, seen_at, owner FROM consumers";

#[async_trait]
impl ConsumerStore for SqlStore {
    async fn consumers(&self) -> Result<Vec<Consumer>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(format!("{SELECT} ORDER BY name")));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter().map(consumer).collect()
    }

    async fn consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE name = $1"))).bind(name.as_str());
        let row = self.soon(query.fetch_optional(self.reading())).await?;
        row.as_ref().map(consumer).transpose()
    }

    async fn put_consumer(
        &self,
        name: &ConsumerName,
        filter: &EventFilter,
        position: Position,
        owner: Option<&ActorId>,
    ) -> Result<bool, StoreError> {
        // an existing one was created earlier
        let sql = format!(
            "INSERT INTO consumers (name, filter, position, created_at, updated_at, owner) VALUES ($1, $2{AS_JSON}, $3, $4, $4, $5)
             ON CONFLICT (name) DO UPDATE SET filter = excluded.filter, updated_at = excluded.updated_at
             RETURNING created_at = updated_at"
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(name.as_str())
            .bind(filter.to_json()?)
            .bind(to_i64(position))
            .bind(stamp(now()))
            .bind(owner.map(ActorId::as_str));
        self.soon(query.fetch_one(self.writing())).await
    }

    async fn commit(
        &self,
        name: &ConsumerName,
        from: RangeInclusive<Position>,
        to: Position,
        under: Option<Fence>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE consumers SET position = $2, updated_at = $3, seen_at = $3
                   WHERE name = $1 AND position BETWEEN $4 AND $5";
        let query = sqlx::query(sql)
            .bind(name.as_str())
            .bind(to_i64(to))
            .bind(stamp(now()))
            .bind(to_i64(*from.start()))
            .bind(to_i64(*from.end()));
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            let done = query.execute(&mut *tx).await?;
            leases::check(&mut tx, under).await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn consumer_seen(&self, name: &ConsumerName) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE consumers SET seen_at = $2 WHERE name = $1");
        let query = query.bind(name.as_str()).bind(stamp(now()));
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }

    async fn delete_consumer(&self, name: &ConsumerName) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM consumers WHERE name = $1").bind(name.as_str());
        Ok(self.soon(query.execute(self.writing())).await?.rows_affected() > 0)
    }
}

fn consumer(row: &DbRow) -> Result<Consumer, StoreError> {
    Ok(Consumer {
        name: ConsumerName::from_stored(row.try_get("name")?)?,
        filter: EventFilter::from_json(row.try_get("filter")?)?,
        position: position(row, "position")?,
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
        owner: row
            .try_get::<Option<String>, _>("owner")?
            .map(ActorId::try_from)
            .transpose()?,
        seen_at: optional_moment(row, "seen_at")?,
    })
}
