//! `/api/v1/customers`: each customer, with what they have and what is wrong with it.
//!
//! Views hold no personal data: the address is opened here, from the customer's newest events.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{Position, Price, SubjectId, UserId};
use projections::Projection;
use projections::SubscriptionStatus;
use projections::customers::{CustomerView, Customers};
use projections::domains::{Domains, RegistrationStatus};
use projections::orders::{OrderStatus, Orders};
use projections::renewals::{NEVER_DUE, Renewals};

use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::erased::Erasures;
use super::extract::Email;
use super::prelude::*;
use super::renewals::ALIVE;
use aggregates::visible::is_blank;
use ledger::OpenError;
use store::SumColumns;

/// The views read for customers.
const VIEWS: [&str; 4] = [Customers::NAME, Orders::NAME, Renewals::NAME, Domains::NAME];
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// A customer.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Customer {
    /// The customer, by the `userId` of the provider.
    user_id: String,
    /// Their address; null if none of their five newest events says it, or once it is erased.
    email: Option<String>,
    /// How many orders they made.
    orders: i64,
    /// How many domains have a subscription that is paid for or may still be.
    active_domains: i64,
    /// How many mailboxes those hold.
    mailboxes: i64,
    /// When the first of those subscriptions is due.
    next_due: Option<Timestamp>,
    /// What is not made good yet: orders that failed, wholly or in part, renewals, and registrations.
    open_failures: i64,
    /// What they paid, a decimal number without a currency; null if no event says so.
    #[schema(value_type = Option<String>)]
    spend: Option<Price>,
    /// When the first of their webhooks was recorded.
    first_recorded_at: Option<Timestamp>,
    /// When the last of their webhooks was recorded.
    last_recorded_at: Option<Timestamp>,
    /// Whether they were erased: what was personal about them can no longer be opened.
    erased: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// The customer.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// An e-mail address, in any case: the customer's own, or that of one of the mailboxes.
    #[param(value_type = Option<String>, format = "email")]
    email: Option<Email>,
}

/// Customers, by their ids.
#[utoipa::path(
    get, path = "/api/v1/customers", operation_id = "listCustomers", tag = "customers",
    params(Filter, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<Customer>, description = "A page of customers."))
)]
async fn list(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<Customer>>, Problem> {
    let reading = Reading::of_list(&app, scope.caller(), &VIEWS, wanted, page.after()).await?;
    let matches = Matches::of_any(&app, filter.email.as_ref()).await?;
    let conditions = Conditions::default()
        .equal("key", filter.user_id.map(String::from))
        .either(matches.map(|matches| matches.of_customers()));
    let rows = reading.rows::<Customers>(conditions, ascending("key"), &page).await?;
    let items = customers(&app, &reading, rows.rows).await?;
    Ok(reading.answer(Page { items, next: rows.next }))
}

/// One customer.
#[utoipa::path(
    get, path = "/api/v1/customers/{userId}", operation_id = "getCustomer", tag = "customers",
    params(("userId" = String, Path, description = "The customer."), Wanted),
    security(("bearer" = ["read"])),
    responses(
        (status = 200, body = Customer, description = "The customer."),
        (status = 404, description = "No such customer.")
    )
)]
async fn show(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(user): Path<UserId>,
    wanted: Wanted,
    _: Query<NoParameters>,
) -> Result<Answer<Customer>, Problem> {
    // what a customer has is counted over whole views, so an earlier moment is folded as for a list
    let reading = Reading::of_list(&app, scope.caller(), &VIEWS, wanted, None).await?;
    let view = reading.row::<Customers>(user.as_str()).await?;
    let view = reading.found(view, "no such customer is known")?;
    let row = vec![(user.to_string(), view)];
    let customer = customers(&app, &reading, row).await?.pop();
    let customer = reading.found(customer, "no such customer is known")?;
    Ok(reading.answer(customer))
}

/// Counts by customer.
type Counts = BTreeMap<String, i64>;

