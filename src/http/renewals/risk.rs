//! What may keep a subscription from being renewed, said before it happens.

use jiff::{SignedDuration, Timestamp, ToSpan};
use projections::SubscriptionStatus;
use projections::domains::{RegistrationItem, RegistrationStatus};
use projections::renewals::RenewalItem;
use serde::{Deserialize, Serialize};

/// How long a failure for want of money in the wallet counts: a renewal period and some days.
pub(super) const WALLET_MEMORY: SignedDuration = SignedDuration::from_hours(35 * 24);
/// The provider changes the price of a subscription after so many months.
const PRICE_STEP: i32 = 12;
/// How much a period may be shorter than its months.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// The shortest month: the length of a period.
const PERIOD: SignedDuration = SignedDuration::from_hours(28 * 24);

/// How likely it is that a renewal fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) enum Risk {
    /// Nothing speaks against it.
    None,
    /// Something should be looked at.
    Low,
    /// It fails unless somebody acts.
    High,
}

/// Why a renewal may fail, or be a surprise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) enum RiskReason {
    /// The domain's registration is in its grace period, which blocks the renewal.
    DomainInGrace,
    /// The domain's registration is lost.
    DomainExpired,
    /// The registration ends before the subscription, and is not known to renew by itself.
    DomainEndsFirst,
    /// The payment failed, or the period ended without a renewal.
    PastDue,
    /// The renewal failed, and has not succeeded since.
    RenewalFailed,
    /// The subscription does not renew by itself.
    AutoRenewOff,
    /// An earlier renewal failed.
    FailedBefore,
    /// Something failed in the last 35 days since the wallet was empty: all customers share one.
    WalletFailures,
    /// Nobody said until when it is paid.
    EndUnknown,
    /// The price changes with this renewal: it is the first one after 12 months.
    PriceStep,
}

impl RiskReason {
    fn risk(self) -> Risk {
        match self {
            Self::DomainInGrace
            | Self::DomainExpired
            | Self::DomainEndsFirst
            | Self::PastDue
            | Self::RenewalFailed
            | Self::AutoRenewOff => Risk::High,
            Self::FailedBefore | Self::WalletFailures | Self::EndUnknown | Self::PriceStep => Risk::Low,
        }
    }
}

/// What the risk depends on besides the subscription itself.
pub(super) struct Circumstances<'a> {
    /// The registration of its domain.
    pub(super) registration: Option<&'a RegistrationItem>,
    /// Whether anything failed lately for want of money in the wallet.
    pub(super) wallet_failed: bool,
    /// The time of the answer.
    pub(super) now: Timestamp,
}

/// The risk of a subscription's next renewal, and its reasons. One that ended has none.
pub(super) fn assess(item: &RenewalItem, circumstances: &Circumstances<'_>) -> (Risk, Vec<RiskReason>) {
    let ended = matches!(item.status, SubscriptionStatus::Cancelled | SubscriptionStatus::Expired);
    if ended {
        return (Risk::None, Vec::new());
    }
    let now = circumstances.now;
    let end = item.expiry_date.filter(|_| item.expiry_known);
    let registration = circumstances.registration;
    let registered_until = registration
        .filter(|registration| registration.expiry_known)
        .and_then(|registration| registration.expiry_date);
    let is = |status| registration.is_some_and(|registration| registration.status == status);
    let in_grace = is(RegistrationStatus::Grace);
    let lost = is(RegistrationStatus::Expired);
    let renews = registration.is_some_and(|registration| registration.auto_renew == Some(true))
        && !is(RegistrationStatus::RenewalFailed);
    let ends_first = match (registered_until, end) {
        (Some(registered_until), Some(end)) => registered_until < end && !renews && !in_grace && !lost,
        _ => false,
    };
    let past_due = item.status == SubscriptionStatus::PastDue || end.is_some_and(|end| end < now);
    let failed = item.status == SubscriptionStatus::RenewalFailed;
    let is_open = failed || item.status == SubscriptionStatus::PastDue;
    let reasons = [
        (in_grace, RiskReason::DomainInGrace),
        (lost, RiskReason::DomainExpired),
        (ends_first, RiskReason::DomainEndsFirst),
        (past_due, RiskReason::PastDue),
        (failed, RiskReason::RenewalFailed),
        (item.auto_renew == Some(false), RiskReason::AutoRenewOff),
        (item.failures > 0 && !is_open, RiskReason::FailedBefore),
        (circumstances.wallet_failed, RiskReason::WalletFailures),
        (end.is_none(), RiskReason::EndUnknown),
        (is_price_step(item.since, end), RiskReason::PriceStep),
    ];
    let reasons: Vec<RiskReason> = reasons
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, reason)| reason)
        .collect();
    let risk = reasons.iter().map(|reason| reason.risk()).max();
    (risk.unwrap_or(Risk::None), reasons)
}

/// Whether the renewal at this end is the first one after 12 months.
fn is_price_step(since: Option<Timestamp>, end: Option<Timestamp>) -> bool {
    let (Some(since), Some(end)) = (since, end) else {
        return false;
    };
    let utc = since.to_zoned(jiff::tz::TimeZone::UTC);
    let Ok(step) = utc.checked_add(PRICE_STEP.months()) else {
        return false;
    };
    let late = end.duration_since(step.timestamp());
    late >= -TOLERANCE && late < PERIOD - TOLERANCE
}

#[cfg(test)]
mod tests {
    use projections::domains::Domains;
    use projections::renewals::Renewals;
    use projections::testing::{Delivery, assigned, given, registration, subscription, time};

    use super::*;
    use aggregates::OrderEvent;

    const NOW: &str = "2025-11-20T12:00:00Z";
    const END: &str = "2025-11-27T00:00:00Z";

