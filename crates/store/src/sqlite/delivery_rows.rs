//! Inserting deliveries on SQLite.

use sqlx::AssertSqlSafe;

use super::values::{DbConnection, chunks, tuples};
use crate::clock::rfc3339_micros;
use crate::log::to_i64;
use crate::{NewDelivery, StoreError};

/// Inserts deliveries in the caller's transaction.
pub(super) async fn insert(tx: &mut DbConnection, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
    for chunk in chunks(deliveries) {
        let tuples = tuples(chunk.len(), 12);
        let sql = format!(
            "INSERT INTO deliveries (at, source, address, sender, outcome, cause, status, request_id, position, event_id, order_id,
                                     domains) VALUES {tuples}"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for one in chunk {
            query = query
                .bind(rfc3339_micros(one.at))
                .bind(one.source.as_str())
                .bind(one.address.as_str())
                .bind(one.sender.as_str())
                .bind(one.outcome.as_str())
                .bind(one.cause.as_deref())
                .bind(i64::from(one.status))
                .bind(one.request_id.as_str())
                .bind(one.position.map(to_i64))
                .bind(one.event_id.as_ref().map(|id| id.as_str()))
                .bind(one.order_id.as_ref().map(|id| id.as_str()))
                .bind(one.domains.as_deref());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}
