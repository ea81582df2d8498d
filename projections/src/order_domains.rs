//! What became of each domain of each order. Key: `<order id>/<domain>`.
//!
//! A failure of an order as a whole names no domain and has no row here.

use aggregates::{OrderEvent, OrderId, Recorded, SubscriptionId};
use serde::{Deserialize, Serialize};

use crate::assignment::{Outcome, domain_key, failures, numbered};
use crate::provenance::Provenance;
use crate::stamp::Stamp;
use crate::{Column, DomainStatus, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct OrderDomains;

/// All that is known of one domain of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderDomainView {
    outcome: Outcome,
    provenance: Provenance,
}

impl OrderDomainView {
    /// What became of it.
    pub fn status(&self) -> DomainStatus {
        self.outcome.status()
    }
}

/// The order and the domain of a key. An order's id may hold a slash, a domain never does.
pub fn split_key(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or((key, ""))
}

impl Projection for OrderDomains {
    const NAME: &'static str = "order_domains";
    const VERSION: u32 = 3;
    const COLUMNS: &'static [Column] = &[
        Column::new("order_id", Kind::Text),
        Column::new("domain", Kind::Text).indexed(),
        Column::new("user_id", Kind::Text).nullable(),
        Column::new("service_provider", Kind::Text).nullable(),
        Column::new("status", Kind::Text),
        Column::new("subscription_id", Kind::Text).nullable(),
        Column::new("mailbox_count", Kind::Integer),
        Column::new("reason", Kind::Text).nullable(),
        Column::new("first_recorded_at", Kind::Timestamp),
        Column::new("last_recorded_at", Kind::Timestamp),
        Column::new("first_position", Kind::Integer),
    ];
    type View = OrderDomainView;

    fn keys(event: &Recorded) -> Keys {
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => {
                let domains = facts.domains.iter().map(|assigned| &assigned.domain);
                domains.map(|domain| domain_key(&facts.order_id, domain)).collect()
            }
            Some(OrderEvent::AssignmentFailed(facts)) => {
                let domains = failures(facts).iter().filter_map(|failure| failure.domain.as_ref());
                domains.map(|domain| domain_key(&facts.order_id, domain)).collect()
            }
            _ => Keys::none(),
        }
    }

    fn origin(key: &str) -> Option<Origin> {
        OrderId::parse(split_key(key).0).ok().map(Origin::Order)
    }

    fn apply(view: &mut OrderDomainView, key: &str, event: &Recorded) -> Verdict {
        let (_, own) = split_key(key);
        let stamp = Stamp::of(event);
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => {
                for (first, domain) in numbered(facts).filter(|(_, domain)| domain.domain.as_str() == own) {
                    view.outcome.assign(event, &stamp, first, domain);
                }
            }
            Some(OrderEvent::AssignmentFailed(facts)) => {
                for failure in failures(facts) {
                    if failure.domain.as_ref().is_some_and(|domain| domain.as_str() == own) {
                        view.outcome.fail(&stamp, failure.reason.as_ref());
                    }
                }
            }
            _ => {}
        }
        view.provenance.observe(event, &stamp);
        Verdict::Keep
    }

    fn columns(view: &OrderDomainView, key: &str) -> Row {
        let (order, domain) = split_key(key);
        vec![
            order.into(),
            domain.into(),
            view.provenance.user_column(),
            view.provenance.provider_column(),
            view.status().into(),
            view.outcome.subscription_id().map(SubscriptionId::as_str).into(),
            Value::count(view.outcome.mailbox_count()),
            view.outcome.reason().into(),
            view.provenance.first_recorded_at().into(),
            view.provenance.last_recorded_at().into(),
            view.provenance.position_column(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assigned, failed, given, subscription};

    #[test]
    fn every_domain_of_an_order_has_its_row() {
        given::<OrderDomains>([
            assigned("E1", "O1").domain("a.com", "S1", &["M1", "M2"]).user("U1"),
            failed("E2", "O1")
                .fails("b.com", "Insufficient wallet balance")
                .user("U1"),
        ])
        .then_columns(
            "O1/a.com",
            &[
                ("order_id", "O1".into()),
                ("domain", "a.com".into()),
                ("user_id", "U1".into()),
                ("status", "assigned".into()),
                ("subscription_id", "S1".into()),
                ("mailbox_count", 2_i64.into()),
                ("reason", Value::Null),
            ],
        )
        .then_columns(
            "O1/b.com",
            &[
                ("status", "failed".into()),
                ("subscription_id", Value::Null),
                ("mailbox_count", 0_i64.into()),
                ("reason", "Insufficient wallet balance".into()),
            ],
        );
    }

    #[test]
    fn a_domain_that_was_assigned_stays_assigned_when_its_failure_comes_later() {
        let success = assigned("E1", "O1").domain("a.com", "S1", &["M1"]);
        let failure = failed("E2", "O1").fails("a.com", "Pre-warmed mailboxes not available");
        for events in [[success.clone(), failure.clone()], [failure, success]] {
            given::<OrderDomains>(events)
                .then_columns("O1/a.com", &[("status", "assigned".into()), ("reason", Value::Null)]);
        }
    }

    #[test]
    fn a_failed_order_without_domains_has_no_rows() {
        given::<OrderDomains>([failed("E1", "O1").fails_whole("Insufficient wallet balance")]).then_no_rows();
    }

    #[test]
    fn a_subscriptions_event_is_not_about_its_order() {
        given::<OrderDomains>([subscription("E1", OrderEvent::SubscriptionExpired, "S1").of_domain("a.com")])
            .then_no_rows();
    }

    #[test]
    fn an_orders_id_may_hold_a_slash() {
        given::<OrderDomains>([failed("E1", "O/1").fails("a.com", "No")])
            .then_columns("O/1/a.com", &[("order_id", "O/1".into()), ("domain", "a.com".into())]);
    }
}
