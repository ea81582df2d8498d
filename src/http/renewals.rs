//! `/api/v1/renewals`: until when each subscription is paid, the results of its renewals, and what may keep the next one
//! from succeeding.

mod risk;

use std::collections::{BTreeMap, BTreeSet};

use aggregates::UserId;
use jiff::tz::{Offset, TimeZone};
use projections::domains::{Domains, RegistrationItem};
use projections::failures::{Cause, Failures};
use projections::renewals::{NEVER_DUE, RenewalItem, RenewalView, Renewals};
use projections::{Projection, SubscriptionStatus, Value};
use utoipa::openapi::schema::Object;

use super::addressed::Matches;
use super::auth::{Read, Scope};
use super::extract::{Email, one_of};
use super::list;
use super::prelude::*;
use documents::RenewalSum;
use risk::{Circumstances, Risk, RiskReason, WALLET_MEMORY, assess};

/// The views read for a list.
const VIEWS: [&str; 3] = [Renewals::NAME, Domains::NAME, Failures::NAME];
/// The most rows that one call reads to find those of a risk, or to sum up.
const MOST_READ: usize = 20_000;
/// How many rows are read at once for that.
const AT_ONCE: u32 = 500;

/// The states of subscriptions that are paid for or may still be.
pub(super) const ALIVE: [SubscriptionStatus; 4] = [
    SubscriptionStatus::Active,
    SubscriptionStatus::Renewing,
    SubscriptionStatus::RenewalFailed,
    SubscriptionStatus::PastDue,
];

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_renewals))
}

/// How a subscription is doing.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    /// Its state.
    #[schema(schema_with = documents::subscription_statuses)]
    status: SubscriptionStatus,
    /// The last known end of what is paid for.
    pub(super) expiry_date: Option<Timestamp>,
    /// Whether that is up to date: not if it was renewed since by an event that did not say until when.
    expiry_known: bool,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
    /// When it was last renewed.
    last_renewal: Option<Timestamp>,
}

impl From<RenewalItem> for Subscription {
    fn from(item: RenewalItem) -> Self {
        Self {
            status: item.status,
            expiry_date: item.expiry_date,
            expiry_known: item.expiry_known,
            auto_renew: item.auto_renew,
            last_renewal: item.last_renewal,
        }
    }
}

/// Some states of subscriptions, separated by commas.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct Statuses(Vec<SubscriptionStatus>);

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let status = |word: &str| {
            let known = SubscriptionStatus::ALL.into_iter().find(|known| known.as_str() == word);
            known.ok_or_else(|| {
                let known: Vec<&str> = SubscriptionStatus::ALL.iter().map(|known| known.as_str()).collect();
                format!("has to be one or some of {}, separated by commas", known.join(", "))
            })
        };
        text.split(',')
            .map(str::trim)
            .map(status)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn risks() -> Object {
    one_of(
        "`high` if the next renewal fails unless somebody acts, `low` if something should be looked at, else `none`.",
        &["none", "low", "high"],
    )
}

/// How subscriptions are summed up.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum GroupBy {
    Day,
    UserId,
}

fn groups() -> Object {
    one_of(
        "Sums up instead of listing: by the day on which they are due (in the time zone `tz`), or by customer; of those that \
         have not ended, unless `status` says otherwise. All come on one page, so `limit` and `after` are not for it.",
        &["day", "userId"],
    )
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// The subscription's state, or several separated by commas, e.g. `pastDue,renewalFailed`.
    #[param(value_type = Option<String>)]
    status: Option<Statuses>,
    /// Whose it is.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// What it is for.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// An e-mail address, in any case: the customer's own, or that of a mailbox under the domain.
    #[param(value_type = Option<String>, format = "email")]
    email: Option<Email>,
    /// Whether it renews by itself.
    auto_renew: Option<bool>,
    /// The risk of the next renewal.
    #[param(schema_with = risks, required = false)]
    risk: Option<Risk>,
    /// Sums instead of rows.
    #[param(schema_with = groups, required = false)]
    group_by: Option<GroupBy>,
}

/// A subscription and its renewals, the days it has left, and the risk of the next renewal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    #[serde(flatten)]
    item: RenewalItem,
    due: Option<Timestamp>,
    days_left: Option<i32>,
    risk: Risk,
    risk_reasons: Vec<RiskReason>,
}

/// A row, or a sum with `groupBy`.
#[derive(Serialize)]
#[serde(untagged)]
enum RenewalOrSum {
    Row(Box<Renewal>),
    Sum(RenewalSum),
}

