//! Deliveries, and known senders.

use aggregates::{EventId, Position, Source};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, QueryBuilder, Row};

use super::columns::{optional_position, unsigned};
use super::values::{ANY, Db, DbRow, LISTED, SKIP_LOCKED, list, moment, stamp};
use super::{SqlStore, delivery_rows, tables};
use crate::log::to_i64;
use crate::tree::number;
use crate::{About, Delivery, DeliveryOutcome, DeliveryQuery, DeliveryStore, NewDelivery, StoreError};

/// The type of events of unknown kinds.
const UNKNOWN_KIND: &str = "WebhookUnrecognised";
const SELECT: &str = "SELECT deliveries.id AS id, deliveries.at AS at, deliveries.source AS source, address, outcome, cause, status,
    request_id, deliveries.position AS position, coalesce(deliveries.event_id, events.event_id) AS event_id, events.type AS type
    FROM deliveries LEFT JOIN events ON events.position = deliveries.position";

#[async_trait]
impl DeliveryStore for SqlStore {
    async fn add_deliveries(&self, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
        self.soon::<_, StoreError>(async {
            let mut tx = self.begin().await?;
            tables::hurry(&mut tx).await?;
            delivery_rows::insert(&mut tx, deliveries).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn know_senders(&self, senders: &[String], at: Timestamp) -> Result<(), StoreError> {
        // ordered, so that two processes do not wait for each other; WHERE: otherwise SQLite takes ON for a part of a join
        let sql = format!(
            "INSERT INTO known_senders (sender, last_at) SELECT value, $2 FROM ({LISTED}) AS new WHERE true ORDER BY value
             ON CONFLICT (sender) DO UPDATE SET last_at = excluded.last_at WHERE known_senders.last_at < excluded.last_at"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(list(senders.iter().map(String::as_str)));
        self.soon(query.bind(stamp(at)).execute(self.writing())).await?;
        Ok(())
    }

    async fn known_senders(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT sender FROM known_senders ORDER BY last_at DESC LIMIT $1");
        self.soon(query.bind(i64::from(limit)).fetch_all(self.reading())).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        let mut sql = QueryBuilder::<Db>::new(SELECT);
        sql.push(" WHERE true");
        if let Some(about) = &query.about {
            push_about(&mut sql, about);
        }
        if let Some(source) = &query.source {
            sql.push(" AND deliveries.source = ")
                .push_bind(source.as_str().to_owned());
        }
        push_outcomes(&mut sql, &query.outcomes);
        if let Some(from) = query.from {
            sql.push(" AND deliveries.at >= ").push_bind(stamp(from));
        }
        if let Some(to) = query.to {
            sql.push(" AND deliveries.at < ").push_bind(stamp(to));
        }
        if let Some(id) = query.before {
            sql.push(" AND deliveries.id < ").push_bind(number(id));
        }
        sql.push(" ORDER BY deliveries.id DESC LIMIT ");
        sql.push_bind(i64::from(query.limit));
        let rows = self.looking(sql.build().fetch_all(self.reading())).await?;
        rows.iter().map(delivery).collect()
    }

    async fn delivery(&self, id: u64) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("{SELECT} WHERE deliveries.id = $1");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(number(id));
        let row = self.soon(query.fetch_optional(self.reading())).await?;
        row.as_ref().map(delivery).transpose()
    }

    async fn expire_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // what another process is removing is left to it
        let sql = format!(
            "DELETE FROM deliveries WHERE id IN (
                 SELECT id FROM deliveries WHERE at < $1 ORDER BY id LIMIT $2{SKIP_LOCKED})"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(stamp(before))
            .bind(i64::from(limit));
        let removed = self.in_time(query.execute(self.writing())).await?.rows_affected();
        let query = sqlx::query("DELETE FROM known_senders WHERE last_at < $1").bind(stamp(before));
        self.in_time(query.execute(self.writing())).await?;
        Ok(removed)
    }

    async fn thin_refused_deliveries(&self, most: u32, most_of_one: u32) -> Result<u64, StoreError> {
        // the second condition is that of the index
        let sql = "DELETE FROM deliveries WHERE id IN (
                       SELECT id FROM (
                           SELECT id, row_number() OVER (ORDER BY id DESC) AS place,
                                  row_number() OVER (PARTITION BY sender ORDER BY id DESC) AS place_of_one
                           FROM deliveries WHERE outcome = 'refused' AND outcome <> 'recorded'
                       ) AS refused WHERE place > $1 OR place_of_one > $2)";
        let query = sqlx::query(sql).bind(i64::from(most)).bind(i64::from(most_of_one));
        Ok(self.in_time(query.execute(self.writing())).await?.rows_affected())
    }
}

fn push_about(sql: &mut QueryBuilder<Db>, about: &About) {
    sql.push(" AND (deliveries.position ").push(ANY.0);
    sql.push_bind(list(about.positions.iter().copied().map(to_i64)))
        .push(ANY.1);
    sql.push(" OR deliveries.outcome <> 'recorded' AND (1 = 0");
    if let Some(id) = &about.event_id {
        sql.push(" OR deliveries.event_id = ").push_bind(id.as_str().to_owned());
    }
    if let Some(id) = &about.order_id {
        sql.push(" OR deliveries.order_id = ").push_bind(id.as_str().to_owned());
    }
    if let Some(domain) = &about.domain {
        // a domain's name has neither % nor _
        sql.push(" OR ' ' || deliveries.domains || ' ' LIKE ")
            .push_bind(format!("% {domain} %"));
    }
    sql.push("))");
}

/// The stored outcome does not tell an unknown kind: the event's type does.
fn push_outcomes(sql: &mut QueryBuilder<Db>, outcomes: &[DeliveryOutcome]) {
    if outcomes.is_empty() {
        return;
    }
    let has = |outcome| outcomes.contains(&outcome);
    let stored = outcomes.iter().map(|outcome| match outcome {
        DeliveryOutcome::Unrecognised => DeliveryOutcome::Recorded.as_str(),
        other => other.as_str(),
    });
    sql.push(" AND deliveries.outcome ").push(ANY.0);
    sql.push_bind(list(stored)).push(ANY.1);
    match (has(DeliveryOutcome::Recorded), has(DeliveryOutcome::Unrecognised)) {
        (true, true) => {}
        // by the index of the others
        (false, false) => {
            sql.push(" AND deliveries.outcome <> 'recorded'");
        }
        (known, _) => {
            sql.push(" AND (deliveries.outcome <> 'recorded' OR coalesce(events.type, '') ");
            sql.push(if known { "<> " } else { "= " });
            sql.push_bind(UNKNOWN_KIND).push(")");
        }
    }
}

fn delivery(row: &DbRow) -> Result<Delivery, StoreError> {
    let outcome = DeliveryOutcome::of(row.try_get("outcome")?);
    let outcome = outcome.ok_or_else(|| StoreError::Corrupt("a delivery's outcome is none".to_owned()))?;
    let type_name: Option<String> = row.try_get("type")?;
    let outcome = match outcome {
        DeliveryOutcome::Recorded if type_name.as_deref() == Some(UNKNOWN_KIND) => DeliveryOutcome::Unrecognised,
        outcome => outcome,
    };
    let Position(id) = super::columns::position(row, "id")?;
    let event_id: Option<String> = row.try_get("event_id")?;
    Ok(Delivery {
        id,
        at: moment(row, "at")?,
        source: Source::parse(row.try_get("source")?)?,
        address: row.try_get("address")?,
        outcome,
        cause: row.try_get("cause")?,
        status: u16::try_from(unsigned(row, "status")?).unwrap_or(u16::MAX),
        request_id: row.try_get("request_id")?,
        position: optional_position(row, "position")?,
        event_id: event_id.map(EventId::try_from).transpose()?,
    })
}
