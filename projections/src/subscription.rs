//! Merges the evidence about what is paid for, a subscription or the registration of a domain, in any order of arrival.
//!
//! **Evidence about a period.** Most events name their period by its end. Evidence about a later period outweighs all
//! about an earlier one: a renewal opens a period, so it settles any problem at the end of the previous one. Within one
//! period the states follow each other: active, renewing, renewal failed, past due, expired; the furthest one counts.
//! An assignment is evidence of *active* for the period that ends with its mailboxes' latest expiry. So the greatest
//! pair of (end of the period, state) is kept; which event it came from does not matter.
//!
//! **Cancelled** is final and outweighs everything.
//!
//! **Evidence without a period.** Older senders report a renewal by the subscription's id alone. Such an event is
//! placed by its time: it counts from 7 days (the provider's grace period, [`GRACE`]) before the end of the latest
//! known period on. Before that it must be about an earlier period, which the known evidence outweighs. After such a
//! renewal the subscription is active, but its new end is unknown: the last known one is kept and marked as outdated. A
//! problem (renewing, renewal failed, past due, expired) without a period counts from the same time on: after a renewal
//! without a period it is the status by itself, else it is about the latest known period, whose furthest state counts.
//!
//! **An update** counts as the state it names. If it names none or an unknown one, it is evidence that its period is
//! active, and no evidence if it names no period either.
//!
//! **A registration** has the same states: its grace period is *past due*, and its registration counts as an assignment.

use std::ops::Not;

use aggregates::{DomainFacts, MailboxOrderFacts, OrderEvent, Recorded, SubscriptionFacts};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Value;
use crate::merge::Newest;
use crate::stamp::Stamp;

/// How long before and after the end of a period the provider still tries to renew it: 7 days.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The state of a subscription. Within one period, a later variant outweighs an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubscriptionStatus {
    /// No event gives a status.
    #[default]
    Unknown,
    /// Paid for.
    Active,
    /// The provider began to renew it.
    Renewing,
    /// The renewal was blocked or failed.
    RenewalFailed,
    /// The payment failed; the grace period runs.
    PastDue,
    /// It expired.
    Expired,
    /// It ended for good.
    Cancelled,
}

impl SubscriptionStatus {
    /// Every state, in the order of a subscription's life.
    pub const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Active,
        Self::Renewing,
        Self::RenewalFailed,
        Self::PastDue,
        Self::Expired,
        Self::Cancelled,
    ];

    /// Its name in the API and in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Renewing => "renewing",
            Self::RenewalFailed => "renewalFailed",
            Self::PastDue => "pastDue",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of the provider's word; none for an unknown word.
    fn of_provider(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "ACTIVE" => Some(Self::Active),
            "RENEWING" => Some(Self::Renewing),
            "PAST_DUE" => Some(Self::PastDue),
            "EXPIRED" => Some(Self::Expired),
            "CANCELLED" => Some(Self::Cancelled),
            _ => None,
        }
    }

    fn is_problem(self) -> bool {
        matches!(
            self,
            Self::Renewing | Self::RenewalFailed | Self::PastDue | Self::Expired
        )
    }
}

impl From<SubscriptionStatus> for Value {
    fn from(status: SubscriptionStatus) -> Self {
        status.as_str().into()
    }
}

/// One event's evidence.
struct Evidence<'a> {
    says: Option<SubscriptionStatus>,
    /// Whether it reports a renewal.
    renewed: bool,
    period_start: Option<Timestamp>,
    period_end: Option<Timestamp>,
    reason: Option<&'a String>,
}

