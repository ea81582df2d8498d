//! Named consumers of the feed, on SQLite.

use std::ops::RangeInclusive;

use aggregates::{ActorId, Position};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::lease;
use super::values::{moment, position, to_i64};
use crate::clock::{now, rfc3339_micros};
use crate::{Consumer, ConsumerName, EventFilter, Fence, StoreError};

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<Consumer>, StoreError> {
    let rows = sqlx::query("SELECT * FROM consumers ORDER BY name")
        .fetch_all(pool)
        .await?;
    rows.iter().map(consumer).collect()
}

pub(super) async fn one(pool: &SqlitePool, name: &ConsumerName) -> Result<Option<Consumer>, StoreError> {
    let query = sqlx::query("SELECT * FROM consumers WHERE name = ?").bind(name.as_str());
    query.fetch_optional(pool).await?.as_ref().map(consumer).transpose()
}

pub(super) async fn put(
    writer: &SqlitePool,
    name: &ConsumerName,
    filter: &EventFilter,
    position: Position,
    owner: Option<&ActorId>,
) -> Result<bool, StoreError> {
    let (filter, now) = (filter.to_json()?, rfc3339_micros(now()));
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let updated = sqlx::query("UPDATE consumers SET filter = ?, updated_at = ? WHERE name = ?")
        .bind(&filter)
        .bind(&now)
        .bind(name.as_str())
        .execute(&mut *tx)
        .await?;
    let new = updated.rows_affected() == 0;
    if new {
        sqlx::query(
            "INSERT INTO consumers (name, filter, position, created_at, updated_at, owner) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(name.as_str())
        .bind(&filter)
        .bind(to_i64(position))
        .bind(&now)
        .bind(&now)
        .bind(owner.map(ActorId::as_str))
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(new)
}

pub(super) async fn commit(
    writer: &SqlitePool,
    name: &ConsumerName,
    from: RangeInclusive<Position>,
    to: Position,
    under: Option<Fence>,
) -> Result<bool, StoreError> {
    let now = rfc3339_micros(now());
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    lease::check(&mut tx, under).await?;
    let done = sqlx::query(
        "UPDATE consumers SET position = ?, updated_at = ?, seen_at = ? WHERE name = ? AND position BETWEEN ? AND ?",
    )
    .bind(to_i64(to))
    .bind(&now)
    .bind(&now)
    .bind(name.as_str())
    .bind(to_i64(*from.start()))
    .bind(to_i64(*from.end()))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn seen(writer: &SqlitePool, name: &ConsumerName) -> Result<(), StoreError> {
    let query = sqlx::query("UPDATE consumers SET seen_at = ? WHERE name = ?").bind(rfc3339_micros(now()));
    query.bind(name.as_str()).execute(writer).await?;
    Ok(())
}

pub(super) async fn delete(writer: &SqlitePool, name: &ConsumerName) -> Result<bool, StoreError> {
    let query = sqlx::query("DELETE FROM consumers WHERE name = ?").bind(name.as_str());
    Ok(query.execute(writer).await?.rows_affected() > 0)
}

fn consumer(row: &SqliteRow) -> Result<Consumer, StoreError> {
    let seen_at: Option<&str> = row.try_get("seen_at")?;
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
        seen_at: seen_at.map(|_| moment(row, "seen_at")).transpose()?,
    })
}
