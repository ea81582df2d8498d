//! Inserting deliveries on PostgreSQL.

use jiff_sqlx::ToSqlx;

use super::values::DbConnection;
use crate::log::to_i64;
use crate::{NewDelivery, StoreError};

const INSERT: &str = "
    INSERT INTO deliveries (at, source, address, sender, outcome, cause, status, request_id, position, event_id, order_id, domains)
    SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[],
                         $9::bigint[], $10::text[], $11::text[], $12::text[])";

/// Inserts deliveries in the caller's transaction.
pub(super) async fn insert(tx: &mut DbConnection, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
    fn all<'d, T>(deliveries: &'d [NewDelivery], field: impl Fn(&'d NewDelivery) -> T) -> Vec<T> {
        deliveries.iter().map(field).collect()
    }
    sqlx::query(INSERT)
        .bind(all(deliveries, |one| one.at.to_sqlx()))
        .bind(all(deliveries, |one| one.source.as_str()))
        .bind(all(deliveries, |one| one.address.as_str()))
        .bind(all(deliveries, |one| one.sender.as_str()))
        .bind(all(deliveries, |one| one.outcome.as_str()))
        .bind(all(deliveries, |one| one.cause.as_deref()))
        .bind(all(deliveries, |one| i32::from(one.status)))
        .bind(all(deliveries, |one| one.request_id.as_str()))
        .bind(all(deliveries, |one| one.position.map(to_i64)))
        .bind(all(deliveries, |one| one.event_id.as_ref().map(|id| id.as_str())))
        .bind(all(deliveries, |one| one.order_id.as_ref().map(|id| id.as_str())))
        .bind(all(deliveries, |one| one.domains.as_deref()))
        .execute(tx)
        .await?;
    Ok(())
}