/// The merged evidence about what is paid for, period by period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Term {
    /// The greatest evidence about a period: its end, and the state in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<(Timestamp, SubscriptionStatus)>,
    /// The latest renewal without a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    undated_renewal: Option<Timestamp>,
    /// The latest problem without a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    undated_problem: Option<(Timestamp, SubscriptionStatus)>,
    /// Whether an event without a period says that it is active.
    #[serde(default, skip_serializing_if = "Not::not")]
    undated_active: bool,
    #[serde(default, skip_serializing_if = "Not::not")]
    cancelled: bool,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    auto_renew: Newest<bool>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    quantity: Newest<u32>,
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    failure_reason: Newest<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_renewal: Option<Timestamp>,
    /// When the latest renewal was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed_at: Option<Timestamp>,
    /// When the latest failure was reported: of a renewal, a payment, or the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "none")]
    renewals: u32,
    #[serde(default, skip_serializing_if = "none")]
    failures: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn none(count: &u32) -> bool {
    *count == 0
}

impl Term {
    /// Merges an assignment of mailboxes with this latest expiry.
    pub(crate) fn assigned(&mut self, latest_expiry: Option<Timestamp>) {
        match latest_expiry {
            Some(end) => self.period = self.period.max(Some((end, SubscriptionStatus::Active))),
            None => self.undated_active = true,
        }
    }

    /// Merges an order of mailboxes, which opens the subscription.
    pub(crate) fn ordered(&mut self, facts: &MailboxOrderFacts, stamp: &Stamp) {
        self.assigned(facts.expiry_date);
        self.quantity.offer(stamp, facts.quantity.as_ref());
    }

    /// Merges one of its own events.
    pub(crate) fn apply(&mut self, event: &Recorded, facts: &SubscriptionFacts, stamp: &Stamp) {
        use SubscriptionStatus as Status;
        let says = match event.order() {
            Some(OrderEvent::SubscriptionRenewing(_)) => Some(Status::Renewing),
            Some(OrderEvent::SubscriptionRenewed(_)) => Some(Status::Active),
            Some(OrderEvent::SubscriptionRenewalFailed(_)) => Some(Status::RenewalFailed),
            Some(OrderEvent::SubscriptionPastDue(_)) => Some(Status::PastDue),
            Some(OrderEvent::SubscriptionExpired(_)) => Some(Status::Expired),
            Some(OrderEvent::SubscriptionCancelled(_)) => Some(Status::Cancelled),
            _ => facts.subscription_status.as_deref().and_then(Status::of_provider),
        };
        let evidence = Evidence {
            says,
            renewed: matches!(event.order(), Some(OrderEvent::SubscriptionRenewed(_))),
            period_start: facts.period_start,
            period_end: facts.period_end,
            reason: facts.reason.as_ref(),
        };
        self.merge(event, &evidence, stamp);
        self.auto_renew.offer(stamp, facts.auto_renew.as_ref());
        self.quantity.offer(stamp, facts.quantity.as_ref());
    }

    /// Merges an event of a domain's registration.
    pub(crate) fn apply_domain(&mut self, event: &Recorded, facts: &DomainFacts, stamp: &Stamp) {
        use SubscriptionStatus as Status;
        let says = match event.order() {
            Some(OrderEvent::DomainRegistered(_)) => {
                self.auto_renew.offer(stamp, facts.auto_renew.as_ref());
                return self.assigned(facts.expiry_date);
            }
            Some(OrderEvent::DomainRenewed(_)) => Status::Active,
            Some(OrderEvent::DomainRenewalFailed(_)) => Status::RenewalFailed,
            Some(OrderEvent::DomainGracePeriodBegan(_)) => Status::PastDue,
            Some(OrderEvent::DomainExpired(_)) => Status::Expired,
            _ => return,
        };
        let evidence = Evidence {
            says: Some(says),
            renewed: says == Status::Active,
            period_start: None,
            period_end: facts.expiry_date,
            reason: facts.reason.as_ref(),
        };
        self.merge(event, &evidence, stamp);
        self.auto_renew.offer(stamp, facts.auto_renew.as_ref());
    }

