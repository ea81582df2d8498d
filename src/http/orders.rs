//! `/api/v1/orders`: the state of each order, and its timeline.

use aggregates::{OrderId, StreamId, UserId};
use projections::Projection;
use projections::failures::Failures;
use projections::orders::{OrderItem, OrderStatus, Orders};
use serde_json::value::RawValue;

use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::erased::Erasures;
use super::extract::Email;
use super::list::cut;
use super::prelude::*;
use super::related;
use crate::access;
use store::{EventFilter, EventQuery, StoreError, StoredEvent};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(timeline))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// What became of the order.
    #[param(schema_with = documents::order_statuses, required = false)]
    status: Option<OrderStatus>,
    /// Who ordered.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// One of the order's domains.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// The provider behind the mailboxes, e.g. `GOOGLE`; or `google`, or `Google`.
    #[param(value_type = Option<String>)]
    provider: Option<Words>,
    /// An e-mail address, in any case: the customer's own, or that of a mailbox of the order.
    #[param(value_type = Option<String>, format = "email")]
    email: Option<Email>,
}

/// An order, and whether its user was erased since.
#[derive(Serialize)]
struct Order {
    #[serde(flatten)]
    item: OrderItem,
    erased: bool,
}

impl Order {
    fn new(item: OrderItem, erasures: &Erasures) -> Self {
        let erased = erasures.since(item.user_id.as_ref(), item.first_position);
        Self { item, erased }
    }
}

/// Orders, newest first. `from` and `to` are about when the first of an order's webhooks was recorded.
#[utoipa::path(
    get, path = "/api/v1/orders", operation_id = "listOrders", tag = "orders",
    params(Filter, Range, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<documents::Order>, description = "A page of orders."))
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    range: Range,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<Order>>, Problem> {
    let views = [Orders::NAME, Failures::NAME];
    // the second view serves the search for a domain only
    let views = &views[..1 + usize::from(filter.domain.is_some())];
    let reading = Reading::of_list(&app, scope.caller(), views, wanted, page.after()).await?;
    let domain = filter.domain.map(|domain| domain.0);
    let has_domain = match &domain {
        Some(domain) => Some(related::orders_with(&*app.store, domain).await?),
        None => None,
    };
    let matches = Matches::of_any(&app, filter.email.as_ref()).await?;
    let conditions = Conditions::default()
        .between("first_recorded_at", range)
        .equal("status", filter.status.map(OrderStatus::as_str))
        .equal("user_id", filter.user_id.map(String::from))
        .in_any_case("service_provider", filter.provider)
        .also(has_domain)
        .either(matches.map(|matches| matches.of_orders()));
    let newest_first = descending("first_position");
    let rows = reading.rows::<Orders>(conditions, newest_first, &page).await?;
    let next = rows.next;
    let items = rows.rows.into_iter().map(|(key, view)| view.item(&key));
    let has_it = |item: &OrderItem| {
        domain
            .as_ref()
            .is_none_or(|domain| item.domains.iter().any(|own| own.domain == *domain))
    };
    let items: Vec<OrderItem> = items.filter(has_it).collect();
    let erasures = Erasures::of(&*app.store, items.iter().map(|item| item.user_id.as_ref())).await?;
    let items = items.into_iter().map(|item| Order::new(item, &erasures));
    Ok(reading.answer(Page {
        items: items.collect(),
        next,
    }))
}

/// One order.
#[utoipa::path(
    get, path = "/api/v1/orders/{orderId}", operation_id = "getOrder", tag = "orders",
    params(("orderId" = String, Path, description = "The order."), Wanted),
    security(("bearer" = ["read"])),
    responses(
        (status = 200, body = documents::Order, description = "The order."),
        (status = 404, description = "No such order.")
    )
)]
async fn show(
    _: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<OrderId>,
    wanted: Wanted,
    _: Query<NoParameters>,
) -> Result<Answer<Order>, Problem> {
    let reading = Reading::of_keys(&app, &[Orders::NAME], wanted).await?;
    let view = reading.row::<Orders>(id.as_str()).await?;
    let view = reading.found(view, "no such order is known")?;
    let item = view.item(id.as_str());
    let erasures = Erasures::of(&*app.store, [item.user_id.as_ref()].into_iter()).await?;
    Ok(reading.answer(Order::new(item, &erasures)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TimelinePage {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
    /// The `next` of the page before: only events after this position.
    #[param(value_type = Option<u64>)]
    after: Option<Number>,
}

/// An event of an order's timeline. Nothing that is sealed is in it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct TimelineEvent {
    /// Its place in the ledger.
    position: u64,
    /// Its place in the order's stream: 1, 2, 3, …
    version: u32,
    /// What happened.
    #[serde(rename = "type")]
    type_name: String,
    /// When it was recorded.
    recorded_at: Timestamp,
    /// The sender's id of it.
    event_id: String,
    /// Who sent it.
    source: String,
    /// The plain facts.
    #[schema(value_type = Object)]
    facts: Box<RawValue>,
}

impl TryFrom<StoredEvent> for TimelineEvent {
    type Error = StoreError;

    fn try_from(event: StoredEvent) -> Result<Self, StoreError> {
        Ok(Self {
            position: event.position.0,
            version: event.version,
            recorded_at: event.recorded_at,
            event_id: event.event_id.into(),
            source: event.source.into(),
            facts: RawValue::from_string(event.facts)
                .map_err(|error| StoreError::Corrupt(format!("facts at position {}: {error}", event.position)))?,
            type_name: event.type_name,
        })
    }
}

/// An order's timeline: its events, oldest first.
///
/// The first timeline that is read with a token from an address is recorded, once an hour.
#[utoipa::path(
    get, path = "/api/v1/orders/{orderId}/events", operation_id = "listOrderEvents", tag = "orders",
    params(("orderId" = String, Path, description = "The order."), TimelinePage),
    security(("bearer" = ["read"])),
    responses(
        (
            status = 200, body = Page<TimelineEvent>, description = "A page of the order's events.",
            headers(("Warmledger-Position" = u64, description = "The position up to which the answer holds every event."))
        ),
        (status = 404, description = "No such order.")
    )
)]
async fn timeline(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<OrderId>,
    Query(page): Query<TimelinePage>,
) -> Result<Answer<Page<TimelineEvent>>, Problem> {
    app.journal.read(scope.caller(), access::Read::Timelines).await?;
    let head = app.store.head().await?.position;
    let limit = page.limit.unwrap_or_default().get();
    let query = EventQuery {
        after: aggregates::Position(page.after.map_or(0, |after| after.0)),
        limit: limit + 1,
        filter: EventFilter {
            stream: Some(StreamId::order(&id)),
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    let mut events = app.store.events(&query).await?;
    if events.is_empty() && page.after.is_none() {
        return Err(Problem::not_found("no such order is known").at(head));
    }
    let next = cut(&mut events, limit).map(|last| last.position.to_string());
    let items = events.into_iter().map(TimelineEvent::try_from);
    let page = Page {
        items: items.collect::<Result<_, _>>()?,
        next,
    };
    Ok(Answer::new(head, page))
}
