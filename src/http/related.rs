//! Rows that are found through the ledger's references or through another view: for these no index is kept.

use std::collections::BTreeSet;

use aggregates::{Domain, OrderId, SubscriptionId};
use projections::Projection;
use store::{Comparison, Condition, Reference, Store};

use super::Problem;

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

/// Domains beyond so many are not listed in a query.
const LISTED: usize = 1_000;

/// That a row is that of a domain of an order; none where these are too many to list.
pub(super) async fn domains_of(store: &dyn Store, order: &OrderId) -> Result<Option<Condition>, Problem> {
    Ok(one_of(runner::domains_of_order(store, order).await?))
}

/// That a row is that of a domain where a subscription is found; none where these are too many to list.
pub(super) async fn domains_with(
    store: &dyn Store,
    subscription: &SubscriptionId,
) -> Result<Option<Condition>, Problem> {
    Ok(one_of(
        runner::domains_by(store, Reference::subscription(subscription)).await?,
    ))
}

fn one_of(domains: BTreeSet<Domain>) -> Option<Condition> {
    (domains.len() <= LISTED).then(|| Condition {
        column: "domain",
        comparison: Comparison::OneOf,
        values: domains.iter().map(|domain| domain.as_str().into()).collect(),
    })
}
