//! `/api/v1/domains`: the registration, the subscription and the mailboxes of each domain, side by side; and
//! `/api/v1/registrations`: the registrations by themselves, also of domains without mailboxes.
//!
//! Views hold no personal data: e-mail addresses and names are opened here, from the events that the rows refer to.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{CredentialKind, MailboxId, OrderId, Position, SubscriptionId, UserId};
use projections::Projection;
use projections::accounts::{AccountView, Accounts, Part, Place};
use projections::domains::{Domains, RegistrationItem, RegistrationStatus};
use projections::mailboxes::{DomainItem, MailboxItem, Mailboxes};
use projections::renewals::Renewals;

use super::auth::{Read, Scope};
use super::erased::Erasures;
use super::prelude::*;
use super::related;
use super::renewals::{self, Subscription};
use aggregates::visible::is_blank;
use ledger::OpenError;
use ledger::sections::Person;

/// The views read for a list.
const VIEWS: [&str; 3] = [Mailboxes::NAME, Renewals::NAME, Domains::NAME];
/// The views read for one domain.
const DOMAIN_VIEWS: [&str; 3] = [Mailboxes::NAME, Accounts::NAME, Renewals::NAME];

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(mailboxes))
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
fn effective(subscription: Option<&Subscription>, assigned_until: Option<Timestamp>) -> Option<Timestamp> {
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
async fn subscriptions(
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

/// A domain with its mailboxes.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct DomainMailboxes {
    /// The domain.
    domain: String,
    /// The order.
    order_id: String,
    /// The subscription that pays for the mailboxes.
    subscription_id: Option<String>,
    /// How that is doing; null where none is known.
    subscription: Option<Subscription>,
    /// The mailboxes, in the order of the webhooks.
    mailboxes: Vec<Mailbox>,
}

/// A mailbox. Its credentials are never here.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Mailbox {
    /// The provider's id of it.
    mailbox_id: Option<String>,
    /// Its address; null once erased.
    email: Option<String>,
    /// Null once erased.
    first_name: Option<String>,
    /// Null once erased.
    last_name: Option<String>,
    /// Whether the account may administer the workspace.
    is_admin: Option<bool>,
    /// Since when it has been warmed up.
    warming_up_from: Option<Timestamp>,
    /// The order that it came with.
    order_id: String,
    /// The subscription that pays for it; another one than the domain's if it is of an earlier order.
    subscription_id: Option<String>,
    /// When it runs out: when its subscription does; as of its assignment where none is known.
    expiry_date: Option<Timestamp>,
    /// When it runs out as of its assignment.
    assigned_until: Option<Timestamp>,
    /// When it was last exported to a sending tool; null if no event says so.
    exported_at: Option<Timestamp>,
    /// Whether it is warmed up, by the newest event about that; null if there is none.
    warmup: Option<Warmup>,
    /// Whether credentials of it can be revealed; not once they are erased.
    has_credentials: bool,
    /// Since when each of its credentials is as it is; never what it is.
    credentials: Credentials,
    /// Whether what is personal or secret about it was erased.
    erased: bool,
}

/// Whether a mailbox is warmed up.
#[derive(Serialize, utoipa::ToSchema)]
struct Warmup {
    /// Whether it is.
    active: bool,
    /// Since when.
    since: Timestamp,
}

/// The state of a mailbox's credentials; one that no event brought is absent.
#[derive(Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    /// The account's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Credential>,
    /// The app password.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_password: Option<Credential>,
    /// The TOTP seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator_secret: Option<Credential>,
}

/// The state of one credential.
#[derive(Serialize, utoipa::ToSchema)]
struct Credential {
    /// When the provider sent it.
    since: Timestamp,
    /// The position of the event that brought it.
    event: u64,
    /// Whether it replaced an earlier one.
    changed: bool,
}

impl Credentials {
    fn of(view: &AccountView) -> Self {
        let credential = |kind| {
            view.credential(kind).map(|state| Credential {
                since: state.since,
                event: state.event.0,
                changed: state.changed,
            })
        };
        Self {
            password: credential(CredentialKind::Password),
            app_password: credential(CredentialKind::AppPassword),
            authenticator_secret: credential(CredentialKind::AuthenticatorSecret),
        }
    }
}

