//! The customers: each user whom a webhook names. Key: the user's id.
//!
//! What a customer has is counted in the other views when it is read, so that an event touches only few rows here.

use std::collections::BTreeSet;

use aggregates::{OrderEvent, Position, Price, Recorded, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::provenance::Provenance;
use crate::stamp::Stamp;
use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct Customers;

/// How many events are kept to find the customer's address in.
const KEPT: usize = 5;

/// The view of one customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomerView {
    /// What registrations, renewals and orders cost, by the events that say so.
    #[serde(default, skip_serializing_if = "Price::is_zero")]
    spend: Price,
    /// The newest events that may hold the address.
    newest: BTreeSet<Stamp>,
    provenance: Provenance,
}

/// A customer as readers see it, without what other views know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerItem {
    /// The user.
    pub user_id: String,
    /// What they paid; null if no event says so.
    pub spend: Option<Price>,
    /// When the first of their webhooks was recorded.
    pub first_recorded_at: Option<Timestamp>,
    /// When the last of their webhooks was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// The position of the first of their webhooks.
    pub first_position: Option<Position>,
}

impl CustomerView {
    /// The customer as readers see it; the key is the user's id.
    pub fn item(&self, key: &str) -> CustomerItem {
        CustomerItem {
            user_id: key.to_owned(),
            spend: Some(self.spend).filter(|spend| !spend.is_zero()),
            first_recorded_at: self.provenance.first_recorded_at(),
            last_recorded_at: self.provenance.last_recorded_at(),
            first_position: self.provenance.first_position(),
        }
    }

    /// The positions of the newest events that may hold the customer's address, newest first.
    pub fn newest(&self) -> impl Iterator<Item = Position> {
        self.newest.iter().rev().map(Stamp::position)
    }
}

/// What the customer paid in the event.
fn price(event: &OrderEvent) -> Price {
    let price = match event {
        OrderEvent::DomainRegistered(facts) | OrderEvent::DomainRenewed(facts) => facts.price,
        OrderEvent::MailboxOrderAccepted(facts) => facts.price,
        _ => None,
    };
    price.unwrap_or_default()
}

impl Projection for Customers {
    const NAME: &'static str = "customers";
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::key("user_id"),
        Column::new("spend", Kind::Text).nullable(),
        Column::new("first_recorded_at", Kind::Timestamp),
        Column::new("last_recorded_at", Kind::Timestamp),
        Column::new("first_position", Kind::Integer),
    ];
    type View = CustomerView;

    fn keys(event: &Recorded) -> Keys {
        let user = event.order().and_then(OrderEvent::user_id);
        user.map_or(Keys::none(), |user| Keys::one(user.as_str()))
    }

    fn origin(key: &str) -> Option<Origin> {
        UserId::parse(key).ok().map(|_| Origin::Log)
    }

    fn apply(view: &mut CustomerView, _: &str, event: &Recorded) -> Verdict {
        let Some(order) = event.order() else {
            return Verdict::Keep;
        };
        let stamp = Stamp::of(event);
        view.spend = view.spend.saturating_add(price(order));
        // the other kinds hold no address of the customer
        if !matches!(
            order,
            OrderEvent::WebhookUnrecognised(_)
                | OrderEvent::WebhookQuarantined(_)
                | OrderEvent::DnsRecordUpdated(_)
                | OrderEvent::MailboxExported(_)
                | OrderEvent::MailboxWarmupStarted(_)
                | OrderEvent::MailboxWarmupRemoved(_)
        ) {
            view.newest.insert(stamp);
            if view.newest.len() > KEPT {
                view.newest.pop_first();
            }
        }
        view.provenance.observe(event, &stamp);
        Verdict::Keep
    }

    fn columns(view: &CustomerView, key: &str) -> Row {
        let item = view.item(key);
        vec![
            key.into(),
            item.spend.map(|spend| spend.to_string()).into(),
            item.first_recorded_at.into(),
            item.last_recorded_at.into(),
            item.first_position.map(|position| Value::count(position.0)).into(),
        ]
    }

    fn item(view: &CustomerView, key: &str) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(view.item(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assigned, given, quarantined, registration, time};

    #[test]
    fn a_customer_is_known_from_the_first_webhook_that_names_them() {
        let mut events = vec![quarantined("E0").user("U1").sent("2025-01-01T00:00:00Z")];
        for day in 1..=5 {
            events.push(
                assigned(&format!("E{day}"), "O1")
                    .user("U1")
                    .sent(&format!("2025-01-0{day}T12:00:00Z")),
            );
        }
        events.push(
            registration("D1", OrderEvent::DomainRegistered, "a.com", None)
                .of_registration(|facts| facts.price = "15.88".parse().ok())
                .user("U1")
                .sent("2025-01-03T00:00:00Z"),
        );
        events.push(assigned("E9", "O2").sent("2025-01-03T00:00:00Z"));
        let forwards = given::<Customers>(events.clone()).then_row_count(1);
        let view = forwards.view("U1");
        assert_eq!(
            view.newest().map(|position| position.0).collect::<Vec<_>>(),
            [6, 5, 4, 7, 3]
        );
        assert_eq!(view.item("U1").first_recorded_at, Some(time("2025-01-01T00:00:00Z")));
        forwards.then_columns("U1", &[("spend", "15.88".into())]);
        events.reverse();
        let backwards = given::<Customers>(events);
        let positions: Vec<u64> = backwards.view("U1").newest().map(|position| position.0).collect();
        assert_eq!(positions, [3, 4, 5, 2, 6]);
    }
}