impl Renewal {
    fn new(item: RenewalItem, circumstances: &Circumstances<'_>) -> Self {
        let end = item.expiry_date.filter(|_| item.expiry_known);
        let (risk, risk_reasons) = assess(&item, circumstances);
        Self {
            due: item.expiry_date,
            days_left: end.map(|end| days_between(circumstances.now, end)),
            risk,
            risk_reasons,
            item,
        }
    }

    /// The cursor of the page after this item.
    fn cursor(&self, reading: &Reading<'_>) -> String {
        let due = Value::Timestamp(self.due.unwrap_or(NEVER_DUE));
        list::encode(Renewals::NAME, &due, &self.item.subscription_id, reading.pin())
    }

    fn group(&self, by: GroupBy, zone: &TimeZone) -> Option<String> {
        match by {
            GroupBy::Day => self.due.map(|due| zone.to_datetime(due).date().to_string()),
            GroupBy::UserId => self.item.user_id.as_ref().map(ToString::to_string),
        }
    }
}

fn days_between(now: Timestamp, end: Timestamp) -> i32 {
    let day = |moment| Offset::UTC.to_datetime(moment).date();
    let hours = day(end).duration_since(day(now)).as_hours();
    // 20,000 years are some seven million days
    i32::try_from(hours / 24).unwrap_or(i32::MAX)
}