    fn merge(&mut self, event: &Recorded, evidence: &Evidence<'_>, stamp: &Stamp) {
        use SubscriptionStatus as Status;
        let Evidence { says, renewed, .. } = *evidence;
        match (evidence.period_end, says) {
            (Some(end), says) => self.period = self.period.max(Some((end, says.unwrap_or(Status::Active)))),
            (None, Some(_)) if renewed => self.undated_renewal = self.undated_renewal.max(Some(event.happened_at())),
            (None, Some(problem)) if problem.is_problem() => {
                self.undated_problem = self.undated_problem.max(Some((event.happened_at(), problem)));
            }
            (None, Some(Status::Active)) => self.undated_active = true,
            (None, _) => {}
        }
        self.cancelled |= says == Some(Status::Cancelled);
        if renewed {
            self.renewals = self.renewals.saturating_add(1);
            let began = evidence.period_start.unwrap_or_else(|| event.happened_at());
            self.last_renewal = self.last_renewal.max(Some(began));
            self.renewed_at = self.renewed_at.max(Some(event.happened_at()));
        }
        if says == Some(Status::RenewalFailed) {
            self.failures = self.failures.saturating_add(1);
        }
        if matches!(says, Some(Status::RenewalFailed | Status::PastDue | Status::Expired)) {
            self.failed_at = self.failed_at.max(Some(event.happened_at()));
        }
        if says.is_some_and(Status::is_problem) {
            self.failure_reason.offer(stamp, evidence.reason);
        }
    }

    /// Its status by all evidence.
    pub(crate) fn status(&self) -> SubscriptionStatus {
        if self.cancelled {
            return SubscriptionStatus::Cancelled;
        }
        let renewal = self.undated_renewal.filter(|at| self.counts(*at));
        let problem = self.undated_problem.filter(|(at, _)| self.counts(*at));
        let dated = self.period.map(|(_, status)| status);
        match (renewal, problem) {
            (Some(renewed), Some((at, problem))) if at > renewed => problem,
            (Some(_), _) => SubscriptionStatus::Active,
            (None, Some((_, problem))) => dated.map_or(problem, |dated| dated.max(problem)),
            (None, None) if self.undated_active => dated.unwrap_or(SubscriptionStatus::Active),
            (None, None) => dated.unwrap_or_default(),
        }
    }

    /// Whether evidence of this time without a period is about the latest known period or a later one.
    fn counts(&self, at: Timestamp) -> bool {
        self.period.is_none_or(|(end, _)| end.duration_since(at) <= GRACE)
    }

    /// The last known end of the paid period.
    pub(crate) fn expiry_date(&self) -> Option<Timestamp> {
        self.period.map(|(end, _)| end)
    }

    /// Whether [`Self::expiry_date`] is up to date: not if a renewal did not say until when.
    pub(crate) fn expiry_known(&self) -> bool {
        self.period.is_some() && !self.undated_renewal.is_some_and(|at| self.counts(at))
    }

    /// Whether it renews by itself, by the newest event that says so.
    pub(crate) fn auto_renew(&self) -> Option<bool> {
        self.auto_renew.get().copied()
    }

    /// How many mailboxes it holds, by the newest event that says so.
    pub(crate) fn quantity(&self) -> Option<u32> {
        self.quantity.get().copied()
    }

    /// When the latest renewed period began; if a renewal does not say, when it was renewed.
    pub(crate) fn last_renewal(&self) -> Option<Timestamp> {
        self.last_renewal
    }

    /// When the latest renewal was reported.
    pub(crate) fn renewed_at(&self) -> Option<Timestamp> {
        self.renewed_at
    }

    /// When the latest failure was reported: of a renewal, of a payment, or the end.
    pub(crate) fn failed_at(&self) -> Option<Timestamp> {
        self.failed_at
    }

    /// How many renewals were reported.
    pub(crate) fn renewals(&self) -> u32 {
        self.renewals
    }

    /// How many failed renewals were reported.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The reason of the newest problem that has one.
    pub(crate) fn last_failure_reason(&self) -> Option<&String> {
        self.failure_reason.get()
    }
}

#[cfg(test)]
mod tests;