/// The mailboxes of a domain, with names and addresses.
#[utoipa::path(
    get, path = "/api/v1/domains/{domain}/mailboxes", operation_id = "listMailboxes", tag = "domains",
    params(("domain" = String, Path, description = "The domain, in any case."), Wanted),
    security(("bearer" = ["read"])),
    responses(
        (status = 200, body = DomainMailboxes, description = "The domain's mailboxes."),
        (status = 404, description = "No such domain.")
    )
)]
async fn mailboxes(
    _: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(DomainName(domain)): Path<DomainName>,
    wanted: Wanted,
    _: Query<NoParameters>,
) -> Result<Answer<DomainMailboxes>, Problem> {
    let reading = Reading::of_keys(&app, &DOMAIN_VIEWS, wanted).await?;
    let view = reading.row::<Mailboxes>(domain.as_str()).await?;
    let item = view.as_ref().and_then(|view| view.item(domain.as_str()));
    let item = reading.found(item, "no mailboxes of this domain are known")?;
    let subscriptions = subscriptions(&reading, std::slice::from_ref(&item)).await?;
    let of = |id: Option<&SubscriptionId>| id.and_then(|id| subscriptions.get(id.as_str()));
    let accounts = accounts(&reading, &item).await?;
    let places: Vec<Places> = item
        .mailboxes
        .iter()
        .zip(&accounts)
        .map(|(mailbox, account)| match account {
            // of a mailbox that was changed later, those of the newer events
            Some(account) => Places::newest(account),
            None => Places::of_mention(mailbox),
        })
        .collect();
    let personal = open(&app, &places).await?;
    let mailboxes = item
        .mailboxes
        .iter()
        .zip(accounts.iter().zip(&places))
        .map(|(mailbox, (account, places))| {
            let own = |places: &[Place], pick: fn(&Person) -> &Option<String>| {
                // places are newest first: those after an erased one are older, so stop there
                let told = places.iter().map_while(|place| match personal.get(&place.position)? {
                    Opened::Personal(people) => Some((people.as_ref(), place.index)),
                    Opened::Erased => None,
                });
                let mut texts = told.filter_map(|(people, index)| pick(people?.get(index as usize)?).clone());
                texts.find(|text| !is_blank(text))
            };
            let is_erased = |place: &Place| matches!(personal.get(&place.position), Some(Opened::Erased));
            Mailbox {
                mailbox_id: mailbox.mailbox_id.map(ToString::to_string),
                email: own(&places.email, |mailbox| &mailbox.email),
                first_name: own(&places.first_name, |mailbox| &mailbox.first_name),
                last_name: own(&places.last_name, |mailbox| &mailbox.last_name),
                is_admin: mailbox.is_admin,
                warming_up_from: mailbox.warming_up_from,
                expiry_date: effective(of(mailbox.subscription_id), mailbox.expiry_date),
                order_id: mailbox.order_id.to_string(),
                subscription_id: mailbox.subscription_id.map(ToString::to_string),
                assigned_until: mailbox.expiry_date,
                exported_at: account.as_ref().and_then(AccountView::exported_at),
                warmup: account.as_ref().and_then(AccountView::warmup).map(|warmup| Warmup {
                    active: warmup.active,
                    since: warmup.since,
                }),
                credentials: account.as_ref().map(Credentials::of).unwrap_or_default(),
                has_credentials: places.credentials.iter().any(|place| !is_erased(place)),
                erased: places.all().any(|place| is_erased(&place)),
            }
        });
    Ok(reading.answer(DomainMailboxes {
        mailboxes: mailboxes.collect(),
        domain: item.domain.to_owned(),
        order_id: item.order_id.to_string(),
        subscription_id: item.subscription_id.map(ToString::to_string),
        subscription: of(item.subscription_id).cloned(),
    }))
}

/// Where the fields of a mailbox are stored, the newest place first; the first non-blank value counts.
struct Places {
    email: Vec<Place>,
    first_name: Vec<Place>,
    last_name: Vec<Place>,
    credentials: Vec<Place>,
}

impl Places {
    /// All in the event that first named the mailbox.
    fn of_mention(mailbox: &MailboxItem<'_>) -> Self {
        let place = vec![Place {
            position: mailbox.position,
            index: mailbox.index,
        }];
        Self {
            email: place.clone(),
            first_name: place.clone(),
            last_name: place.clone(),
            credentials: if mailbox.has_credentials { place } else { Vec::new() },
        }
    }

    fn newest(view: &AccountView) -> Self {
        let places = |part| view.places(part).collect();
        Self {
            email: places(Part::Email),
            first_name: places(Part::FirstName),
            last_name: places(Part::LastName),
            credentials: view
                .credentials()
                .into_iter()
                .filter_map(|kind| view.place(kind.into()))
                .collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = Place> + '_ {
        let personal = [&self.email, &self.first_name, &self.last_name, &self.credentials];
        personal.into_iter().flatten().copied()
    }
}

/// The accounts of a domain's mailboxes, in their order; none of a mailbox without an id.
async fn accounts(reading: &Reading<'_>, item: &DomainItem<'_>) -> Result<Vec<Option<AccountView>>, Problem> {
    let ids: Vec<&MailboxId> = item.mailboxes.iter().filter_map(|mailbox| mailbox.mailbox_id).collect();
    let accounts: BTreeMap<String, AccountView> = reading.accounts(item.domain, &ids).await?.into_iter().collect();
    let account = |id: &MailboxId| accounts.get(id.as_str()).cloned();
    let own = item
        .mailboxes
        .iter()
        .map(|mailbox| mailbox.mailbox_id.and_then(account));
    Ok(own.collect())
}

/// The personal section of an event.
enum Opened {
    /// The section; none in an event that only brought credentials.
    Personal(Option<Vec<Person>>),
    /// The section was erased, and the event's credentials with it.
    Erased,
}

/// Opens the personal sections of the events that the mailboxes refer to.
async fn open(app: &App, places: &[Places]) -> Result<BTreeMap<Position, Opened>, Problem> {
    let positions: BTreeSet<Position> = places
        .iter()
        .flat_map(Places::all)
        .map(|place| place.position)
        .collect();
    let positions: Vec<Position> = positions.into_iter().collect();
    let mut opened = BTreeMap::new();
    for event in app.store.events_at(&positions).await? {
        let found = match app.reader.people(&event).await {
            Ok(None) if app.reader.is_erased(&event).await? => Opened::Erased,
            Ok(people) => Opened::Personal(people),
            Err(OpenError::Erased) => Opened::Erased,
            Err(error) => return Err(error.into()),
        };
        opened.insert(event.position, found);
    }
    Ok(opened)
}
