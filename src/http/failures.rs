//! `/api/v1/failures`: every failed domain of every failed webhook, and how many there are by reason, day, provider or
//! domain.

use aggregates::UserId;
use projections::Projection;
use projections::failures::{Failure, Failures};
use utoipa::openapi::schema::Object;

use super::auth::{Read, Scope};
use super::extract::one_of;
use super::prelude::*;
use crate::uri::path_segment;
use store::Count;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// How failures are grouped.
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
}

/// A row, or a count with `groupBy`.
#[derive(Serialize)]
#[serde(untagged)]
enum FailureItem {
    #[serde(rename_all = "camelCase")]
    Row {
        #[serde(flatten)]
        failure: Box<Failure>,
        order_url: String,
        event_url: String,
    },
    Count {
        value: Option<String>,
        count: i64,
    },
}

impl FailureItem {
    fn row(failure: Failure) -> Self {
        Self::Row {
            order_url: format!("/api/v1/orders/{}", path_segment(failure.order_id.as_str())),
            event_url: format!("/api/v1/events?after={}&limit=1", failure.position.0.saturating_sub(1)),
            failure: Box::new(failure),
        }
    }
}

/// Failures, newest first; or their counts.
#[utoipa::path(
    get, path = "/api/v1/failures", operation_id = "listFailures", tag = "failures",
    params(Filter, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<documents::FailureItem>, description = "A page of failures, or the counts."))
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<FailureItem>>, Problem> {
    let conditions = Conditions::default()
        .between("happened_at", filter.from, filter.to)
        .equal("reason", filter.reason)
        .in_any_case("service_provider", filter.provider)
        .equal("domain", filter.domain)
        .equal("user_id", filter.user_id.map(String::from));
    let newest_first = descending("position");
    if filter.group_by.is_some() && (page.limit.is_some() || page.after.is_some()) {
        let detail = "query parameter groupBy: all counts come on one page, so limit and after cannot go with it";
        return Err(Problem::bad_request(detail));
    }
    let reading = Reading::of_list(&app, scope.caller(), &[Failures::NAME], wanted, page.after()).await?;
    let Some(group) = filter.group_by else {
        let rows = reading.rows::<Failures>(conditions, newest_first, &page).await?;
        let failures = rows.rows.into_iter().filter_map(|(_, view)| view);
        return Ok(reading.answer(Page {
            items: failures.map(FailureItem::row).collect(),
            next: rows.next,
        }));
    };
    let counts = reading
        .counts::<Failures>(conditions, newest_first, group.column())
        .await?;
    let items = counts
        .into_iter()
        .map(|Count { value, count }| FailureItem::Count { value, count });
    Ok(reading.answer(Page {
        items: items.collect(),
        next: None,
    }))
}
