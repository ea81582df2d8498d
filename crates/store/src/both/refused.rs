//! Refused webhooks that are kept aside.

use aggregates::{EventId, Source};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row};

use super::SqlStore;
use super::values::{DbConnection, DbRow, moment, stamp};
use crate::tree::number;
use crate::{KeptRefused, RefusedBounds, RefusedStore, RefusedWebhook, StoreError};
use sealing::Sealed;

const COLUMNS: &str = "id, at, source, address, sender, known, cause, scheme, event_id, size";
/// Which part of the room one sender has at most.
const SHARES: u64 = 8;

#[async_trait]
impl RefusedStore for SqlStore {
    async fn keep_refused(
        &self,
        refused: &RefusedWebhook,
        sealed: &Sealed,
        bounds: RefusedBounds,
    ) -> Result<Option<u64>, StoreError> {
        let size = sealed.as_bytes().len() as u64;
        let share = (bounds.bytes / SHARES, (bounds.count / SHARES).max(1));
        let half = (bounds.bytes / 2, (bounds.count / 2).max(1));
        if size > share.0 {
            return Ok(None);
        }
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            let sql = "SELECT EXISTS (SELECT 1 FROM known_senders WHERE sender = $1 AND last_at >= $2)";
            let query = sqlx::query_scalar(sql)
                .bind(&refused.sender)
                .bind(stamp(bounds.known_since));
            let known: bool = query.fetch_one(&mut *tx).await?;
            let insert = format!(
                "INSERT INTO refused ({COLUMNS}, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            );
            sqlx::query(AssertSqlSafe(insert))
                .bind(refused.id.as_str())
                .bind(stamp(refused.at))
                .bind(refused.source.as_str())
                .bind(&refused.address)
                .bind(&refused.sender)
                .bind(known)
                .bind(&refused.cause)
                .bind(&refused.scheme)
                .bind(refused.event_id.as_ref().map(EventId::as_str))
                .bind(number(size))
                .bind(sealed.as_bytes())
                .execute(&mut *tx)
                .await?;
            let of_sender = evict(&mut tx, Room::Sender(&refused.sender), share).await?;
            let of_half = evict(&mut tx, Room::Half(known), half).await?;
            tx.commit().await?;
            Ok(Some(of_sender + of_half))
        })
        .await
    }

    async fn refused(&self, after: Option<(Timestamp, &EventId)>, limit: u32) -> Result<Vec<KeptRefused>, StoreError> {
        let (at, id) = after.map_or((Timestamp::UNIX_EPOCH, ""), |(at, id)| (at, id.as_str()));
        let sql = format!("SELECT {COLUMNS} FROM refused WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT $3");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(stamp(at))
            .bind(id)
            .bind(i64::from(limit));
        let rows = self.soon(query.fetch_all(self.reading())).await?;
        rows.iter().map(kept).collect()
    }

    async fn refused_webhook(&self, id: &EventId) -> Result<Option<(KeptRefused, Sealed)>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, sealed FROM refused WHERE id = $1");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str());
        let row = self.soon(query.fetch_optional(self.reading())).await?;
        let found = row
            .as_ref()
            .map(|row| Ok((kept(row)?, Sealed::from_bytes(row.try_get("sealed")?))));
        found.transpose()
    }

    async fn forget_refused(&self, id: &EventId) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM refused WHERE id = $1").bind(id.as_str());
        self.soon(query.execute(self.writing())).await?;
        Ok(())
    }

    async fn expire_refused(&self, before: Timestamp) -> Result<u64, StoreError> {
        let query = sqlx::query("DELETE FROM refused WHERE at < $1").bind(stamp(before));
        Ok(self.soon(query.execute(self.writing())).await?.rows_affected())
    }
}

/// Who shares a part of the room.
enum Room<'a> {
    Sender(&'a str),
    Half(bool),
}

/// Removes the oldest of a part of the room, until the rest fits into so many bytes and webhooks.
async fn evict(tx: &mut DbConnection, room: Room<'_>, (bytes, count): (u64, u64)) -> Result<u64, StoreError> {
    let column = match room {
        Room::Sender(_) => "sender",
        Room::Half(_) => "known",
    };
    let sql = format!(
        "DELETE FROM refused WHERE id IN (
             SELECT id FROM (
                 SELECT id, sum(size) OVER (ORDER BY at DESC, id DESC) AS total,
                        row_number() OVER (ORDER BY at DESC, id DESC) AS place
                 FROM refused WHERE {column} = $1
             ) AS own WHERE total > $2 OR place > $3)"
    );
    let query = sqlx::query(AssertSqlSafe(sql));
    let query = match room {
        Room::Sender(sender) => query.bind(sender),
        Room::Half(known) => query.bind(known),
    };
    let done = query.bind(number(bytes)).bind(number(count)).execute(tx).await?;
    Ok(done.rows_affected())
}

fn kept(row: &DbRow) -> Result<KeptRefused, StoreError> {
    let event_id: Option<String> = row.try_get("event_id")?;
    let size: i64 = row.try_get("size")?;
    Ok(KeptRefused {
        refused: RefusedWebhook {
            id: EventId::parse(row.try_get("id")?)?,
            at: moment(row, "at")?,
            source: Source::parse(row.try_get("source")?)?,
            address: row.try_get("address")?,
            sender: row.try_get("sender")?,
            cause: row.try_get("cause")?,
            scheme: row.try_get("scheme")?,
            event_id: event_id.map(EventId::try_from).transpose()?,
        },
        known: row.try_get("known")?,
        size: size.unsigned_abs(),
    })
}
