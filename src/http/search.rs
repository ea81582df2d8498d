//! `/api/v1/search`: everything of an e-mail address, in one call.

use std::collections::BTreeSet;

use aggregates::{Domain, MailboxId, Position};
use projections::Projection;
use projections::failures::Failures;
use projections::orders::Orders;
use projections::renewals::Renewals;
use url::form_urlencoded::byte_serialize;

use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::extract::Email;
use super::prelude::*;
use crate::uri::path_segment;

/// The views read.
const VIEWS: [&str; 3] = [Orders::NAME, Renewals::NAME, Failures::NAME];

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(search))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// The address, in any case; its domain in Unicode or ASCII.
    #[param(value_type = String, format = "email")]
    email: String,
}

/// Everything of an address. What was erased is not found, nor what could not be read when it came: quarantined webhooks
/// and those of unknown kinds.
#[derive(Serialize, utoipa::ToSchema)]
struct Found {
    /// The customers whose own address it is, or who have a mailbox with it.
    customers: Vec<FoundCustomer>,
    /// The mailboxes that have it, or had it once.
    mailboxes: Vec<FoundMailbox>,
    /// Orders: all of a customer's whose own address it is, and those that its mailboxes came with.
    orders: Listed,
    /// Subscriptions: all of such a customer's, and those of its mailboxes' domains.
    renewals: Listed,
    /// Failures: all of such a customer's, and those of its mailboxes' domains.
    failures: Listed,
}

/// A customer.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct FoundCustomer {
    /// The customer, by the `userId` of the provider.
    user_id: String,
    /// Whether it is the customer's own address; else it is that of a mailbox.
    own: bool,
    /// The customer.
    url: String,
    /// Every event about the customer; the feed takes the scope `audit`.
    events_url: String,
}

/// A mailbox.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct FoundMailbox {
    /// The provider's id of it.
    mailbox_id: Option<String>,
    /// Its domain; null if no event says it.
    domain: Option<String>,
    /// The domain's mailboxes.
    url: Option<String>,
    /// The positions of the events with the address.
    events: Vec<u64>,
}

/// How many rows a list has of the address.
#[derive(Serialize, utoipa::ToSchema)]
struct Listed {
    /// How many.
    count: i64,
    /// The list of them.
    url: String,
}

impl FoundMailbox {
    fn new(id: Option<&MailboxId>, domain: Option<&Domain>, events: &BTreeSet<Position>) -> Self {
        let url = domain.map(|domain| format!("/api/v1/domains/{}/mailboxes", path_segment(domain.as_str())));
        Self {
            mailbox_id: id.map(ToString::to_string),
            domain: domain.map(ToString::to_string),
            url,
            events: events.iter().map(|position| position.0).collect(),
        }
    }
}

/// Finds everything of an e-mail address: customers, mailboxes, orders, subscriptions and failures.
///
/// A request for access or erasure names an address, not an id: this finds the `userId` to erase.
#[utoipa::path(
    get, path = "/api/v1/search", operation_id = "search", tag = "customers",
    params(Filter, Wanted),
    security(("bearer" = ["read"])),
    responses(
        (status = 200, body = Found, description = "What was found; nothing is an answer too."),
        (status = 503, description = "Events that an earlier version recorded are still being made searchable.")
    )
)]
async fn search(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    Query(filter): Query<Filter>,
) -> Result<Answer<Found>, Problem> {
    let email = Email::try_from(filter.email.clone());
    let email = email.map_err(|error| Problem::bad_request(format!("query parameter email: {error}")))?;
    let reading = Reading::of_list(&app, scope.caller(), &VIEWS, wanted, None).await?;
    let matches = Matches::of(&app, &email).await?;
    let customers = matches.customers().map(|(user, own)| FoundCustomer {
        user_id: user.to_string(),
        own,
        url: format!("/api/v1/customers/{}", path_segment(user.as_str())),
        events_url: format!("/api/v1/events?subject={}", path_segment(user.as_str())),
    });
    let mailboxes = matches
        .mailboxes()
        .map(|(mailbox, events)| FoundMailbox::new(mailbox.id.as_ref(), mailbox.domain.as_ref(), events));
    let encoded: String = byte_serialize(filter.email.trim().as_bytes()).collect();
    let listed = |list: &str, count| Listed {
        count,
        url: format!("/api/v1/{list}?email={encoded}"),
    };
    let found = Found {
        customers: customers.collect(),
        mailboxes: mailboxes.collect(),
        orders: listed("orders", count::<Orders>(&reading, matches.of_orders()).await?),
        renewals: listed("renewals", count::<Renewals>(&reading, matches.of_renewals()).await?),
        failures: listed("failures", count::<Failures>(&reading, matches.of_failures()).await?),
    };
    Ok(reading.answer(found))
}

async fn count<P: Projection>(reading: &Reading<'_>, matching: Vec<store::Condition>) -> Result<i64, Problem> {
    let conditions = Conditions::default().either(Some(matching));
    let counts = reading.counts::<P>(conditions, ascending("key"), "user_id").await?;
    Ok(counts.iter().map(|count| count.count).sum())
}
