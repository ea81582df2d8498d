//! `/api/v1/failures`: every failed domain of every failed webhook, and how many there are by reason, day, provider or
//! domain.

use std::sync::Arc;

use aggregates::UserId;
use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;
use projections::Projection;
use projections::failures::{Failure as FailureView, Failures};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa::openapi::schema::Object;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Read, Scope};
use super::extract::{DomainName, Limit, Query, TimeParameter, Words, one_of};
use super::list::{Conditions, Page};
use super::problem::Refusals;
use super::reading::{Answer, AsOf, AtLeast, Reading, Wanted, When};
use super::{App, Problem};
use crate::uri::path_segment;
use store::{Comparison, SortOrder};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What failures are counted by.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum GroupBy {
    Reason,
    Day,
    Provider,
    Domain,
}

impl GroupBy {
    fn column(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Day => "day",
            Self::Provider => "service_provider",
            Self::Domain => "domain",
        }
    }
}

fn groups() -> Object {
    one_of(
        "Answers how many there are of each value, most first, instead of the rows. All values come on one page, so \
         `limit` and `after` are not for it.",
        &["reason", "day", "provider", "domain"],
    )
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// Only what happened then or later: an RFC 3339 time, or a date (its start in UTC).
    #[param(value_type = Option<String>, example = "2025-10-01")]
    from: Option<TimeParameter>,
    /// Only what happened before then: an RFC 3339 time, or a date (its start in UTC).
    #[param(value_type = Option<String>, example = "2025-11-01")]
    to: Option<TimeParameter>,
    /// The reason, in the provider's words.
    #[param(value_type = Option<String>)]
    reason: Option<Words>,
    /// The provider behind the mailboxes, e.g. `GOOGLE`; or `google`, or `Google`.
    #[param(value_type = Option<String>)]
    provider: Option<Words>,
    /// The domain that failed.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// Who ordered.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Counts instead of rows.
    #[param(schema_with = groups, required = false)]
    group_by: Option<GroupBy>,
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

/// One failed domain of one failed webhook.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    /// The order.
    order_id: String,
    /// Where the order is to be found.
    order_url: String,
    /// The domain; null if the order failed as a whole.
    domain: Option<String>,
    /// The provider's words.
    reason: Option<String>,
    /// Google, Microsoft, …, as the provider writes it.
    service_provider: Option<String>,
    /// Who ordered.
    user_id: Option<String>,
    /// The position of the event.
    position: u64,
    /// Where the event is to be found, with the scope `audit`.
    event_url: String,
    /// The sender's id of the event.
    event_id: String,
    /// Who sent it.
    source: String,
    /// When the provider sent it; when it was recorded, where the sender did not say.
    happened_at: Timestamp,
    /// When it was recorded.
    recorded_at: Timestamp,
    /// The day on which it happened, UTC.
    #[schema(value_type = String, format = Date)]
    day: Date,
}

impl From<FailureView> for Failure {
    fn from(view: FailureView) -> Self {
        Self {
            order_url: format!("/api/v1/orders/{}", path_segment(view.order_id.as_str())),
            order_id: view.order_id.into(),
            domain: view.domain.map(Into::into),
            reason: view.reason,
            service_provider: view.service_provider.map(|provider| provider.0),
            user_id: view.user_id.map(Into::into),
            position: view.position.0,
            event_url: format!("/api/v1/events?after={}&limit=1", view.position.0.saturating_sub(1)),
            event_id: view.event_id.into(),
            source: view.source.into(),
            happened_at: view.happened_at,
            recorded_at: view.recorded_at,
            day: view.day,
        }
    }
}

/// How many failures share a value.
#[derive(Serialize, utoipa::ToSchema)]
struct FailureCount {
    /// The value; null where the failures have none.
    value: Option<String>,
    /// How many failures.
    count: i64,
}

/// A row, or a count with `groupBy`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum FailureItem {
    /// Without `groupBy`.
    Row(Box<Failure>),
    /// With `groupBy`.
    Count(FailureCount),
}

/// Failures, newest first; or their counts.
#[utoipa::path(
    get,
    path = "/api/v1/failures",
    operation_id = "listFailures",
    tag = "failures",
    params(Filter, When, AtLeast),
    security(("bearer" = ["read"])),
    responses(
        (
            status = 200,
            body = Page<FailureItem>,
            description = "A page of failures, or the counts.",
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
) -> Result<Answer<Page<FailureItem>>, Problem> {
    let conditions = Conditions::default()
        .and("happened_at", Comparison::AtLeast, filter.from.map(|from| from.0))
        .and("happened_at", Comparison::LessThan, filter.to.map(|to| to.0))
        .equal("reason", filter.reason.map(|reason| reason.0))
        .in_any_case("service_provider", filter.provider)
        .equal("domain", filter.domain.map(|domain| String::from(domain.0)))
        .equal("user_id", filter.user_id.map(String::from));
    let newest_first = SortOrder {
        column: "position",
        descending: true,
    };
    let wanted = Wanted::new(filter.as_of, filter.at_least, header)?;
    let (views, after) = ([Failures::NAME], filter.after.as_deref());
    if let Some(group) = filter.group_by {
        if filter.limit.is_some() || filter.after.is_some() {
            let detail = "query parameter groupBy: all counts come on one page, so limit and after cannot go with it";
            return Err(Problem::bad_request(detail));
        }
        let reading = Reading::of_list(&app, scope.caller(), &views, wanted, None).await?;
        let counts = reading
            .counts::<Failures>(conditions, newest_first, group.column())
            .await?;
        let items = counts.into_iter().map(|count| {
            FailureItem::Count(FailureCount {
                value: count.value,
                count: count.count,
            })
        });
        return Ok(reading.answer(Page {
            items: items.collect(),
            next: None,
        }));
    }
    let reading = Reading::of_list(&app, scope.caller(), &views, wanted, after).await?;
    let rows = reading
        .rows::<Failures>(conditions, newest_first, filter.limit, after)
        .await?;
    let failures = rows.rows.into_iter().filter_map(|(_, view)| view);
    Ok(reading.answer(Page {
        items: failures.map(|view| FailureItem::Row(Box::new(view.into()))).collect(),
        next: rows.next,
    }))
}
