//! The life of each subscription: its domain, until when it is paid, how its renewals went. Key: the subscription's id.
//!
//! Its domain and order are those of its assignment. If no assignment was recorded, the domain is the one in its own
//! events, and the order is unknown: a subscription's event may have been recorded with an order or not, depending on
//! earlier arrivals.

use std::collections::BTreeSet;

use aggregates::{
    Domain, MailboxCreated, OrderEvent, OrderId, Position, Recorded, ServiceProvider, SubscriptionId, UserId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::assignment::{Lasting, MailboxKey, latest_expiry, numbered};
use crate::merge::Newest;
use crate::provenance::Provenance;
use crate::stamp::Stamp;
use crate::subscription::Term;
use crate::{Column, Keys, Kind, Origin, Projection, Row, SubscriptionStatus, Verdict};

/// The projection.
pub struct Renewals;

/// The value of `due` if no end is known: 9999-12-30T00:00:00Z, the last whole day that a timestamp can hold, so that
/// such subscriptions sort last.
pub const NEVER_DUE: Timestamp = Timestamp::constant(253_402_128_000, 0);

/// The view of one subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewalView {
    subscription: Term,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    assigned_to: Newest<AssignedTo, Lasting>,
    /// The domain in the subscription's own events. Kept only while no assignment is known: those events may have been
    /// recorded with the assignment's domain or not.
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    named_domain: Newest<Domain>,
    /// When it began: the earliest assignment, order or period that an event tells of.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "aggregates::moment::optional"
    )]
    since: Option<Timestamp>,
    /// The mailboxes assigned to it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    mailboxes: BTreeSet<MailboxKey>,
    provenance: Provenance,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AssignedTo {
    domain: Domain,
    order_id: OrderId,
}

/// The subscription, domain and order of a mailbox created outside of an assignment, if it names all three.
fn assigned_by(facts: &MailboxCreated) -> Option<(&SubscriptionId, AssignedTo)> {
    let to = AssignedTo {
        domain: facts.domain.clone()?,
        order_id: facts.order_id.clone()?,
    };
    Some((facts.subscription_id.as_ref()?, to))
}

/// A subscription as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewalItem {
    /// The subscription.
    pub subscription_id: String,
    /// Its domain.
    pub domain: Option<Domain>,
    /// The order that opened it.
    pub order_id: Option<OrderId>,
    /// The user it belongs to.
    pub user_id: Option<UserId>,
    /// Google, Microsoft, …
    pub service_provider: Option<ServiceProvider>,
    /// How many mailboxes it holds.
    pub mailbox_count: u32,
    /// The last known end of the paid period.
    pub expiry_date: Option<Timestamp>,
    /// Whether that is up to date: not if a later renewal did not say until when.
    pub expiry_known: bool,
    /// Its status.
    pub status: SubscriptionStatus,
    /// Whether it renews by itself.
    pub auto_renew: Option<bool>,
    /// When it was last renewed.
    pub last_renewal: Option<Timestamp>,
    /// How many renewals were reported.
    pub renewals: u32,
    /// How many failed renewals were reported.
    pub failures: u32,
    /// When the latest failure was reported: of a renewal, of a payment, or the end.
    pub last_failure_at: Option<Timestamp>,
    /// The reason of the newest failure.
    pub last_failure_reason: Option<String>,
    /// When it began, as far as events tell.
    pub since: Option<Timestamp>,
    /// The positions of its events with fields that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<Position>,
}

impl RenewalView {
    /// The subscription as readers see it; the key is its id.
    pub fn item(&self, key: &str) -> RenewalItem {
        RenewalItem {
            subscription_id: key.to_owned(),
            domain: self.domain().cloned(),
            order_id: self.order_id().cloned(),
            user_id: self.provenance.user_id().cloned(),
            service_provider: self.provenance.service_provider().cloned(),
            mailbox_count: self.mailbox_count(),
            expiry_date: self.subscription.expiry_date(),
            expiry_known: self.subscription.expiry_known(),
            status: self.subscription.status(),
            auto_renew: self.subscription.auto_renew(),
            last_renewal: self.subscription.last_renewal(),
            renewals: self.subscription.renewals(),
            failures: self.subscription.failures(),
            last_failure_at: self.subscription.failed_at(),
            last_failure_reason: self.subscription.last_failure_reason().cloned(),
            since: self.since,
            incomplete: self.provenance.incomplete(),
        }
    }

    /// When the latest renewal was reported.
    pub fn renewed_at(&self) -> Option<Timestamp> {
        self.subscription.renewed_at()
    }

    fn began(&mut self, at: Timestamp) {
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }

    fn domain(&self) -> Option<&Domain> {
        let assigned = self.assigned_to.get().map(|assigned| &assigned.domain);
        assigned.or(self.named_domain.get())
    }

    fn order_id(&self) -> Option<&OrderId> {
        self.assigned_to.get().map(|assigned| &assigned.order_id)
    }

    /// The provider's count; if there is none, the number of assigned mailboxes.
    fn mailbox_count(&self) -> u32 {
        let assigned = || u32::try_from(self.mailboxes.len()).unwrap_or(u32::MAX);
        self.subscription.quantity().unwrap_or_else(assigned)
    }
}

