//! `/api/v1/domains`: the registration and the subscription of each domain, side by side; and `/api/v1/registrations`:
//! the registrations by themselves, also of domains without mailboxes.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{OrderId, SubscriptionId, UserId};
use projections::Projection;
use projections::domains::{Domains, RegistrationItem, RegistrationStatus};
use projections::mailboxes::{DomainItem, Mailboxes};
use projections::renewals::Renewals;

use super::auth::{Read, Scope};
use super::erased::Erasures;
use super::prelude::*;
use super::related;
use super::renewals::{self, Subscription};

/// The views read for a list.
const VIEWS: [&str; 3] = [Mailboxes::NAME, Renewals::NAME, Domains::NAME];

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(registrations))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// Who ordered.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// The order.
    #[param(value_type = Option<String>)]
    order_id: Option<OrderId>,
    /// The provider behind the mailboxes, e.g. `GOOGLE`; or `google`, or `Google`.
    #[param(value_type = Option<String>)]
    provider: Option<Words>,
    /// The subscription that pays for the mailboxes.
    #[param(value_type = Option<String>)]
    subscription_id: Option<SubscriptionId>,
}

/// A domain that was assigned mailboxes.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Domain {
    /// The domain, in its ASCII form.
    domain: String,
    /// The same in Unicode, for people.
    unicode: String,
    /// The order.
    order_id: String,
    /// The subscription that pays for the mailboxes.
    subscription_id: Option<String>,
    /// Who ordered.
    user_id: Option<String>,
    /// Google, Microsoft, …, as the provider writes it.
    service_provider: Option<String>,
    /// How many mailboxes it has.
    mailbox_count: usize,
    /// When they run out: when its subscription does; as of their assignment where none is known.
    expiry_date: Option<Timestamp>,
    /// How its subscription is doing; null where none is known.
    subscription: Option<Subscription>,
    /// Its registration; null where none is known.
    #[schema(value_type = Option<documents::Registration>)]
    registration: Option<RegistrationItem>,
    /// Whether its user was erased since: addresses, names and credentials of all of its mailboxes are gone.
    erased: bool,
}

impl Domain {
    fn new(
        item: &DomainItem<'_>,
        subscription: Option<Subscription>,
        registration: Option<RegistrationItem>,
        erasures: &Erasures,
    ) -> Self {
        let newest = item.mailboxes.iter().map(|mailbox| mailbox.position).max();
        Self {
            domain: item.domain.to_owned(),
            unicode: unicode(item.domain),
            order_id: item.order_id.to_string(),
            subscription_id: item.subscription_id.map(ToString::to_string),
            user_id: item.user_id.map(ToString::to_string),
            service_provider: item.service_provider.map(|provider| provider.0.clone()),
            mailbox_count: item.mailboxes.len(),
            expiry_date: effective(subscription.as_ref(), item.expiry_date),
            subscription,
            registration,
            erased: erasures.since(item.user_id, newest),
        }
    }
}

/// Domains, by name.
#[utoipa::path(
    get, path = "/api/v1/domains", operation_id = "listDomains", tag = "domains",
    params(Filter, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<Domain>, description = "A page of domains."))
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<Domain>>, Problem> {
    let reading = Reading::of_list(&app, scope.caller(), &VIEWS, wanted, page.after()).await?;
    let of_order = match &filter.order_id {
        Some(id) => related::domains_of(&*app.store, id).await?,
        None => None,
    };
    let paid = match &filter.subscription_id {
        Some(id) => related::domains_with(&*app.store, id).await?,
        None => None,
    };
    let conditions = Conditions::default()
        .equal("user_id", filter.user_id.map(String::from))
        .equal("order_id", filter.order_id.map(String::from))
        .also(of_order)
        .in_any_case("service_provider", filter.provider)
        .equal("subscription_id", filter.subscription_id.map(String::from))
        .also(paid);
    let rows = reading.rows::<Mailboxes>(conditions, ascending("key"), &page).await?;
    let items: Vec<DomainItem<'_>> = rows.rows.iter().filter_map(|(key, view)| view.item(key)).collect();
    let subscriptions = subscriptions(&reading, &items).await?;
    let names = items.iter().map(|item| item.domain).collect();
    let mut registrations = renewals::registrations(&reading, names).await?;
    let erasures = Erasures::of(&*app.store, items.iter().map(|item| item.user_id)).await?;
    let items = items.iter().map(|item| {
        let subscription = item
            .subscription_id
            .and_then(|id| subscriptions.get(id.as_str()).cloned());
        Domain::new(item, subscription, registrations.remove(item.domain), &erasures)
    });
    Ok(reading.answer(Page {
        items: items.collect(),
        next: rows.next,
    }))
}

