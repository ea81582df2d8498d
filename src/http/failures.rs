//! `/api/v1/failures`: everything that failed, what of it was made good, and how many there are by reason, kind, day,
//! provider, domain or customer.
//!
//! - `refused`: webhooks that were refused

mod refused;

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{Domain, OrderId, SubscriptionId, UserId};
use projections::Projection;
use projections::domains::{Domains, RegistrationView};
use projections::failures::{Failure, FailureKind, Failures};
use projections::mailboxes::Mailboxes;
use projections::orders::{OrderView, Orders};
use projections::renewals::{RenewalView, Renewals};
use utoipa::openapi::schema::Object;

use self::refused::Wanting;
use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::extract::{Email, one_of};
use super::prelude::*;
use super::related::of_domain;
use crate::uri::path_segment;
use store::Count;

/// The views read for a list.
const VIEWS: [&str; 5] = [
    Failures::NAME,
    Orders::NAME,
    Renewals::NAME,
    Domains::NAME,
    Mailboxes::NAME,
];

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// How failures are grouped.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum GroupBy {
    Reason,
    Kind,
    Day,
    Provider,
    Domain,
    UserId,
}

impl GroupBy {
    fn column(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Kind => "kind",
            Self::Day => "day",
            Self::Provider => "service_provider",
            Self::Domain => "domain",
            Self::UserId => "user_id",
        }
    }
}

fn groups() -> Object {
    one_of(
        "Answers how many there are of each value, most first, instead of the rows. All values come on one page, so \
         `limit` and `after` are not for it.",
        &["reason", "kind", "day", "provider", "domain", "userId"],
    )
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// What failed.
    #[param(schema_with = documents::failure_filters, required = false)]
    kind: Option<Wanting>,
    /// The reason, in the provider's words.
    #[param(value_type = Option<String>)]
    reason: Option<Words>,
    /// The provider behind the mailboxes, e.g. `GOOGLE`; or `google`, or `Google`.
    #[param(value_type = Option<String>)]
    provider: Option<Words>,
    /// The domain that failed, or whose renewal did.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// The customer whom the webhook names.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// An e-mail address, in any case: the customer's own, or that of a mailbox under the domain.
    #[param(value_type = Option<String>, format = "email")]
    email: Option<Email>,
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
        order_url: Option<String>,
        event_url: String,
        mailboxes: Option<u64>,
        resolved_at: Option<Timestamp>,
    },
    Count {
        value: Option<String>,
        count: i64,
    },
    Refused(documents::RefusedFailure),
}