    fn opened() -> Delivery {
        assigned("E1", "O1")
            .domain("a.com", "S1", &["M1"])
            .until(END)
            .sent("2025-10-27T20:00:00Z")
    }

    fn renewal(events: Vec<Delivery>) -> RenewalItem {
        let renewals = given::<Renewals>(events);
        renewals.view("S1").item("S1")
    }

    fn risk(events: Vec<Delivery>, of_domain: Vec<Delivery>, wallet_failed: bool) -> (Risk, Vec<RiskReason>) {
        let item = renewal(events);
        let registration = (!of_domain.is_empty()).then(|| given::<Domains>(of_domain).view("a.com").item("a.com"));
        let circumstances = Circumstances {
            registration: registration.as_ref(),
            wallet_failed,
            now: time(NOW),
        };
        assess(&item, &circumstances)
    }

    fn registered(kind: fn(aggregates::DomainFacts) -> OrderEvent, until: &str) -> Delivery {
        registration("D1", kind, "a.com", Some(until)).sent("2025-11-01T00:00:00Z")
    }

    #[test]
    fn a_paid_subscription_of_a_registered_domain_is_at_no_risk() {
        let domain = registered(OrderEvent::DomainRegistered, "2026-10-01T00:00:00Z");
        assert_eq!(risk(vec![opened()], vec![domain], false), (Risk::None, vec![]));
        assert_eq!(risk(vec![opened()], vec![], false), (Risk::None, vec![]));
    }

    #[test]
    fn each_reason_is_named() {
        let on = |kind, until| vec![registered(kind, until)];
        let high = |events, domain, reason| assert_eq!(risk(events, domain, false), (Risk::High, vec![reason]));
        high(
            vec![opened()],
            on(OrderEvent::DomainGracePeriodBegan, "2025-11-18T00:00:00Z"),
            RiskReason::DomainInGrace,
        );
        high(
            vec![opened()],
            on(OrderEvent::DomainExpired, "2025-11-08T00:00:00Z"),
            RiskReason::DomainExpired,
        );
        high(
            vec![opened()],
            on(OrderEvent::DomainRegistered, "2025-11-25T00:00:00Z"),
            RiskReason::DomainEndsFirst,
        );
        let renews = registered(OrderEvent::DomainRegistered, "2025-11-25T00:00:00Z")
            .of_registration(|facts| facts.auto_renew = Some(true));
        assert_eq!(risk(vec![opened()], vec![renews.clone()], false).0, Risk::None);
        let mut failed = registered(OrderEvent::DomainRenewalFailed, "2025-11-25T00:00:00Z");
        failed.event_id = "D2".to_owned();
        high(vec![opened()], vec![renews, failed], RiskReason::DomainEndsFirst);
        // nobody said until when it was renewed
        let undated = registration("D2", OrderEvent::DomainRenewed, "a.com", None).sent("2025-11-24T00:00:00Z");
        let known = registered(OrderEvent::DomainRegistered, "2025-11-25T00:00:00Z");
        assert_eq!(risk(vec![opened()], vec![known, undated], false).0, Risk::None);
        let told = |kind: fn(aggregates::SubscriptionFacts) -> OrderEvent| {
            subscription("E2", kind, "S1").until(END).sent("2025-11-19T00:00:00Z")
        };
        high(
            vec![opened(), told(OrderEvent::SubscriptionPastDue)],
            vec![],
            RiskReason::PastDue,
        );
        high(
            vec![opened(), told(OrderEvent::SubscriptionRenewalFailed)],
            vec![],
            RiskReason::RenewalFailed,
        );
        let off = told(OrderEvent::SubscriptionUpdated).with(|facts| facts.auto_renew = Some(false));
        high(vec![opened(), off], vec![], RiskReason::AutoRenewOff);
        assert_eq!(
            risk(vec![opened()], vec![], true),
            (Risk::Low, vec![RiskReason::WalletFailures])
        );
        let undated = subscription("E2", OrderEvent::SubscriptionRenewed, "S1").sent("2025-11-26T00:00:00Z");
        assert_eq!(
            risk(vec![opened(), undated], vec![], false),
            (Risk::Low, vec![RiskReason::EndUnknown])
        );
    }

    #[test]
    fn what_failed_and_was_renewed_has_failed_before() {
        let failed = subscription("E2", OrderEvent::SubscriptionRenewalFailed, "S1").until(END);
        let renewed = subscription("E3", OrderEvent::SubscriptionRenewed, "S1").until("2025-12-27T00:00:00Z");
        assert_eq!(
            risk(vec![opened(), failed, renewed], vec![], false),
            (Risk::Low, vec![RiskReason::FailedBefore])
        );
    }

    #[test]
    fn a_period_that_ended_without_a_word_is_past_due() {
        let opened = opened().until("2025-11-19T00:00:00Z");
        assert_eq!(
            risk(vec![opened], vec![], false),
            (Risk::High, vec![RiskReason::PastDue])
        );
    }

    #[test]
    fn what_ended_is_at_no_risk() {
        let ended = subscription("E2", OrderEvent::SubscriptionCancelled, "S1");
        assert_eq!(risk(vec![opened(), ended], vec![], true), (Risk::None, vec![]));
    }

    #[test]
    fn the_price_steps_once_with_the_first_renewal_after_twelve_months() {
        let begun = time("2024-11-27T00:00:00Z");
        let steps = |end: &str| is_price_step(Some(begun), Some(time(end)));
        assert!(!steps("2025-10-27T00:00:00Z"));
        assert!(steps("2025-11-27T00:00:00Z"));
        assert!(steps("2025-11-26T12:00:00Z"));
        assert!(!steps("2025-12-27T00:00:00Z"));
    }
}