/// The name in Unicode.
fn unicode(domain: &str) -> String {
    let name = aggregates::Domain::parse(domain);
    name.map_or_else(|_| domain.to_owned(), |name| name.to_unicode().into_owned())
}

/// When mailboxes run out: when their subscription does, if that is known.
pub(super) fn effective(subscription: Option<&Subscription>, assigned_until: Option<Timestamp>) -> Option<Timestamp> {
    subscription
        .and_then(|subscription| subscription.expiry_date)
        .or(assigned_until)
}

/// A domain: its registration, and its mailboxes and their subscription.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct WholeDomain {
    /// The domain, in its ASCII form.
    domain: String,
    /// The same in Unicode, for people.
    unicode: String,
    /// Its registration; null where none is known.
    #[schema(value_type = Option<documents::Registration>)]
    registration: Option<RegistrationItem>,
    /// What an order assigned to it; null if it has no mailboxes.
    assignment: Option<Domain>,
}

/// One domain: registration and subscription side by side.
#[utoipa::path(
    get, path = "/api/v1/domains/{domain}", operation_id = "getDomain", tag = "domains",
    params(("domain" = String, Path, description = "The domain, in any case, in Unicode or ASCII."), Wanted),
    security(("bearer" = ["read"])),
    responses(
        (status = 200, body = WholeDomain, description = "The domain."),
        (status = 404, description = "No such domain.")
    )
)]
async fn show(
    _: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(DomainName(domain)): Path<DomainName>,
    wanted: Wanted,
    _: Query<NoParameters>,
) -> Result<Answer<WholeDomain>, Problem> {
    let reading = Reading::of_keys(&app, &VIEWS, wanted).await?;
    let view = reading.row::<Mailboxes>(domain.as_str()).await?;
    let item = view.as_ref().and_then(|view| view.item(domain.as_str()));
    let registration = reading.row::<Domains>(domain.as_str()).await?;
    let registration = registration.map(|view| view.item(domain.as_str()));
    let assignment = match &item {
        None => None,
        Some(item) => {
            let subscriptions = subscriptions(&reading, std::slice::from_ref(item)).await?;
            let own = item.subscription_id.and_then(|id| subscriptions.get(id.as_str()));
            let subscription = own.cloned();
            let erasures = Erasures::of(&*app.store, [item.user_id].into_iter()).await?;
            Some(Domain::new(item, subscription, registration.clone(), &erasures))
        }
    };
    let known = (assignment.is_some() || registration.is_some()).then_some(WholeDomain {
        domain: domain.to_string(),
        unicode: domain.to_unicode().into_owned(),
        registration,
        assignment,
    });
    let found = reading.found(known, "no such domain is known")?;
    Ok(reading.answer(found))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegistrationFilter {
    /// The registration's state.
    #[param(schema_with = documents::registration_statuses, required = false)]
    status: Option<RegistrationStatus>,
    /// Whose it is.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
}

/// The registrations of domains, by name. `from` and `to` are about when they end.
#[utoipa::path(
    get, path = "/api/v1/registrations", operation_id = "listRegistrations", tag = "domains",
    params(RegistrationFilter, Range, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<documents::Registration>, description = "A page of registrations."))
)]
async fn registrations(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    range: Range,
    Query(filter): Query<RegistrationFilter>,
) -> Result<Answer<Page<RegistrationItem>>, Problem> {
    let reading = Reading::of_list(&app, scope.caller(), &[Domains::NAME], wanted, page.after()).await?;
    let conditions = Conditions::default()
        .between("expiry_date", range)
        .equal("status", filter.status)
        .equal("user_id", filter.user_id.map(String::from))
        .equal("auto_renew", filter.auto_renew);
    let rows = reading.rows::<Domains>(conditions, ascending("key"), &page).await?;
    Ok(reading.answer(rows.into_page(|(key, view)| view.item(&key))))
}

/// The subscriptions of domains, by their ids.
pub(super) async fn subscriptions(
    reading: &Reading<'_>,
    items: &[DomainItem<'_>],
) -> Result<BTreeMap<String, Subscription>, Problem> {
    let of_mailboxes = items
        .iter()
        .flat_map(|item| &item.mailboxes)
        .map(|mailbox| mailbox.subscription_id);
    let of_domains = items.iter().map(|item| item.subscription_id);
    let ids: BTreeSet<&str> = of_domains
        .chain(of_mailboxes)
        .flatten()
        .map(SubscriptionId::as_str)
        .collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let views = reading.views::<Renewals>(&ids).await?;
    let named = views.into_iter().map(|(key, view)| {
        let subscription = Subscription::from(view.item(&key));
        (key, subscription)
    });
    Ok(named.collect())
}
