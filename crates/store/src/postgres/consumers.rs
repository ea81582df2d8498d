//! Named consumers of the feed, on PostgreSQL.

use std::ops::RangeInclusive;

use aggregates::{ActorId, Position};
use jiff_sqlx::ToSqlx;
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::lease;
use super::values::{moment, position, to_i64};
use crate::clock;
use crate::{Consumer, ConsumerName, EventFilter, Fence, StoreError};

const COLUMNS: &str = "name, filter::text AS filter, position, created_at, updated_at, seen_at, owner";

pub(super) async fn all(pool: &PgPool) -> Result<Vec<Consumer>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM consumers ORDER BY name");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?;
    rows.iter().map(consumer).collect()
}

pub(super) async fn one(pool: &PgPool, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM consumers WHERE name = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name.as_str());
    query.fetch_optional(pool).await?.as_ref().map(consumer).transpose()
}

pub(super) async fn put(
    pool: &PgPool,
    name: &ConsumerName,
    filter: &EventFilter,
    position: Position,
    owner: Option<&ActorId>,
) -> Result<bool, StoreError> {
    // a row that was inserted just now has never been updated: xmax is 0
    let query = sqlx::query_scalar(
        "INSERT INTO consumers (name, filter, position, created_at, updated_at, owner) VALUES ($1, $2::json, $3, $4, $4, $5)
         ON CONFLICT (name) DO UPDATE SET filter = excluded.filter, updated_at = excluded.updated_at
         RETURNING xmax = 0",
    );
    let query = query.bind(name.as_str()).bind(filter.to_json()?);
    let query = query.bind(to_i64(position)).bind(clock::now().to_sqlx());
    let query = query.bind(owner.map(ActorId::as_str));
    Ok(query.fetch_one(pool).await?)
}

pub(super) async fn commit(
    pool: &PgPool,
    name: &ConsumerName,
    from: RangeInclusive<Position>,
    to: Position,
    under: Option<Fence>,
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query(
        "UPDATE consumers SET position = $2, updated_at = $3, seen_at = $3
         WHERE name = $1 AND position BETWEEN $4 AND $5",
    )
    .bind(name.as_str())
    .bind(to_i64(to))
    .bind(clock::now().to_sqlx())
    .bind(to_i64(*from.start()))
    .bind(to_i64(*from.end()))
    .execute(&mut *tx)
    .await?;
    lease::check(&mut tx, under).await?;
    tx.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn seen(pool: &PgPool, name: &ConsumerName) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE consumers SET seen_at = $2 WHERE name = $1").bind(name.as_str());
    query.bind(clock::now().to_sqlx()).execute(pool).await?;
    Ok(())
}

pub(super) async fn delete(pool: &PgPool, name: &ConsumerName) -> Result<bool, StoreError> {
    let query = sqlx::query("DELETE FROM consumers WHERE name = $1").bind(name.as_str());
    Ok(query.execute(pool).await?.rows_affected() > 0)
}

fn consumer(row: &PgRow) -> Result<Consumer, StoreError> {
    let seen_at: Option<jiff_sqlx::Timestamp> = row.try_get("seen_at")?;
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
        seen_at: seen_at.map(jiff_sqlx::Timestamp::to_jiff),
    })
}
