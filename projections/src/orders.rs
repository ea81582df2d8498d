//! The outcome of each order. Key: the order's id.
//!
//! Only events that always name their order themselves count: assignments and failures, ordinary orders of mailboxes, and
//! mailboxes that were created for an order. Whether a subscription's event or an unrecognised webhook names an order
//! can depend on earlier arrivals, so those change nothing here; they are in the order's timeline.

use std::collections::BTreeMap;
use std::ops::Not;

use aggregates::{Domain, OrderEvent, OrderId, Position, Price, Recorded, ServiceProvider, SubscriptionId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::assignment::{DomainStatus, Outcome, failures, numbered};
use crate::merge::Newest;
use crate::provenance::Provenance;
use crate::stamp::Stamp;
use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct Orders;

/// The view of one order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderView {
    domains: BTreeMap<Domain, Outcome>,
    #[serde(default, skip_serializing_if = "Not::not")]
    failed: bool,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    reason: Newest<String>,
    /// What it cost, by the events that say so.
    #[serde(default, skip_serializing_if = "Price::is_zero")]
    spend: Price,
    provenance: Provenance,
}

/// The outcome of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// Something is still to come, or nothing is known yet.
    Pending,
    /// Every known domain got mailboxes.
    Fulfilled,
    /// Some domains did, and something failed.
    Partial,
    /// There are only failures.
    Failed,
}

impl OrderStatus {
    /// Its name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fulfilled => "fulfilled",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// An order as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// The order.
    pub order_id: String,
    /// The user who ordered.
    pub user_id: Option<UserId>,
    /// Google, Microsoft, …
    pub service_provider: Option<ServiceProvider>,
    /// Its outcome.
    pub status: OrderStatus,
    /// Why the whole order failed.
    pub reason: Option<String>,
    /// Its domains, by name.
    pub domains: Vec<OrderDomain>,
    /// What it cost; null if no event says so.
    pub spend: Option<Price>,
    /// When the first of its webhooks was recorded.
    pub first_recorded_at: Option<Timestamp>,
    /// When the last of its webhooks was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// The position of the first of its webhooks.
    pub first_position: Option<Position>,
    /// The positions of its webhooks with fields or parts that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<Position>,
}

/// A domain of an order as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDomain {
    /// The domain.
    pub domain: Domain,
    /// Its outcome.
    pub status: DomainStatus,
    /// The subscription that pays for its mailboxes.
    pub subscription_id: Option<SubscriptionId>,
    /// How many mailboxes it got.
    pub mailbox_count: usize,
    /// The reason, if its status is failed.
    pub reason: Option<String>,
}

impl OrderView {
    /// The order's status: see [`OrderStatus`].
    pub fn status(&self) -> OrderStatus {
        let any = |wanted| self.domains.values().any(|domain| domain.status() == wanted);
        let failed = self.failed || any(DomainStatus::Failed);
        let pending = any(DomainStatus::Pending);
        match (any(DomainStatus::Assigned), failed) {
            (true, true) => OrderStatus::Partial,
            _ if pending => OrderStatus::Pending,
            (true, false) => OrderStatus::Fulfilled,
            (false, true) => OrderStatus::Failed,
            (false, false) => OrderStatus::Pending,
        }
    }

    /// When the failure of one of its domains, or of all of it, was made good: when it got mailboxes after all.
    pub fn made_good_at(&self, domain: Option<&Domain>) -> Option<Timestamp> {
        match domain {
            Some(domain) => self.domains.get(domain)?.made_good_at(),
            None => self.domains.values().filter_map(Outcome::made_good_at).min(),
        }
    }

    /// The order as readers see it; the key is its id.
    pub fn item(&self, key: &str) -> OrderItem {
        let domains = self.domains.iter().map(|(domain, outcome)| OrderDomain {
            domain: domain.clone(),
            status: outcome.status(),
            subscription_id: outcome.subscription_id().cloned(),
            mailbox_count: outcome.mailbox_count(),
            reason: outcome.reason().cloned(),
        });
        OrderItem {
            order_id: key.to_owned(),
            user_id: self.provenance.user_id().cloned(),
            service_provider: self.provenance.service_provider().cloned(),
            status: self.status(),
            reason: self.reason.get().cloned(),
            domains: domains.collect(),
            first_recorded_at: self.provenance.first_recorded_at(),
            last_recorded_at: self.provenance.last_recorded_at(),
            first_position: self.provenance.first_position(),
            incomplete: self.provenance.incomplete(),
            spend: Some(self.spend).filter(|spend| !spend.is_zero()),
        }
    }

