//! `/api/v1/renewals`: until when each subscription is paid, and how its renewals went.

use std::sync::Arc;

use aggregates::UserId;
use axum::extract::State;
use jiff::Timestamp;
use jiff::tz::Offset;
use projections::renewals::{NEVER_DUE, RenewalItem, Renewals};
use projections::{Projection, SubscriptionStatus};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa::openapi::schema::Object;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Read, Scope};
use super::extract::{DomainName, Limit, Query, TimeParameter, one_of};
use super::list::{Conditions, Page};
use super::problem::Refusals;
use super::reading::{Answer, AsOf, AtLeast, Reading, Wanted, When};
use super::{App, Problem};
use store::{Comparison, SortOrder};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

fn statuses() -> Object {
    one_of(
        "The state of the subscription.",
        &[
            "unknown",
            "active",
            "renewing",
            "renewalFailed",
            "pastDue",
            "expired",
            "cancelled",
        ],
    )
}

/// How a subscription is doing.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    /// Its state.
    #[schema(schema_with = statuses)]
    status: SubscriptionStatus,
    /// The last known end of what is paid for.
    expiry_date: Option<Timestamp>,
    /// Whether that is up to date: not if it was renewed since by an event that did not say until when.
    expiry_known: bool,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
    /// When it was last renewed.
    last_renewal: Option<Timestamp>,
}

impl From<RenewalItem> for Subscription {
    fn from(item: RenewalItem) -> Self {
        Self {
            status: item.status,
            expiry_date: item.expiry_date,
            expiry_known: item.expiry_known,
            auto_renew: item.auto_renew,
            last_renewal: item.last_renewal,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// Only those that run out then or later: an RFC 3339 time, or a date (its start in UTC).
    #[param(value_type = Option<String>, example = "2025-11-01")]
    from: Option<TimeParameter>,
    /// Only those that run out before then: an RFC 3339 time, or a date (its start in UTC).
    #[param(value_type = Option<String>, example = "2025-12-01")]
    to: Option<TimeParameter>,
    /// The subscription's state.
    #[param(schema_with = statuses, required = false)]
    status: Option<SubscriptionStatus>,
    /// Whose it is.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// What it is for.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    after: Option<String>,
    /// See [`When`].
    #[param(ignore)]
    as_of: Option<AsOf>,
    /// See [`When`].
    #[param(ignore)]
    at_least: Option<u64>,
}

/// A subscription and its renewals.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    /// The subscription.
    subscription_id: String,
    /// What it is for.
    domain: Option<String>,
    /// The order that opened it.
    order_id: Option<String>,
    /// Whose it is.
    user_id: Option<String>,
    /// Google, Microsoft, …, as the provider writes it.
    service_provider: Option<String>,
    /// How many mailboxes it holds.
    mailbox_count: u32,
    /// The last known end of what is paid for.
    expiry_date: Option<Timestamp>,
    /// Whether that is up to date: not if it was renewed since by an event that did not say until when.
    expiry_known: bool,
    /// From today (of an answer as of an earlier moment: from that day) to the day on which it runs out, both in UTC: 0
    /// on that day, negative after it; null while the end is not known.
    days_left: Option<i32>,
    /// Its state.
    #[schema(schema_with = statuses)]
    status: SubscriptionStatus,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
    /// When it was last renewed.
    last_renewal: Option<Timestamp>,
    /// How many renewals were reported.
    renewals: u32,
    /// How many failed renewals were reported.
    failures: u32,
    /// Why the newest failure came about.
    last_failure_reason: Option<String>,
}

impl Renewal {
    fn new(item: RenewalItem, now: Timestamp) -> Self {
        let end = item.expiry_date.filter(|_| item.expiry_known);
        Self {
            days_left: end.map(|end| days_between(now, end)),
            subscription_id: item.subscription_id,
            domain: item.domain.map(Into::into),
            order_id: item.order_id.map(Into::into),
            user_id: item.user_id.map(Into::into),
            service_provider: item.service_provider.map(|provider| provider.0),
            mailbox_count: item.mailbox_count,
            expiry_date: item.expiry_date,
            expiry_known: item.expiry_known,
            status: item.status,
            auto_renew: item.auto_renew,
            last_renewal: item.last_renewal,
            renewals: item.renewals,
            failures: item.failures,
            last_failure_reason: item.last_failure_reason,
        }
    }
}

fn days_between(now: Timestamp, end: Timestamp) -> i32 {
    let day = |moment| Offset::UTC.to_datetime(moment).date();
    let hours = day(end).duration_since(day(now)).as_hours();
    // 20,000 years are some seven million days
    i32::try_from(hours / 24).unwrap_or(i32::MAX)
}

/// Subscriptions, soonest due first; those whose end was never known come last.
#[utoipa::path(
    get,
    path = "/api/v1/renewals",
    operation_id = "listRenewals",
    tag = "renewals",
    params(Filter, When, AtLeast),
    security(("bearer" = ["read"])),
    responses(
        (
            status = 200,
            body = Page<Renewal>,
            description = "A page of subscriptions.",
            headers(("Warmledger-Position" = u64, description = "The position that the answer stands for."))
        ),
        Refusals
    )
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    Query(filter): Query<Filter>,
    header: AtLeast,
) -> Result<Answer<Page<Renewal>>, Problem> {
    let wanted = Wanted::new(filter.as_of, filter.at_least, header)?;
    let after = filter.after.as_deref();
    let reading = Reading::of_list(&app, scope.caller(), &[Renewals::NAME], wanted, after).await?;
    // a range leaves out those that stand at the very end for want of a date
    let end = match (&filter.from, filter.to) {
        (_, Some(TimeParameter(to))) => Some(to.min(NEVER_DUE)),
        (Some(_), None) => Some(NEVER_DUE),
        (None, None) => None,
    };
    let conditions = Conditions::default()
        .and("due", Comparison::AtLeast, filter.from.map(|from| from.0))
        .and("due", Comparison::LessThan, end)
        .equal("status", filter.status)
        .equal("user_id", filter.user_id.map(String::from))
        .equal("domain", filter.domain.map(|domain| String::from(domain.0)));
    let soonest_first = SortOrder {
        column: "due",
        descending: false,
    };
    let rows = reading
        .rows::<Renewals>(conditions, soonest_first, filter.limit, after)
        .await?;
    let now = reading.time();
    Ok(reading.answer(rows.into_page(|(key, view)| Renewal::new(view.item(&key), now))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_in_utc() {
        let days = |now: &str, end: &str| days_between(now.parse().unwrap(), end.parse().unwrap());
        assert_eq!(days("2025-11-20T23:59:00Z", "2025-11-27T00:01:00Z"), 7);
        assert_eq!(days("2025-11-27T00:00:00Z", "2025-11-27T23:59:59Z"), 0);
        assert_eq!(days("2025-11-28T00:00:00Z", "2025-11-27T23:59:59Z"), -1);
        assert_eq!(days("2024-02-28T12:00:00Z", "2024-03-01T12:00:00Z"), 2);
    }
}