/// Failures, newest first; or their counts. Webhooks that were refused come only with `kind=refused`, from the list of
/// deliveries: anybody can make one up.
///
/// Which customers are hit this morning: `?from=today&groupBy=userId`.
#[utoipa::path(
    get, path = "/api/v1/failures", operation_id = "listFailures", tag = "failures",
    params(Filter, Range, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<documents::FailureItem>, description = "A page of failures, or the counts."))
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    range: Range,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<FailureItem>>, Problem> {
    if matches!(filter.group_by, Some(GroupBy::Day)) && range.zone.is_some() {
        let detail = "query parameter tz: days are counted in UTC; group by day without it";
        return Err(Problem::bad_request(detail));
    }
    if matches!(filter.kind, Some(Wanting::Refused)) {
        if wanted.as_of.is_some() {
            let detail = "query parameter asOf: refused webhooks are in no view, so there is no earlier state of them";
            return Err(Problem::bad_request(detail));
        }
        let (items, next) = refused::list(&app, filter, range, &page).await?;
        let items = items.into_iter().map(FailureItem::Refused).collect();
        return Ok(Answer::new(app.store.head().await?.position, Page { items, next }));
    }
    let kind = filter.kind.and_then(|kind| match kind {
        Wanting::Rows(kind) => Some(kind),
        Wanting::Refused => None,
    });
    let has_domain = filter.domain.is_some();
    let matches = Matches::of_any(&app, filter.email.as_ref()).await?;
    let conditions = Conditions::default()
        .between("happened_at", range)
        .either(matches.map(|matches| matches.of_failures()))
        .equal("kind", kind)
        .equal("reason", filter.reason)
        .in_any_case("service_provider", filter.provider)
        .either(filter.domain.map(|DomainName(domain)| of_domain(domain.as_str())))
        .equal("user_id", filter.user_id.map(String::from));
    let newest_first = descending("position");
    if filter.group_by.is_some() && (page.limit.is_some() || page.after.is_some()) {
        let detail = "query parameter groupBy: all counts come on one page, so limit and after cannot go with it";
        return Err(Problem::bad_request(detail));
    }
    // counts read the failures alone, unless subscriptions say what they are about
    let by_subscription = filter.email.is_some() || has_domain;
    let views = match filter.group_by {
        Some(_) if by_subscription => &[Failures::NAME, Renewals::NAME][..],
        Some(_) => &VIEWS[..1],
        None => &VIEWS,
    };
    let reading = Reading::of_list(&app, scope.caller(), views, wanted, page.after()).await?;
    let Some(group) = filter.group_by else {
        let rows = reading.rows::<Failures>(conditions, newest_first, &page).await?;
        let failures: Vec<Failure> = rows.rows.into_iter().filter_map(|(_, view)| view).collect();
        let known = Known::of(&reading, &failures).await?;
        return Ok(reading.answer(Page {
            items: failures.into_iter().map(|failure| known.row(failure)).collect(),
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

/// What other views know of the things that failed.
struct Known {
    orders: BTreeMap<String, OrderView>,
    renewals: BTreeMap<String, RenewalView>,
    registrations: BTreeMap<String, RegistrationView>,
    /// The number of mailboxes of each domain.
    mailboxes: BTreeMap<String, u64>,
}

impl Known {
    async fn of(reading: &Reading<'_>, failures: &[Failure]) -> Result<Self, Problem> {
        fn keys<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Vec<&'a str> {
            let ids: BTreeSet<&str> = ids.flatten().collect();
            ids.into_iter().collect()
        }
        let orders = keys(
            failures
                .iter()
                .map(|failure| failure.order_id.as_ref().map(OrderId::as_str)),
        );
        let subscriptions = keys(
            failures
                .iter()
                .map(|failure| failure.subscription_id.as_ref().map(SubscriptionId::as_str)),
        );
        let of_domains = failures.iter().filter(|failure| failure.kind == FailureKind::Domain);
        let domains = keys(of_domains.map(|failure| failure.domain.as_ref().map(Domain::as_str)));
        let mailboxes = reading.views::<Mailboxes>(&domains).await?;
        let mailboxes = mailboxes.into_iter().map(|(domain, view)| {
            let count = view.item(&domain).map_or(0, |item| item.mailboxes.len() as u64);
            (domain, count)
        });
        Ok(Self {
            orders: reading.views::<Orders>(&orders).await?.into_iter().collect(),
            renewals: reading.views::<Renewals>(&subscriptions).await?.into_iter().collect(),
            registrations: reading.views::<Domains>(&domains).await?.into_iter().collect(),
            mailboxes: mailboxes.collect(),
        })
    }

    /// A failure with the order, domain and customer of its subscription, what it hits, and when it was made good.
    fn row(&self, mut failure: Failure) -> FailureItem {
        let (mailboxes, resolved_at) = match failure.kind {
            FailureKind::Assignment | FailureKind::MailboxOrder => {
                let order = failure.order_id.as_ref().and_then(|id| self.orders.get(id.as_str()));
                let made_good = order.and_then(|order| order.made_good_at(failure.domain.as_ref()));
                // mailboxes that were there before make it good at once
                (None, made_good.map(|at| at.max(failure.happened_at)))
            }
            FailureKind::Renewal => {
                let key = failure.subscription_id.as_ref().map_or("", SubscriptionId::as_str);
                let view = self.renewals.get(key);
                let item = view.map(|view| view.item(key));
                if let Some(item) = &item {
                    failure.domain = item.domain.clone();
                    failure.order_id = item.order_id.clone();
                    failure.user_id = failure.user_id.or_else(|| item.user_id.clone());
                }
                let renewed = view.and_then(RenewalView::renewed_at);
                (
                    item.map(|item| u64::from(item.mailbox_count)),
                    renewed.filter(|at| *at >= failure.happened_at),
                )
            }
            FailureKind::Domain => {
                let name = failure.domain.as_ref().map_or("", Domain::as_str);
                let view = self.registrations.get(name);
                let registered = view.and_then(|view| view.registered_at().max(view.renewed_at()));
                (
                    self.mailboxes.get(name).copied(),
                    registered.filter(|at| *at >= failure.happened_at),
                )
            }
            FailureKind::Quarantined => (None, None),
        };
        // an order that only registers a domain has no row
        let order_url = failure
            .order_id
            .as_ref()
            .filter(|_| failure.kind != FailureKind::Domain);
        FailureItem::Row {
            order_url: order_url.map(|id| format!("/api/v1/orders/{}", path_segment(id.as_str()))),
            event_url: format!("/api/v1/events?after={}&limit=1", failure.position.0.saturating_sub(1)),
            mailboxes,
            resolved_at,
            failure: Box::new(failure),
        }
    }
}
