//! `/api/v1/renewals`: until when each subscription is paid, and the results of its renewals.

use aggregates::UserId;
use jiff::tz::Offset;
use projections::renewals::{NEVER_DUE, RenewalItem, Renewals};
use projections::{Projection, SubscriptionStatus};

use super::auth::{Read, Scope};
use super::prelude::*;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// How a subscription is doing.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    /// Its state.
    #[schema(schema_with = documents::subscription_statuses)]
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
    #[param(schema_with = documents::subscription_statuses, required = false)]
    status: Option<SubscriptionStatus>,
    /// Whose it is.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// What it is for.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
}

/// A subscription and its renewals, and the days it has left.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    #[serde(flatten)]
    item: RenewalItem,
    days_left: Option<i32>,
}

impl Renewal {
    fn new(item: RenewalItem, now: Timestamp) -> Self {
        let end = item.expiry_date.filter(|_| item.expiry_known);
        let days_left = end.map(|end| days_between(now, end));
        Self { item, days_left }
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
    get, path = "/api/v1/renewals", operation_id = "listRenewals", tag = "renewals",
    params(Filter, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<documents::Renewal>, description = "A page of subscriptions."))
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<Renewal>>, Problem> {
    let reading = Reading::of_list(&app, scope.caller(), &[Renewals::NAME], wanted, page.after()).await?;
    // a range leaves out rows without a date, which sort to the very end
    let end = filter
        .to
        .map(|to| to.0.min(NEVER_DUE))
        .or(filter.from.map(|_| NEVER_DUE));
    let conditions = Conditions::default()
        .between("due", filter.from, end.map(TimeParameter))
        .equal("status", filter.status)
        .equal("user_id", filter.user_id.map(String::from))
        .equal("domain", filter.domain);
    let rows = reading.rows::<Renewals>(conditions, ascending("due"), &page).await?;
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
