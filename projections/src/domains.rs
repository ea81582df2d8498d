//! The registration of each domain: until when it is registered, how its renewals went, when its DNS records changed. Key:
//! the domain.
//!
//! It lives apart from the subscriptions of the mailboxes under the domain (see [`crate::renewals`]): a registration in
//! its grace period blocks the renewal of its subscription.

use aggregates::{Domain, DomainId, OrderEvent, OrderId, Position, Price, Recorded, UserId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::merge::Newest;
use crate::provenance::Provenance;
use crate::stamp::Stamp;
use crate::subscription::Term;
use crate::{Column, Keys, Kind, Origin, Projection, Row, SubscriptionStatus, Value, Verdict};

/// How long after its end a registration can still be renewed: 7 days from the exact time.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The projection.
pub struct Domains;

/// The state of a registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegistrationStatus {
    /// No event tells of it.
    #[default]
    Unknown,
    /// It could not be registered.
    Failed,
    /// Registered.
    Active,
    /// Its renewal failed.
    RenewalFailed,
    /// It ended, and can still be renewed.
    Grace,
    /// It is lost.
    Expired,
}

impl RegistrationStatus {
    /// Every state, in the order of a registration's life.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Failed,
        Self::Active,
        Self::RenewalFailed,
        Self::Grace,
        Self::Expired,
    ];

    /// Its name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Active => "active",
            Self::RenewalFailed => "renewalFailed",
            Self::Grace => "grace",
            Self::Expired => "expired",
        }
    }
}

impl From<RegistrationStatus> for Value {
    fn from(status: RegistrationStatus) -> Self {
        status.as_str().into()
    }
}

/// The view of one registration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrationView {
    term: Term,
    /// The newest event that reports a registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registered: Option<Stamp>,
    /// The reason of the newest registration that failed; blank if it says none.
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    failed: Newest<String>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    domain_id: Newest<DomainId>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    order_id: Newest<OrderId>,
    /// What its registrations and renewals cost.
    #[serde(default, skip_serializing_if = "Price::is_zero")]
    spend: Price,
    /// The newest change of a DNS record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dns: Option<Stamp>,
    #[serde(default, skip_serializing_if = "is_none")]
    dns_changes: u32,
    provenance: Provenance,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// A registration as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationItem {
    /// The domain, in its ASCII form.
    pub domain: String,
    /// The provider's id of the registration.
    pub domain_id: Option<DomainId>,
    /// The order that registered it.
    pub order_id: Option<OrderId>,
    /// The user it belongs to.
    pub user_id: Option<UserId>,
    /// Its state.
    pub status: RegistrationStatus,
    /// The last known end of the registration.
    pub expiry_date: Option<Timestamp>,
    /// Whether that is up to date: not if a later renewal did not say until when.
    pub expiry_known: bool,
    /// Until when it can be renewed: 7 days after its end.
    pub grace_until: Option<Timestamp>,
    /// Whether it renews by itself.
    pub auto_renew: Option<bool>,
    /// When it was last renewed.
    pub last_renewal: Option<Timestamp>,
    /// How many renewals were reported.
    pub renewals: u32,
    /// How many failed renewals were reported.
    pub failures: u32,
    /// When the latest failure was reported.
    pub last_failure_at: Option<Timestamp>,
    /// The reason of the newest failure.
    pub last_failure_reason: Option<String>,
    /// What its registrations and renewals cost, as far as events tell; null if none does.
    pub spend: Option<Price>,
    /// When a DNS record was last changed.
    pub dns_changed_at: Option<Timestamp>,
    /// The position of that change.
    pub dns_changed_by: Option<Position>,
    /// How many changes of DNS records were reported.
    pub dns_changes: u32,
    /// The positions of its events with fields that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<Position>,
}

impl RegistrationView {
    /// The registration as readers see it; the key is the domain.
    pub fn item(&self, key: &str) -> RegistrationItem {
        let expiry_date = self.term.expiry_date();
        RegistrationItem {
            domain: key.to_owned(),
            domain_id: self.domain_id.get().cloned(),
            order_id: self.order_id.get().cloned(),
            user_id: self.provenance.user_id().cloned(),
            status: self.status(),
            expiry_date,
            expiry_known: self.term.expiry_known(),
            grace_until: expiry_date.and_then(|end| end.checked_add(GRACE).ok()),
            auto_renew: self.term.auto_renew(),
            last_renewal: self.term.last_renewal(),
            renewals: self.term.renewals(),
            failures: self.term.failures(),
            last_failure_at: self
                .term
                .failed_at()
                .max(self.failed.keyed().map(|(stamp, _)| stamp.time())),
            last_failure_reason: self.reason().cloned(),
            spend: Some(self.spend).filter(|spend| !spend.is_zero()),
            dns_changed_at: self.dns.map(|stamp| stamp.time()),
            dns_changed_by: self.dns.map(|stamp| stamp.position()),
            dns_changes: self.dns_changes,
            incomplete: self.provenance.incomplete(),
        }
    }

