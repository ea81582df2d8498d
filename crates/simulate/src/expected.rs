//! The ledger's views after every webhook of a plan has arrived.

use jiff::Timestamp;
use serde::Serialize;

use aggregates::{Domain, MailboxId, OrderId, SubscriptionId, UserId};

use super::payload::SubscriptionStatus;
use super::provider::Provider;

/// The provider's true state. Holds no credentials and no personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Every order, in the order in which they were placed.
    pub orders: Vec<ExpectedOrder>,
    /// The registrations of the domains that orders were assigned, if the plan tells of them.
    pub registrations: Vec<ExpectedRegistration>,
    /// The lives of their mailboxes.
    pub mailboxes: Vec<ExpectedMailbox>,
    /// The ordinary orders of mailboxes.
    pub ordinary: Vec<ExpectedOrdinaryOrder>,
}

/// The registration of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedRegistration {
    /// The domain.
    pub domain: Domain,
    /// Its state.
    pub status: RegistrationStatus,
    /// Its end.
    pub expiry_date: Option<Timestamp>,
    /// How many of its DNS records changed.
    pub dns_changes: u32,
}

/// The state of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RegistrationStatus {
    /// Registered.
    Active,
    /// It ended less than seven days ago.
    Grace,
    /// It is lost.
    Expired,
}

/// The life of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedMailbox {
    /// The mailbox.
    pub mailbox_id: MailboxId,
    /// Whether it is warmed up, if a webhook says so.
    pub warmed_up: Option<bool>,
    /// Whether it was exported.
    pub exported: bool,
    /// Whether its password was changed.
    pub password_changed: bool,
}

/// An ordinary order of mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedOrdinaryOrder {
    /// Its id.
    pub order_id: OrderId,
    /// Its domain.
    pub domain: Domain,
    /// Whether that could be registered.
    pub registered: bool,
    /// The subscription that it opened, if it was accepted.
    pub subscription_id: Option<SubscriptionId>,
    /// Its mailboxes.
    pub mailboxes: Vec<MailboxId>,
}

impl Expected {
    /// Every subscription with its domain.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&Domain, &ExpectedSubscription)> {
        self.orders
            .iter()
            .flat_map(|order| &order.domains)
            .filter_map(|domain| match &domain.outcome {
                DomainOutcome::Assigned(subscription) => Some((&domain.domain, subscription)),
                DomainOutcome::Failed { .. } => None,
            })
    }

    /// Every failed domain with its reason.
    pub fn failures(&self) -> impl Iterator<Item = (&Domain, &'static str)> {
        self.orders
            .iter()
            .flat_map(|order| &order.domains)
            .filter_map(|domain| match domain.outcome {
                DomainOutcome::Failed { reason } => Some((&domain.domain, reason)),
                DomainOutcome::Assigned(_) => None,
            })
    }
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedOrder {
    /// Its id.
    pub order_id: OrderId,
    /// The user who placed it.
    pub user_id: UserId,
    /// The provider of its mailboxes.
    pub provider: Provider,
    /// Every ordered domain; no domain is ordered twice in a plan.
    pub domains: Vec<ExpectedDomain>,
}

impl ExpectedOrder {
    /// The order's status, from those of its domains.
    pub fn status(&self) -> OrderStatus {
        let assigned = self
            .domains
            .iter()
            .filter(|domain| matches!(domain.outcome, DomainOutcome::Assigned(_)))
            .count();
        match assigned {
            0 => OrderStatus::Failed,
            n if n == self.domains.len() => OrderStatus::Fulfilled,
            _ => OrderStatus::Partial,
        }
    }
}

/// An order's status once the provider has answered for every domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Every domain was assigned.
    Fulfilled,
    /// Some were, some weren't.
    Partial,
    /// No domain was.
    Failed,
}

/// One domain of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedDomain {
    /// Its name.
    pub domain: Domain,
    /// Its outcome.
    pub outcome: DomainOutcome,
}

/// The outcome of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DomainOutcome {
    /// Its mailboxes were assigned.
    Assigned(ExpectedSubscription),
    /// It got no mailboxes.
    Failed {
        /// The reason.
        reason: &'static str,
    },
}

/// The subscription of an assigned domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedSubscription {
    /// Its id.
    pub subscription_id: SubscriptionId,
    /// Its mailboxes.
    pub mailboxes: Vec<MailboxId>,
    /// Its status after the last webhook: `Active`, `Cancelled` or `Expired`.
    pub status: SubscriptionStatus,
    /// Whether it renews by itself.
    pub auto_renew: bool,
    /// When it expires.
    pub expiry_date: Timestamp,
    /// The latest expiry date or period end in any webhook. Earlier than `expiry_date` after a renewal in the short
    /// form, which has no dates.
    pub stated_expiry: Timestamp,
    /// Renewals that succeeded.
    pub renewals: u32,
    /// Renewals that failed.
    pub renewal_failures: u32,
}