    fn count(&self, status: DomainStatus) -> Value {
        Value::count(self.domains.values().filter(|domain| domain.status() == status).count())
    }
}

impl Projection for Orders {
    const NAME: &'static str = "orders";
    const VERSION: u32 = 5;
    const COLUMNS: &'static [Column] = &[
        Column::key("order_id"),
        Column::new("user_id", Kind::Text).nullable().indexed(),
        Column::new("service_provider", Kind::Text).nullable(),
        Column::new("status", Kind::Text).indexed_unless("fulfilled"),
        Column::new("reason", Kind::Text).nullable(),
        Column::new("domain_count", Kind::Integer),
        Column::new("assigned_count", Kind::Integer),
        Column::new("failed_count", Kind::Integer),
        Column::new("mailbox_count", Kind::Integer),
        Column::new("first_recorded_at", Kind::Timestamp),
        Column::new("last_recorded_at", Kind::Timestamp),
        Column::new("first_position", Kind::Integer).indexed(),
    ];
    type View = OrderView;

    fn keys(event: &Recorded) -> Keys {
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => Keys::one(facts.order_id.as_str()),
            Some(OrderEvent::AssignmentFailed(facts)) => Keys::one(facts.order_id.as_str()),
            Some(OrderEvent::MailboxOrderAccepted(facts) | OrderEvent::MailboxOrderFailed(facts)) => {
                Keys::one(facts.order_id.as_str())
            }
            Some(OrderEvent::MailboxCreated(facts)) => facts.order_id.iter().map(|id| id.as_str().to_owned()).collect(),
            _ => Keys::none(),
        }
    }

    fn origin(key: &str) -> Option<Origin> {
        OrderId::parse(key).ok().map(Origin::Order)
    }

    fn apply(view: &mut OrderView, _: &str, event: &Recorded) -> Verdict {
        let stamp = Stamp::of(event);
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => {
                for (first, domain) in numbered(facts) {
                    let outcome = view.domains.entry(domain.domain.clone()).or_default();
                    outcome.assign(event, &stamp, first, domain);
                }
            }
            Some(OrderEvent::AssignmentFailed(facts)) => {
                for failure in failures(facts) {
                    if let Some(domain) = &failure.domain {
                        let outcome = view.domains.entry(domain.clone()).or_default();
                        outcome.fail(&stamp, failure.reason.as_ref());
                    } else {
                        view.failed = true;
                        view.reason.offer(&stamp, failure.reason.as_ref());
                    }
                }
            }
            Some(OrderEvent::MailboxOrderAccepted(facts)) => {
                view.spend = view.spend.saturating_add(facts.price.unwrap_or_default());
                if let Some(domain) = &facts.domain {
                    view.domains.entry(domain.clone()).or_default().accept(&stamp, facts);
                }
            }
            Some(OrderEvent::MailboxOrderFailed(facts)) => match &facts.domain {
                Some(domain) => {
                    let outcome = view.domains.entry(domain.clone()).or_default();
                    outcome.fail(&stamp, facts.reason.as_ref());
                }
                None => {
                    view.failed = true;
                    view.reason.offer(&stamp, facts.reason.as_ref());
                }
            },
            Some(OrderEvent::MailboxCreated(facts)) => {
                if let Some(domain) = &facts.domain {
                    view.domains.entry(domain.clone()).or_default().create(&stamp, facts);
                }
            }
            _ => {}
        }
        view.provenance.observe(event, &stamp);
        Verdict::Keep
    }

    fn columns(view: &OrderView, key: &str) -> Row {
        vec![
            key.into(),
            view.provenance.user_column(),
            view.provenance.provider_column(),
            view.status().as_str().into(),
            view.reason.get().into(),
            Value::count(view.domains.len()),
            view.count(DomainStatus::Assigned),
            view.count(DomainStatus::Failed),
            Value::count(view.domains.values().map(Outcome::mailbox_count).sum::<usize>()),
            view.provenance.first_recorded_at().into(),
            view.provenance.last_recorded_at().into(),
            view.provenance.position_column(),
        ]
    }

    fn item(view: &OrderView, key: &str) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(view.item(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assigned, created, failed, given, mailbox_order, quarantined, subscription, time, unrecognised,
    };

    const POOL_EMPTY: &str = "Pre-warmed mailboxes not available";
    const NO_FUNDS: &str = "Insufficient wallet balance";

    #[test]
    fn an_order_whose_domains_all_got_mailboxes_is_fulfilled() {
        given::<Orders>([
            assigned("E1", "O1")
                .domain("a.com", "S1", &["M1", "M2"])
                .domain("b.com", "S2", &["M3"])
                .user("U1")
                .provider("GOOGLE")
                .sent("2025-10-27T20:00:00Z"),
            assigned("E2", "O1")
                .domain("c.com", "S3", &["M4"])
                .sent("2025-10-27T20:00:05Z"),
        ])
        .then_columns(
            "O1",
            &[
                ("order_id", "O1".into()),
                ("user_id", "U1".into()),
                ("service_provider", "GOOGLE".into()),
                ("status", "fulfilled".into()),
                ("domain_count", 3_i64.into()),
                ("assigned_count", 3_i64.into()),
                ("failed_count", 0_i64.into()),
                ("mailbox_count", 4_i64.into()),
                ("first_recorded_at", time("2025-10-27T20:00:00Z").into()),
                ("last_recorded_at", time("2025-10-27T20:00:05Z").into()),
                ("first_position", 1_i64.into()),
            ],
        );
    }

    #[test]
    fn a_failed_domain_does_not_hide_the_one_that_was_assigned() {
        let success = assigned("E1", "O1").domain("a.com", "S1", &["M1"]);
        let failure = failed("E2", "O1").fails("b.com", POOL_EMPTY);
        for events in [[success.clone(), failure.clone()], [failure, success]] {
            let orders = given::<Orders>(events).then_columns(
                "O1",
                &[
                    ("status", "partial".into()),
                    ("assigned_count", 1_i64.into()),
                    ("failed_count", 1_i64.into()),
                ],
            );
            let domains = orders.view("O1").item("O1").domains;
            let reasons: Vec<_> = domains
                .iter()
                .map(|domain| (domain.domain.as_str(), domain.status, domain.reason.as_deref()))
                .collect();
            assert_eq!(
                reasons,
                [
                    ("a.com", DomainStatus::Assigned, None),
                    ("b.com", DomainStatus::Failed, Some(POOL_EMPTY)),
                ]
            );
        }
    }

    #[test]
    fn a_domain_that_failed_and_was_assigned_makes_no_order_partial() {
        given::<Orders>([
            assigned("E1", "O1").domain("a.com", "S1", &["M1"]),
            failed("E2", "O1").fails("a.com", POOL_EMPTY),
        ])
        .then_columns("O1", &[("status", "fulfilled".into()), ("failed_count", 0_i64.into())]);
    }

    #[test]
    fn an_order_that_failed_as_a_whole_says_why() {
        given::<Orders>([failed("E1", "O1").fails_whole(NO_FUNDS), failed("E2", "O2")])
            .then_columns(
                "O1",
                &[
                    ("status", "failed".into()),
                    ("reason", NO_FUNDS.into()),
                    ("domain_count", 0_i64.into()),
                ],
            )
            .then_columns("O2", &[("status", "failed".into()), ("reason", Value::Null)]);
    }

    #[test]
    fn an_order_that_failed_as_a_whole_and_got_mailboxes_is_partial() {
        given::<Orders>([
            failed("E1", "O1").fails_whole(NO_FUNDS),
            assigned("E2", "O1").domain("a.com", "S1", &["M1"]),
        ])
        .then_columns("O1", &[("status", "partial".into()), ("reason", NO_FUNDS.into())]);
    }

    #[test]
    fn an_assignment_of_nothing_leaves_the_order_pending() {
        given::<Orders>([assigned("E1", "O1")]).then_columns("O1", &[("status", "pending".into())]);
    }

    #[test]
    fn the_newest_reason_stands_whichever_came_first() {
        let old = failed("E2", "O1")
            .fails("a.com", POOL_EMPTY)
            .sent("2025-10-27T20:00:00Z");
        let new = failed("E1", "O1").fails("a.com", NO_FUNDS).sent("2025-10-27T20:00:01Z");
        for events in [[old.clone(), new.clone()], [new, old]] {
            let orders = given::<Orders>(events);
            assert_eq!(
                orders.view("O1").item("O1").domains[0].reason.as_deref(),
                Some(NO_FUNDS)
            );
        }
    }

    #[test]
    fn the_same_mailbox_in_two_webhooks_counts_once() {
        given::<Orders>([
            assigned("E1", "O1").domain("a.com", "S1", &["M1", "M2"]),
            assigned("E2", "O1").domain("a.com", "S1", &["M2", "M3"]),
        ])
        .then_columns("O1", &[("mailbox_count", 3_i64.into()), ("domain_count", 1_i64.into())]);
    }

    #[test]
    fn other_webhooks_do_not_touch_an_order() {
        let mut refund = unrecognised("E1", "prewarmup.order.refunded");
        if let OrderEvent::WebhookUnrecognised(facts) = &mut refund.event {
            facts.order_id = aggregates::OrderId::parse("O1").ok();
        }
        let renewal = subscription("E2", OrderEvent::SubscriptionRenewed, "S1");
        let renewal = renewal.with(|facts| facts.order_id = aggregates::OrderId::parse("O1").ok());
        given::<Orders>([refund, renewal, quarantined("E3")]).then_no_rows();
    }

    #[test]
    fn an_ordinary_order_is_pending_until_its_mailboxes_are_there() {
        let accepted = mailbox_order("E1", OrderEvent::MailboxOrderAccepted, "O1", "a.com", "S1");
        let failed = mailbox_order("E2", OrderEvent::MailboxOrderFailed, "O1", "a.com", "");
        let made = created("E3", "M1", "O1", "a.com", "S1");
        given::<Orders>([accepted.clone()]).then_columns("O1", &[("status", "pending".into())]);
        given::<Orders>([failed.clone()]).then_columns("O1", &[("status", "failed".into())]);
        // a second try made it good
        let again =
            mailbox_order("E4", OrderEvent::MailboxOrderAccepted, "O1", "a.com", "S1").sent("2026-01-01T00:00:00Z");
        for events in [[failed.clone(), again.clone()], [again, failed.clone()]] {
            given::<Orders>(events).then_columns("O1", &[("status", "pending".into())]);
        }
        // a failure after it is not
        let later = mailbox_order("E5", OrderEvent::MailboxOrderFailed, "O1", "a.com", "").sent("2026-01-01T00:00:00Z");
        given::<Orders>([accepted.clone(), later]).then_columns("O1", &[("status", "failed".into())]);
        // some are there, and one is still to come
        let other = created("E6", "M2", "O1", "b.com", "S2");
        given::<Orders>([accepted.clone(), other]).then_columns("O1", &[("status", "pending".into())]);
        let orders = given::<Orders>([made, failed, accepted])
            .then_columns("O1", &[("status", "fulfilled".into()), ("mailbox_count", 1_i64.into())]);
        let domain = &orders.view("O1").item("O1").domains[0];
        assert_eq!(domain.subscription_id.as_ref().map(SubscriptionId::as_str), Some("S1"));
        assert_eq!(domain.reason, None);
    }

    #[test]
    fn an_order_reads_as_the_api_shows_it() {
        let orders = given::<Orders>([assigned("E1", "O1").domain("a.com", "S1", &["M1"])]);
        assert_eq!(
            serde_json::to_value(orders.view("O1").item("O1")).unwrap(),
            serde_json::json!({
                "orderId": "O1", "userId": null, "serviceProvider": null, "status": "fulfilled", "reason": null,
                "domains": [{
                    "domain": "a.com", "status": "assigned", "subscriptionId": "S1", "mailboxCount": 1, "reason": null,
                }],
                "spend": null,
                "firstRecordedAt": "2025-10-27T20:00:00Z", "lastRecordedAt": "2025-10-27T20:00:00Z", "firstPosition": 1,
            })
        );
    }
}
