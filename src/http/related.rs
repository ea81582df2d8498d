//! Rows found through the log's references or another view, without an index of their own.

use std::collections::BTreeSet;

use aggregates::{Domain, OrderId, SubscriptionId};
use projections::renewals::Renewals;
use projections::{Projection, Value};
use store::{Comparison, Condition, Reference, Store};

use super::Problem;

/// Condition for rows of orders that the domain was assigned to or failed for. As of an earlier moment, orders that
/// were assigned it later pass too.
pub(super) async fn orders_with(store: &dyn Store, domain: &Domain) -> Result<Condition, Problem> {
    let failed = store::NamedBy {
        projection: projections::failures::Failures::NAME,
        matching: "domain",
        names: "order_id",
    };
    let assigned = runner::orders_of_domain(store, domain).await?;
    let values = [domain.as_str().into()].into_iter();
    Ok(Condition {
        column: "order_id",
        comparison: Comparison::NamedBy(failed),
        values: values
            .chain(assigned.into_iter().map(|id| id.as_str().into()))
            .collect(),
    })
}

/// Conditions for failures of a domain: that name it, or a subscription of it, since a failed renewal need not.
pub(super) fn of_domain(domain: &str) -> Vec<Condition> {
    vec![
        Condition::equal("domain", domain),
        of_subscriptions("domain", domain.into()),
    ]
}

/// Condition for rows of the subscriptions whose column has this value.
pub(super) fn of_subscriptions(matching: &'static str, value: Value) -> Condition {
    Condition {
        column: "subscription_id",
        comparison: Comparison::NamedBy(store::NamedBy {
            projection: Renewals::NAME,
            matching,
            names: "subscription_id",
        }),
        values: vec![value],
    }
}

/// The most domains that a query lists.
const LISTED: usize = 1_000;

/// Condition for rows of an order's domains; none if they are too many to list.
pub(super) async fn domains_of(store: &dyn Store, order: &OrderId) -> Result<Option<Condition>, Problem> {
    Ok(one_of(runner::domains_of_order(store, order).await?))
}

/// Condition for rows of domains with the subscription; none if they are too many to list.
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