impl Projection for Renewals {
    const NAME: &'static str = "renewals";
    const VERSION: u32 = 6;
    const COLUMNS: &'static [Column] = &[
        Column::key("subscription_id"),
        Column::new("domain", Kind::Text).nullable().indexed(),
        Column::new("order_id", Kind::Text).nullable(),
        Column::new("user_id", Kind::Text).nullable().indexed(),
        Column::new("service_provider", Kind::Text).nullable(),
        Column::new("mailbox_count", Kind::Integer),
        Column::new("expiry_date", Kind::Timestamp).nullable(),
        Column::new("expiry_known", Kind::Boolean),
        Column::new("due", Kind::Timestamp).indexed(),
        Column::new("status", Kind::Text).indexed_unless("active"),
        Column::new("auto_renew", Kind::Boolean).nullable(),
        Column::new("last_renewal", Kind::Timestamp).nullable(),
        Column::new("renewals", Kind::Integer),
        Column::new("failures", Kind::Integer),
        Column::new("last_failure_at", Kind::Timestamp).nullable(),
        Column::new("last_failure_reason", Kind::Text).nullable(),
        Column::new("first_recorded_at", Kind::Timestamp),
        Column::new("last_recorded_at", Kind::Timestamp),
    ];
    type View = RenewalView;

    fn keys(event: &Recorded) -> Keys {
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => {
                let subscriptions = facts
                    .domains
                    .iter()
                    .filter_map(|domain| domain.subscription_id.as_ref());
                subscriptions.map(|id| id.as_str().to_owned()).collect()
            }
            Some(OrderEvent::MailboxOrderAccepted(facts)) => {
                facts.subscription_id.iter().map(|id| id.as_str().to_owned()).collect()
            }
            Some(OrderEvent::MailboxCreated(facts)) => {
                let subscription = assigned_by(facts).map(|(id, _)| id.as_str().to_owned());
                subscription.into_iter().collect()
            }
            other => {
                let facts = other.and_then(OrderEvent::as_subscription);
                facts.map_or(Keys::none(), |facts| Keys::one(facts.subscription_id.as_str()))
            }
        }
    }

    fn origin(key: &str) -> Option<Origin> {
        SubscriptionId::parse(key).ok().map(Origin::Subscription)
    }

    fn apply(view: &mut RenewalView, key: &str, event: &Recorded) -> Verdict {
        let stamp = Stamp::of(event);
        if let Some(OrderEvent::MailboxesAssigned(facts)) = event.order() {
            let own = |id: &SubscriptionId| id.as_str() == key;
            for (first, domain) in
                numbered(facts).filter(|(_, domain)| domain.subscription_id.as_ref().is_some_and(own))
            {
                let expiry = latest_expiry(domain);
                view.subscription.assigned(expiry);
                view.began(event.happened_at());
                view.mailboxes.extend(MailboxKey::of_all(event, first, domain));
                let to = AssignedTo {
                    domain: domain.domain.clone(),
                    order_id: facts.order_id.clone(),
                };
                view.assigned_to.offer(&(expiry, stamp), Some(&to));
            }
        } else if let Some(OrderEvent::MailboxCreated(facts)) = event.order() {
            if let Some((_, to)) = assigned_by(facts) {
                view.subscription.assigned(facts.expiry_date);
                view.began(event.happened_at());
                view.mailboxes.insert(MailboxKey::Id(facts.mailbox_id.clone()));
                view.assigned_to.offer(&(facts.expiry_date, stamp), Some(&to));
            }
        } else if let Some(OrderEvent::MailboxOrderAccepted(facts)) = event.order() {
            view.subscription.ordered(facts, &stamp);
            view.began(facts.creation_time.unwrap_or_else(|| event.happened_at()));
            let to = facts.domain.clone().map(|domain| AssignedTo {
                domain,
                order_id: facts.order_id.clone(),
            });
            view.assigned_to.offer(&(facts.expiry_date, stamp), to.as_ref());
        } else if let Some(facts) = event.order().and_then(OrderEvent::as_subscription) {
            if let Some(start) = facts.period_start {
                view.began(start);
            }
            view.subscription.apply(event, facts, &stamp);
            view.named_domain.offer(&stamp, facts.domain.as_ref());
        }
        if !view.assigned_to.is_none() {
            view.named_domain.clear();
        }
        view.provenance.observe(event, &stamp);
        Verdict::Keep
    }

    fn columns(view: &RenewalView, key: &str) -> Row {
        let subscription = &view.subscription;
        vec![
            key.into(),
            view.domain().map(Domain::as_str).into(),
            view.order_id().map(OrderId::as_str).into(),
            view.provenance.user_column(),
            view.provenance.provider_column(),
            view.mailbox_count().into(),
            subscription.expiry_date().into(),
            subscription.expiry_known().into(),
            subscription.expiry_date().unwrap_or(NEVER_DUE).into(),
            subscription.status().into(),
            subscription.auto_renew().into(),
            subscription.last_renewal().into(),
            subscription.renewals().into(),
            subscription.failures().into(),
            subscription.failed_at().into(),
            subscription.last_failure_reason().into(),
            view.provenance.first_recorded_at().into(),
            view.provenance.last_recorded_at().into(),
        ]
    }

    fn item(view: &RenewalView, key: &str) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(view.item(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use crate::testing::{assigned, given, subscription, time};

    #[test]
    fn an_assignment_opens_a_subscription_until_its_latest_mailbox_runs_out() {
        given::<Renewals>([assigned("E1", "O1")
            .domain("a.com", "S1", &["M1", "M2"])
            .until("2025-11-27T00:00:00Z")
            .user("U1")
            .provider("GOOGLE")])
        .then_columns(
            "S1",
            &[
                ("subscription_id", "S1".into()),
                ("domain", "a.com".into()),
                ("order_id", "O1".into()),
                ("user_id", "U1".into()),
                ("service_provider", "GOOGLE".into()),
                ("mailbox_count", 2_i64.into()),
                ("expiry_date", time("2025-11-27T00:00:00Z").into()),
                ("expiry_known", true.into()),
                ("due", time("2025-11-27T00:00:00Z").into()),
                ("status", "active".into()),
                ("auto_renew", Value::Null),
                ("last_renewal", Value::Null),
                ("renewals", 0_i64.into()),
            ],
        );
    }

    #[test]
    fn a_renewal_moves_the_end_and_counts() {
        let opened = assigned("E1", "O1")
            .domain("a.com", "S1", &["M1"])
            .until("2025-11-27T00:00:00Z");
        let renewed = subscription("E2", OrderEvent::SubscriptionRenewed, "S1")
            .until("2025-12-27T00:00:00Z")
            .with(|facts| {
                facts.period_start = Some(time("2025-11-27T00:00:00Z"));
                facts.quantity = Some(3);
                facts.auto_renew = Some(true);
            });
        for events in [[opened.clone(), renewed.clone()], [renewed, opened]] {
            given::<Renewals>(events).then_columns(
                "S1",
                &[
                    ("status", "active".into()),
                    ("due", time("2025-12-27T00:00:00Z").into()),
                    ("mailbox_count", 3_i64.into()),
                    ("auto_renew", true.into()),
                    ("last_renewal", time("2025-11-27T00:00:00Z").into()),
                    ("renewals", 1_i64.into()),
                ],
            );
        }
    }

    #[test]
    fn the_assignments_domain_wins_over_the_one_that_events_name() {
        let opened = assigned("E1", "O1").domain("a.com", "S1", &["M1"]);
        let renewed = subscription("E2", OrderEvent::SubscriptionRenewed, "S1").of_domain("moved.com");
        for events in [[opened.clone(), renewed.clone()], [renewed.clone(), opened]] {
            given::<Renewals>(events).then_columns("S1", &[("domain", "a.com".into()), ("order_id", "O1".into())]);
        }
        given::<Renewals>([renewed]).then_columns("S1", &[("domain", "moved.com".into()), ("order_id", Value::Null)]);
    }

    #[test]
    fn a_renewal_recorded_with_its_domain_and_order_leaves_the_same_view_as_one_without() {
        let opened = assigned("E1", "O1").domain("a.com", "S1", &["M1"]);
        let waiting = subscription("E2", OrderEvent::SubscriptionRenewed, "S1");
        let enriched = waiting.clone().of_domain("a.com");
        let enriched = enriched.with(|facts| facts.order_id = OrderId::parse("O1").ok());
        let after = given::<Renewals>([opened.clone(), enriched]);
        // the positions differ only in which event was recorded first
        let before = given::<Renewals>([opened, waiting]);
        before.then("S1", after.view("S1"));
    }

    #[test]
    fn a_failed_renewal_counts_and_says_why() {
        given::<Renewals>([
            assigned("E1", "O1")
                .domain("a.com", "S1", &["M1"])
                .until("2025-11-27T00:00:00Z"),
            subscription("E2", OrderEvent::SubscriptionRenewalFailed, "S1")
                .until("2025-11-27T00:00:00Z")
                .with(|facts| facts.reason = Some("Linked domain is in GRACE_PERIOD".to_owned())),
        ])
        .then_columns(
            "S1",
            &[
                ("status", "renewalFailed".into()),
                ("failures", 1_i64.into()),
                ("last_failure_reason", "Linked domain is in GRACE_PERIOD".into()),
            ],
        );
    }

    #[test]
    fn a_subscription_without_a_known_end_is_due_last() {
        assert_eq!(NEVER_DUE, time("9999-12-30T00:00:00Z"));
        given::<Renewals>([subscription("E1", OrderEvent::SubscriptionRenewed, "S1")]).then_columns(
            "S1",
            &[
                ("expiry_date", Value::Null),
                ("expiry_known", false.into()),
                ("due", NEVER_DUE.into()),
                ("status", "active".into()),
            ],
        );
    }

    #[test]
    fn mailboxes_without_a_subscription_have_no_row() {
        given::<Renewals>([assigned("E1", "O1").domain("a.com", "", &["M1"])]).then_no_rows();
    }
}