/// Customers with what the other views know of them.
async fn customers(
    app: &App,
    reading: &Reading<'_>,
    rows: Vec<(String, CustomerView)>,
) -> Result<Vec<Customer>, Problem> {
    let users: Vec<projections::Value> = rows.iter().map(|(key, _)| key.as_str().into()).collect();
    let of_users = || Conditions::default().one_of("user_id", Some(users.clone()));
    let words = |words: &[&'static str]| Some(words.iter().map(|word| (*word).into()).collect());
    let orders = counts::<Orders>(reading, of_users()).await?;
    let failed = [OrderStatus::Failed, OrderStatus::Partial].map(OrderStatus::as_str);
    let failed_orders = counts::<Orders>(reading, of_users().one_of("status", words(&failed))).await?;
    let failed = [SubscriptionStatus::RenewalFailed, SubscriptionStatus::PastDue].map(SubscriptionStatus::as_str);
    let failed_renewals = counts::<Renewals>(reading, of_users().one_of("status", words(&failed))).await?;
    let failed = [
        RegistrationStatus::Failed,
        RegistrationStatus::RenewalFailed,
        RegistrationStatus::Grace,
    ];
    let failed = failed.map(RegistrationStatus::as_str);
    let failed_registrations = counts::<Domains>(reading, of_users().one_of("status", words(&failed))).await?;
    let alive = of_users().one_of("status", words(&ALIVE.map(SubscriptionStatus::as_str)));
    let sums = reading.sums::<Renewals>(alive, SUMMED).await?;
    let sums: BTreeMap<String, store::Sum> = sums
        .into_iter()
        .filter_map(|sum| Some((sum.value.clone()?, sum)))
        .collect();
    let ids: Vec<UserId> = rows.iter().filter_map(|(key, _)| UserId::parse(key).ok()).collect();
    let erasures = Erasures::of(&*app.store, ids.iter().map(Some)).await?;
    let emails = emails(app, &rows).await?;
    let customers = rows.into_iter().map(|(key, view)| {
        let count = |counts: &Counts| counts.get(&key).copied().unwrap_or_default();
        let sum = sums.get(&key);
        let item = view.item(&key);
        let user = UserId::parse(&key).ok();
        Customer {
            email: emails.get(&key).cloned(),
            orders: count(&orders),
            active_domains: sum.map_or(0, |sum| sum.distinct),
            mailboxes: sum.map_or(0, |sum| sum.sum),
            next_due: sum.and_then(|sum| sum.least).filter(|due| *due < NEVER_DUE),
            open_failures: count(&failed_orders) + count(&failed_renewals) + count(&failed_registrations),
            spend: item.spend,
            first_recorded_at: item.first_recorded_at,
            last_recorded_at: item.last_recorded_at,
            erased: erasures.since(user.as_ref(), item.first_position),
            user_id: item.user_id,
        }
    });
    Ok(customers.collect())
}

/// What is summed up of a customer's subscriptions.
const SUMMED: SumColumns = SumColumns {
    of_each: "user_id",
    distinct: "domain",
    sum: "mailbox_count",
    least: "due",
};

async fn counts<P: Projection>(reading: &Reading<'_>, conditions: Conditions) -> Result<Counts, Problem> {
    let counts = reading.counts::<P>(conditions, ascending("key"), "user_id").await?;
    Ok(counts
        .into_iter()
        .filter_map(|count| Some((count.value?, count.count)))
        .collect())
}

/// The addresses of customers, by their ids: each from the newest of their events that says one.
async fn emails(app: &App, rows: &[(String, CustomerView)]) -> Result<BTreeMap<String, String>, Problem> {
    let mut found = BTreeMap::new();
    let mut open: Vec<(SubjectId, &str, Vec<Position>)> = rows
        .iter()
        .filter_map(|(key, view)| {
            let user = UserId::parse(key).ok()?;
            Some((SubjectId::user(&user), key.as_str(), view.newest().collect()))
        })
        .collect();
    while !open.is_empty() {
        let positions: BTreeSet<Position> = open
            .iter()
            .filter_map(|(_, _, newest)| newest.first().copied())
            .collect();
        let positions: Vec<Position> = positions.into_iter().collect();
        let mut erased = BTreeSet::new();
        for event in app.store.events_at(&positions).await? {
            let Some((_, key, _)) = open.iter().find(|(subject, ..)| *subject == event.subject) else {
                continue;
            };
            match app.reader.user_email(&event).await {
                Ok(Some(email)) if !is_blank(&email) => drop(found.insert((*key).to_owned(), email)),
                Ok(_) => {}
                // older events are erased too
                Err(OpenError::Erased) => drop(erased.insert((*key).to_owned())),
                Err(error) => return Err(error.into()),
            }
        }
        for (_, _, newest) in &mut open {
            newest.drain(..1.min(newest.len()));
        }
        open.retain(|(_, key, newest)| !newest.is_empty() && !found.contains_key(*key) && !erased.contains(*key));
    }
    Ok(found)
}
