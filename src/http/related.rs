//! Rows that are found through the ledger's references or through another view: for these no index is kept.

use aggregates::{Domain, OrderId, SubscriptionId};
use projections::orders::Orders;
use projections::{Projection, Value};
use store::{Comparison, Condition, Reference, Store};

use super::Problem;
use super::reading::Reading;

/// That a row is that of an order which a domain belongs to, or that names it as failed. The rows of orders that had not yet got it, at
/// an earlier moment, pass too.
pub(super) async fn orders_with(store: &dyn Store, domain: &Domain) -> Result<Condition, Problem> {
    let failed = store::NamedBy {
        projection: projections::failures::Failures::NAME,
        matching: "domain",
        names: "order_id",
    };
    let assigned = runner::orders_by(store, Reference::domain(domain)).await?;
    let values = [domain.as_str().into()].into_iter();
    Ok(Condition {
        column: "order_id",
        comparison: Comparison::NamedBy(failed),
        values: values
            .chain(assigned.into_iter().map(|id| id.as_str().into()))
            .collect(),
    })
}

/// That a row is that of a domain of one of these orders.
pub(super) async fn domains_of(reading: &Reading<'_>, orders: &[OrderId]) -> Result<Condition, Problem> {
    let keys: Vec<&str> = orders.iter().map(OrderId::as_str).collect();
    let mut values: Vec<Value> = Vec::new();
    for (key, view) in reading.views::<Orders>(&keys).await? {
        values.extend(
            view.item(&key)
                .domains
                .into_iter()
                .map(|domain| domain.domain.as_str().into()),
        );
    }
    Ok(Condition {
        column: "domain",
        comparison: Comparison::OneOf,
        values,
    })
}

/// That a row is that of a domain of an order that a subscription belongs to.
pub(super) async fn domains_paid_by(
    reading: &Reading<'_>,
    store: &dyn Store,
    subscription: &SubscriptionId,
) -> Result<Condition, Problem> {
    let orders = runner::orders_by(store, Reference::subscription(subscription)).await?;
    domains_of(reading, &orders).await
}