    /// When the latest registration was reported.
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered.map(|stamp| stamp.time())
    }

    /// When the latest renewal was reported.
    pub fn renewed_at(&self) -> Option<Timestamp> {
        self.term.renewed_at()
    }

    /// A failed registration is the state only while nothing else is known.
    fn status(&self) -> RegistrationStatus {
        match self.term.status() {
            SubscriptionStatus::Unknown if !self.failed.is_none() => RegistrationStatus::Failed,
            SubscriptionStatus::Unknown => RegistrationStatus::Unknown,
            SubscriptionStatus::Active => RegistrationStatus::Active,
            SubscriptionStatus::Renewing | SubscriptionStatus::RenewalFailed => RegistrationStatus::RenewalFailed,
            SubscriptionStatus::PastDue => RegistrationStatus::Grace,
            SubscriptionStatus::Expired | SubscriptionStatus::Cancelled => RegistrationStatus::Expired,
        }
    }

    /// That of the newest failure.
    fn reason(&self) -> Option<&String> {
        let failed = self.failed.keyed().filter(|(_, reason)| !reason.is_empty());
        let of_term = self.term.last_failure_reason();
        match failed {
            Some((stamp, reason)) if of_term.is_none() || Some(stamp.time()) >= self.term.failed_at() => Some(reason),
            _ => of_term,
        }
    }
}

impl Projection for Domains {
    const NAME: &'static str = "domains";
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::key("domain"),
        Column::new("domain_id", Kind::Text).nullable(),
        Column::new("order_id", Kind::Text).nullable(),
        Column::new("user_id", Kind::Text).nullable().indexed(),
        Column::new("status", Kind::Text).indexed_unless("active"),
        Column::new("expiry_date", Kind::Timestamp).nullable().indexed(),
        Column::new("expiry_known", Kind::Boolean),
        Column::new("auto_renew", Kind::Boolean).nullable(),
        Column::new("last_renewal", Kind::Timestamp).nullable(),
        Column::new("renewals", Kind::Integer),
        Column::new("failures", Kind::Integer),
        Column::new("last_failure_at", Kind::Timestamp).nullable(),
        Column::new("last_failure_reason", Kind::Text).nullable(),
        Column::new("spend", Kind::Text).nullable(),
        Column::new("dns_changed_at", Kind::Timestamp).nullable(),
        Column::new("first_recorded_at", Kind::Timestamp),
        Column::new("last_recorded_at", Kind::Timestamp),
    ];
    type View = RegistrationView;

    fn keys(event: &Recorded) -> Keys {
        let domain = event.order().and_then(OrderEvent::names_domain);
        domain.map_or(Keys::none(), |domain| Keys::one(domain.as_str()))
    }

    fn origin(key: &str) -> Option<Origin> {
        Domain::parse(key).ok().map(Origin::Domain)
    }

    fn apply(view: &mut RegistrationView, _: &str, event: &Recorded) -> Verdict {
        let stamp = Stamp::of(event);
        match event.order() {
            Some(OrderEvent::DnsRecordUpdated(facts)) => {
                view.dns = view.dns.max(Some(stamp));
                view.dns_changes = view.dns_changes.saturating_add(1);
                view.domain_id.offer(&stamp, facts.domain_id.as_ref());
            }
            Some(order) => {
                let Some(facts) = order.as_domain() else {
                    return Verdict::Keep;
                };
                view.term.apply_domain(event, facts, &stamp);
                view.domain_id.offer(&stamp, facts.domain_id.as_ref());
                match order {
                    OrderEvent::DomainRegistered(_) => {
                        view.registered = view.registered.max(Some(stamp));
                        view.order_id.offer(&stamp, facts.order_id.as_ref());
                    }
                    OrderEvent::DomainRegistrationFailed(_) => {
                        let reason = facts.reason.clone().unwrap_or_default();
                        view.failed.offer(&stamp, Some(&reason));
                    }
                    _ => {}
                }
                if matches!(order, OrderEvent::DomainRegistered(_) | OrderEvent::DomainRenewed(_)) {
                    view.spend = view.spend.saturating_add(facts.price.unwrap_or_default());
                }
            }
            None => {}
        }
        view.provenance.observe(event, &stamp);
        Verdict::Keep
    }

    fn columns(view: &RegistrationView, key: &str) -> Row {
        let item = view.item(key);
        vec![
            key.into(),
            item.domain_id.as_ref().map(DomainId::as_str).into(),
            item.order_id.as_ref().map(OrderId::as_str).into(),
            view.provenance.user_column(),
            item.status.into(),
            item.expiry_date.into(),
            item.expiry_known.into(),
            item.auto_renew.into(),
            item.last_renewal.into(),
            item.renewals.into(),
            item.failures.into(),
            item.last_failure_at.into(),
            item.last_failure_reason.into(),
            item.spend.map(|spend| spend.to_string()).into(),
            item.dns_changed_at.into(),
            view.provenance.first_recorded_at().into(),
            view.provenance.last_recorded_at().into(),
        ]
    }

    fn item(view: &RegistrationView, key: &str) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(view.item(key))
    }
}

