//! What an e-mail address leads to, and the conditions under which a list's rows are about it.
//!
//! A customer's own address stands for everything of the customer; that of a mailbox for its domain, order and customer.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{Domain, MailboxId, OrderEvent, Position, StreamId, SubjectId, UserId};
use projections::Value;
use projections::accounts::{Accounts, mailbox_at};

use super::extract::Email;
use super::list::{Conditions, ascending, query, views};
use super::related::{of_domain, of_subscriptions};
use super::{App, Problem};
use ledger::email::{self, Addressed, SearchError};
use ledger::reveal::home;
use store::{Comparison, Condition};

/// What an address leads to.
#[derive(Default)]
pub(super) struct Matches {
    /// The customers, and whether it is their own address.
    customers: BTreeMap<UserId, bool>,
    /// Orders of customers that are not known, whose own address it is.
    own_orders: BTreeSet<String>,
    /// Orders that a mailbox with the address came with.
    orders: BTreeSet<String>,
    /// Domains of mailboxes with the address.
    domains: BTreeSet<Domain>,
    /// Mailboxes with the address.
    mailboxes: BTreeMap<Mailbox, BTreeSet<Position>>,
}

/// A mailbox with the address: its id and its domain, where they are known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mailbox {
    pub(super) id: Option<MailboxId>,
    pub(super) domain: Option<Domain>,
}

impl Matches {
    /// Looks for an address.
    pub(super) async fn of(app: &App, email: &Email) -> Result<Self, Problem> {
        let Addressed { subjects, events } = email::find(&*app.store, &app.reader, &email.0).await?;
        let mut matches = Self::default();
        for subject in &subjects {
            match customer(subject) {
                Some(user) => drop(matches.customers.insert(user, true)),
                None => matches
                    .own_orders
                    .extend(order_of(subject.as_str().trim_start_matches('~'))),
            }
        }
        let mut homes = BTreeMap::new();
        for (event, places) in events {
            let recorded = event.to_recorded()?;
            let Some(order) = recorded.order() else { continue };
            let user = order.user_id().cloned().or_else(|| customer(&event.subject));
            if let Some(user) = user {
                matches.customers.entry(user).or_insert(false);
            }
            matches.orders.extend(order.order_id().map(ToString::to_string));
            matches.orders.extend(order_of(event.stream.as_str()));
            for place in places {
                let mailbox = matches.mailbox(app, order, place, &mut homes).await?;
                matches.domains.extend(mailbox.domain.clone());
                matches.mailboxes.entry(mailbox).or_default().insert(event.position);
            }
        }
        Ok(matches)
    }

    /// The same for a filter, if it has an address.
    pub(super) async fn of_any(app: &App, email: Option<&Email>) -> Result<Option<Self>, Problem> {
        match email {
            Some(email) => Self::of(app, email).await.map(Some),
            None => Ok(None),
        }
    }

    /// The mailbox at a place of an event; its domain by its newest home.
    async fn mailbox(
        &self,
        app: &App,
        order: &OrderEvent,
        place: u32,
        homes: &mut BTreeMap<MailboxId, Option<Domain>>,
    ) -> Result<Mailbox, Problem> {
        let (id, domain) = mailbox_at(order, place);
        let known = match id {
            Some(id) => match homes.get(id) {
                Some(known) => known.clone(),
                None => {
                    let known = domain_of(app, id).await?;
                    homes.insert(id.clone(), known.clone());
                    known
                }
            },
            None => None,
        };
        Ok(Mailbox {
            id: id.cloned(),
            domain: known.or_else(|| domain.cloned()),
        })
    }

    /// The customers, and whether it is their own address.
    pub(super) fn customers(&self) -> impl Iterator<Item = (&UserId, bool)> {
        self.customers.iter().map(|(user, own)| (user, *own))
    }

    /// The domains of mailboxes with the address.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(Domain::as_str)
    }

    /// The mailboxes with the address, and the events that say so.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = (&Mailbox, &BTreeSet<Position>)> {
        self.mailboxes.iter()
    }

    /// Whether a mailbox has the address.
    pub(super) fn has_mailbox(&self, id: &str) -> bool {
        let ids = self.mailboxes.keys().filter_map(|mailbox| mailbox.id.as_ref());
        ids.into_iter().any(|known| known.as_str() == id)
    }

    /// The rows of customers with the address.
    pub(super) fn of_customers(&self) -> Vec<Condition> {
        let all = self.customers.keys().map(|user| user.as_str().into());
        one_of("key", all.collect())
    }

    /// The rows of orders.
    pub(super) fn of_orders(&self) -> Vec<Condition> {
        let orders = self.orders.iter().chain(&self.own_orders);
        let orders: BTreeSet<&String> = orders.collect();
        let orders = orders.into_iter().map(|order| order.as_str().into());
        [one_of("user_id", self.own()), one_of("key", orders.collect())].concat()
    }

    /// The rows of subscriptions.
    pub(super) fn of_renewals(&self) -> Vec<Condition> {
        [one_of("user_id", self.own()), one_of("domain", self.domain_values())].concat()
    }

    /// The rows of failures: those of a subscription need not name its customer.
    pub(super) fn of_failures(&self) -> Vec<Condition> {
        let orders = self.own_orders.iter().map(|order| order.as_str().into());
        let renewals = self.own().into_iter().map(|user| of_subscriptions("user_id", user));
        let domains = self.domains().flat_map(of_domain);
        [
            one_of("user_id", self.own()),
            one_of("order_id", orders.collect()),
            domains.collect(),
            renewals.collect(),
        ]
        .concat()
    }

    fn own(&self) -> Vec<Value> {
        let own = self.customers().filter(|(_, own)| *own);
        own.map(|(user, _)| user.as_str().into()).collect()
    }

    fn domain_values(&self) -> Vec<Value> {
        self.domains().map(Into::into).collect()
    }
}

/// A condition, if there are values.
fn one_of(column: &'static str, values: Vec<Value>) -> Vec<Condition> {
    let condition = Condition {
        column,
        comparison: Comparison::OneOf,
        values,
    };
    if condition.values.is_empty() {
        Vec::new()
    } else {
        vec![condition]
    }
}

/// The customer that a subject is; none of a stream.
fn customer(subject: &SubjectId) -> Option<UserId> {
    let text = subject.as_str();
    UserId::parse(text).ok().filter(|_| !text.starts_with('~'))
}

/// The order of an order's stream.
fn order_of(stream: &str) -> Option<String> {
    let order = StreamId::parse(stream).ok()?.as_order()?;
    Some(order.into())
}

/// The domain that a mailbox is in now.
async fn domain_of(app: &App, id: &MailboxId) -> Result<Option<Domain>, Problem> {
    let conditions = Conditions::default().equal("key", Some(id.as_str()));
    let rows = app
        .store
        .rows(&query::<Accounts>(conditions, ascending("key"), 1))
        .await?;
    let Some((_, view)) = views::<Accounts>(&*app.store, rows).await?.pop() else {
        return Ok(None);
    };
    Ok(home(&*app.store, &view, id).await?.map(|home| home.domain))
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::NotYet(_) => Self::unavailable(error.to_string()),
            SearchError::TooMany => Self::bad_request(format!("query parameter email: {error}")),
            SearchError::Open(error) => error.into(),
        }
    }
}
