//! `/api/v1/orders`: the state of each order.

use aggregates::{OrderId, UserId};
use projections::Projection;
use projections::failures::Failures;
use projections::orders::{OrderItem, OrderStatus, Orders};

use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::erased::Erasures;
use super::extract::Email;
use super::prelude::*;
use super::related;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
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