#[cfg(test)]
mod tests {
    use aggregates::DomainFacts;

    use super::*;
    use crate::testing::{Delivery, dns_updated, given, registration, time};

    const END: &str = "2025-03-08T23:59:59Z";

    fn event(id: &str, kind: fn(DomainFacts) -> OrderEvent, end: Option<&str>, sent: &str) -> Delivery {
        registration(id, kind, "a.com", end).sent(sent)
    }

    #[test]
    fn a_registration_goes_through_its_states_whatever_came_first() {
        let life = [
            (
                event("E1", OrderEvent::DomainRegistered, Some(END), "2024-03-08T23:59:59Z"),
                "active",
            ),
            (
                event("E2", OrderEvent::DomainRenewalFailed, Some(END), "2025-03-08T00:00:00Z"),
                "renewalFailed",
            ),
            (
                event(
                    "E3",
                    OrderEvent::DomainGracePeriodBegan,
                    Some(END),
                    "2025-03-09T00:00:00Z",
                ),
                "grace",
            ),
            (
                event("E4", OrderEvent::DomainExpired, Some(END), "2025-03-16T00:00:00Z"),
                "expired",
            ),
            (
                event(
                    "E5",
                    OrderEvent::DomainRenewed,
                    Some("2026-03-08T23:59:59Z"),
                    "2025-03-16T01:00:00Z",
                ),
                "active",
            ),
        ];
        for count in 1..=life.len() {
            let mut events: Vec<Delivery> = life[..count].iter().map(|(event, _)| event.clone()).collect();
            let status = life[count - 1].1;
            given::<Domains>(events.clone()).then_columns("a.com", &[("status", status.into())]);
            events.reverse();
            given::<Domains>(events).then_columns("a.com", &[("status", status.into())]);
        }
    }

    #[test]
    fn a_registration_in_grace_says_until_when_it_can_be_renewed() {
        let domains = given::<Domains>([event(
            "E1",
            OrderEvent::DomainGracePeriodBegan,
            Some(END),
            "2025-03-09T00:00:00Z",
        )]);
        let item = domains.view("a.com").item("a.com");
        assert_eq!(item.grace_until, Some(time("2025-03-15T23:59:59Z")));
        assert_eq!(item.last_failure_at, Some(time("2025-03-09T00:00:00Z")));
    }

    #[test]
    fn a_domain_that_could_not_be_registered_says_why_until_it_is() {
        let failed = event("E1", OrderEvent::DomainRegistrationFailed, None, "2024-03-08T00:00:00Z");
        let failed = failed.of_registration(|facts| facts.reason = Some("Domain is not available".to_owned()));
        given::<Domains>([failed.clone()]).then_columns(
            "a.com",
            &[
                ("status", "failed".into()),
                ("last_failure_reason", "Domain is not available".into()),
                ("expiry_date", Value::Null),
            ],
        );
        let made = event("E2", OrderEvent::DomainRegistered, Some(END), "2024-03-09T00:00:00Z");
        given::<Domains>([made, failed]).then_columns("a.com", &[("status", "active".into())]);
    }

    #[test]
    fn what_it_cost_adds_up_exactly() {
        let paid = |id: &str, kind: fn(DomainFacts) -> OrderEvent, price: &str| {
            event(id, kind, Some(END), "2024-03-08T00:00:00Z").of_registration(|facts| facts.price = price.parse().ok())
        };
        given::<Domains>([
            paid("E1", OrderEvent::DomainRegistered, "15.88"),
            paid("E2", OrderEvent::DomainRenewed, "0.12"),
            paid("E3", OrderEvent::DomainRenewalFailed, "15.88"),
        ])
        .then_columns("a.com", &[("spend", "16".into())]);
    }

    #[test]
    fn a_change_of_dns_alone_says_nothing_of_the_registration() {
        given::<Domains>([dns_updated("E1", "a.com").sent("2025-01-01T00:00:00Z")]).then_columns(
            "a.com",
            &[
                ("status", "unknown".into()),
                ("dns_changed_at", time("2025-01-01T00:00:00Z").into()),
                ("spend", Value::Null),
            ],
        );
    }
}