/// Subscriptions, soonest due first; those whose end was never known come last. `from` and `to` are about when they are
/// due.
///
/// What will fail next week, and why: `?from=today&to=%2B7d&risk=high`.
#[utoipa::path(
    get, path = "/api/v1/renewals", operation_id = "listRenewals", tag = "renewals",
    params(Filter, Range, Paging, Wanted),
    security(("bearer" = ["read"])),
    responses((status = 200, body = Page<documents::RenewalOrSum>, description = "A page of subscriptions, or the sums."))
)]
async fn list_renewals(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    range: Range,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<RenewalOrSum>>, Problem> {
    if filter.group_by.is_some() && (page.limit.is_some() || page.after.is_some()) {
        let detail = "query parameter groupBy: all sums come on one page, so limit and after cannot go with it";
        return Err(Problem::bad_request(detail));
    }
    let reading = Reading::of_list(&app, scope.caller(), &VIEWS, wanted, page.after()).await?;
    // a range leaves out rows without a date, which sort to the very end
    let zone = range.zone.unwrap_or(TimeZone::UTC);
    let range = Range {
        from: range.from,
        zone: None,
        to: range.to.map(|to| to.min(NEVER_DUE)).or(range.from.map(|_| NEVER_DUE)),
    };
    let statuses = filter
        .status
        // nothing is due of those that ended
        .or(filter.group_by.map(|_| Statuses(ALIVE.to_vec())))
        .map(|Statuses(statuses)| statuses.into_iter().map(Into::into).collect());
    let matches = Matches::of_any(&app, filter.email.as_ref()).await?;
    let addressed = matches.map(|matches| matches.of_renewals());
    let conditions = || {
        Conditions::default()
            .either(addressed.clone())
            .between("due", range.clone())
            .one_of("status", statuses.clone())
            .equal("user_id", filter.user_id.clone().map(String::from))
            .equal("domain", filter.domain.clone())
            .equal("auto_renew", filter.auto_renew)
    };
    let wallet_failed = wallet_failed(&reading).await?;
    if filter.risk.is_none() && filter.group_by.is_none() {
        let rows = reading.rows::<Renewals>(conditions(), ascending("due"), &page).await?;
        let next = rows.next;
        let items = renewals(&reading, rows.rows, wallet_failed).await?;
        let items = items.into_iter().map(|item| RenewalOrSum::Row(Box::new(item)));
        return Ok(reading.answer(Page {
            items: items.collect(),
            next,
        }));
    }
    // the risk depends on other views and on the time, so it is no column: the rows are read on until enough have it
    let limit = match filter.group_by {
        Some(_) => usize::MAX,
        None => page.limit() as usize,
    };
    let (mut after, mut read, mut found): (_, _, Vec<Renewal>) = (page.after.clone(), 0, Vec::new());
    let next = loop {
        let part = Paging::of(AT_ONCE, after);
        let rows = reading.rows::<Renewals>(conditions(), ascending("due"), &part).await?;
        read += rows.rows.len();
        let next = rows.next;
        let items = renewals(&reading, rows.rows, wallet_failed).await?;
        let mut fitting = items
            .into_iter()
            .filter(|item| filter.risk.is_none_or(|risk| item.risk == risk));
        found.extend(fitting.by_ref().take(limit - found.len()));
        if fitting.next().is_some() {
            break found.last().map(|last| last.cursor(&reading));
        }
        match next {
            None => break None,
            Some(_) if read >= MOST_READ && filter.group_by.is_some() => {
                return Err(Problem::bad_request(format!(
                    "query parameter groupBy: there are more than {MOST_READ} subscriptions; narrow the range by from and to"
                )));
            }
            Some(next) if read >= MOST_READ => break Some(next),
            next => after = next,
        }
    };
    let items = match filter.group_by {
        Some(by) => sums(found, by, &zone),
        None => found
            .into_iter()
            .map(|item| RenewalOrSum::Row(Box::new(item)))
            .collect(),
    };
    Ok(reading.answer(Page { items, next }))
}

fn sums(items: Vec<Renewal>, by: GroupBy, zone: &TimeZone) -> Vec<RenewalOrSum> {
    let mut sums: BTreeMap<Option<String>, RenewalSum> = BTreeMap::new();
    for item in items {
        let value = item.group(by, zone);
        let sum = sums.entry(value.clone()).or_insert(RenewalSum {
            value,
            count: 0,
            mailboxes: 0,
            low_risk: 0,
            high_risk: 0,
        });
        sum.count += 1;
        sum.mailboxes += u64::from(item.item.mailbox_count);
        sum.low_risk += usize::from(item.risk == Risk::Low);
        sum.high_risk += usize::from(item.risk == Risk::High);
    }
    sums.into_values().map(RenewalOrSum::Sum).collect()
}

/// Whether anything failed lately for want of money: all customers share one wallet.
async fn wallet_failed(reading: &Reading<'_>) -> Result<bool, Problem> {
    let since = Range {
        from: reading.time().checked_sub(WALLET_MEMORY).ok(),
        ..Range::default()
    };
    let conditions = Conditions::default()
        .between("happened_at", since)
        .equal("cause", Some(Cause::Wallet.as_str()));
    let rows = reading
        .rows::<Failures>(conditions, descending("position"), &Paging::of(1, None))
        .await?;
    Ok(!rows.rows.is_empty())
}

/// Subscriptions with the risk of their next renewals.
async fn renewals(
    reading: &Reading<'_>,
    rows: Vec<(String, RenewalView)>,
    wallet_failed: bool,
) -> Result<Vec<Renewal>, Problem> {
    let items: Vec<RenewalItem> = rows.iter().map(|(key, view)| view.item(key)).collect();
    let names: BTreeSet<&str> = items
        .iter()
        .filter_map(|item| item.domain.as_ref().map(|name| name.as_str()))
        .collect();
    let registrations = registrations(reading, names).await?;
    let now = reading.time();
    let item = |item: RenewalItem| {
        let registration = item.domain.as_ref().and_then(|name| registrations.get(name.as_str()));
        let circumstances = Circumstances {
            registration,
            wallet_failed,
            now,
        };
        Renewal::new(item, &circumstances)
    };
    Ok(items.into_iter().map(item).collect())
}

/// The registrations of domains, by their names.
pub(super) async fn registrations(
    reading: &Reading<'_>,
    names: BTreeSet<&str>,
) -> Result<BTreeMap<String, RegistrationItem>, Problem> {
    let names: Vec<&str> = names.into_iter().collect();
    let views = reading.views::<Domains>(&names).await?;
    let named = views.into_iter().map(|(key, view)| {
        let item = view.item(&key);
        (key, item)
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_in_utc() {
        let days = |now: &str, end: &str| days_between(now.parse().unwrap(), end.parse().unwrap());
        assert_eq!(days("2025-11-20T23:59:00Z", "2025-11-27T00:01:00Z"), 7);
        assert_eq!(days("2025-11-27T00:00:00Z", "2025-11-27T23:59:59Z"), 0);
        assert_eq!(days("2025-11-28T00:00:00Z", "2025-11-27T23:59:59Z"), -1);
        assert_eq!(days("2024-02-28T12:00:00Z", "2024-03-01T12:00:00Z"), 2);
    }

    #[test]
    fn states_are_separated_by_commas() {
        let read = |text: &str| Statuses::try_from(text.to_owned()).map(|statuses| statuses.0);
        assert_eq!(
            read("pastDue, renewalFailed").unwrap(),
            [SubscriptionStatus::PastDue, SubscriptionStatus::RenewalFailed]
        );
        assert!(read("pastDue,gone").unwrap_err().contains("renewalFailed"));
        assert!(read("").is_err());
    }
}
