//! `/api/v1/domains/{domain}/mailboxes` and `/api/v1/mailboxes`: mailboxes with their names and addresses.
//!
//! Views hold no personal data: e-mail addresses and names are opened here, from the events that the rows refer to.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{CredentialKind, MailboxId, Position, SubscriptionId};
use projections::Projection;
use projections::accounts::{AccountView, Accounts, Part, Place};
use projections::mailboxes::{DomainItem, MailboxItem, Mailboxes};
use projections::renewals::Renewals;

use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::domains::{effective, subscriptions};
use super::extract::Email;
use super::prelude::*;
use super::renewals::Subscription;
use aggregates::visible::is_blank;
use ledger::OpenError;
use ledger::sections::Person;

/// The views read for the mailboxes of a domain.
const VIEWS: [&str; 3] = [Mailboxes::NAME, Accounts::NAME, Renewals::NAME];

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(of_domain)).routes(routes!(list))
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
    /// Its domain.
    domain: String,
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
async fn of_domain(
    _: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(DomainName(domain)): Path<DomainName>,
    wanted: Wanted,
    _: Query<NoParameters>,
) -> Result<Answer<DomainMailboxes>, Problem> {
    let reading = Reading::of_keys(&app, &VIEWS, wanted).await?;
    let mailboxes = read(&app, &reading, domain.as_str()).await?;
    let mailboxes = reading.found(mailboxes, "no mailboxes of this domain are known")?;
    Ok(reading.answer(mailboxes))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// The address, in any case; its domain in Unicode or ASCII.
    #[param(value_type = String, format = "email")]
    email: Email,
}

/// The mailboxes that have an address, or had it once; all on one page. Mailboxes of no domain are found by
/// `/api/v1/search`.
#[utoipa::path(
    get, path = "/api/v1/mailboxes", operation_id = "findMailboxes", tag = "domains",
    params(Filter, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<Mailbox>, description = "The mailboxes."))
)]
async fn list(
    _: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<Mailbox>>, Problem> {
    let reading = Reading::of_keys(&app, &VIEWS, wanted).await?;
    let matches = Matches::of(&app, &filter.email).await?;
    let mut items = Vec::new();
    for domain in matches.domains() {
        let Some(found) = read(&app, &reading, domain).await? else {
            continue;
        };
        let own = |mailbox: &Mailbox| match &mailbox.mailbox_id {
            Some(id) => matches.has_mailbox(id),
            None => mailbox.email.as_deref().is_some_and(|email| filter.email.is(email)),
        };
        items.extend(found.mailboxes.into_iter().filter(own));
    }
    Ok(reading.answer(Page { items, next: None }))
}

/// The mailboxes of a domain; none if none are known.
async fn read(app: &App, reading: &Reading<'_>, domain: &str) -> Result<Option<DomainMailboxes>, Problem> {
    let view = reading.row::<Mailboxes>(domain).await?;
    let Some(item) = view.as_ref().and_then(|view| view.item(domain)) else {
        return Ok(None);
    };
    let subscriptions = subscriptions(reading, std::slice::from_ref(&item)).await?;
    let of = |id: Option<&SubscriptionId>| id.and_then(|id| subscriptions.get(id.as_str()));
    let accounts = accounts(reading, &item).await?;
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
    let personal = open(app, &places).await?;
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
                domain: item.domain.to_owned(),
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
    Ok(Some(DomainMailboxes {
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
