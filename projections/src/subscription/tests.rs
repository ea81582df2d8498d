//! The rule of evidence, case by case. Every case is folded in every order.

use aggregates::Position;

use super::SubscriptionStatus as Status;
use super::*;
use crate::testing::{Delivery, subscription, time};

/// The end of the period that the mailboxes were assigned for.
const END: &str = "2025-11-27T00:00:00Z";
/// The end of the period after it.
const NEXT_END: &str = "2025-12-27T00:00:00Z";

fn renewed(id: &str) -> Delivery {
    subscription(id, OrderEvent::SubscriptionRenewed, "S1")
}

fn renewal_failed(id: &str) -> Delivery {
    subscription(id, OrderEvent::SubscriptionRenewalFailed, "S1")
}

fn past_due(id: &str) -> Delivery {
    subscription(id, OrderEvent::SubscriptionPastDue, "S1")
}

fn expired(id: &str) -> Delivery {
    subscription(id, OrderEvent::SubscriptionExpired, "S1")
}

fn cancelled(id: &str) -> Delivery {
    subscription(id, OrderEvent::SubscriptionCancelled, "S1")
}

fn updated(id: &str, says: &str) -> Delivery {
    let updated = subscription(id, OrderEvent::SubscriptionUpdated, "S1");
    updated.with(|facts| facts.subscription_status = Some(says.to_owned()))
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let longer = shorter.iter().flat_map(|order| {
        (0..=order.len()).map(|place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    });
    longer.collect()
}

/// Assigned until [`END`], then the events, in every order.
fn after(deliveries: &[Delivery]) -> Term {
    let events: Vec<_> = deliveries.iter().map(|event| event.clone().at(Position(1))).collect();
    let outcomes = permutations(events.len() + 1).into_iter().map(|order| {
        let mut merged = Term::default();
        for index in order {
            match events.get(index) {
                Some(event) => merged.apply(
                    event,
                    event.order().unwrap().as_subscription().unwrap(),
                    &Stamp::of(event),
                ),
                None => merged.assigned(Some(time(END))),
            }
        }
        merged
    });
    let outcomes: Vec<_> = outcomes.collect();
    assert!(
        outcomes.windows(2).all(|pair| pair[0] == pair[1]),
        "the order of arrival matters"
    );
    outcomes[0].clone()
}

#[test]
fn the_furthest_state_within_a_period_stands() {
    let events = [past_due("E1").until(END), renewal_failed("E2").until(END)];
    assert_eq!(after(&events).status(), Status::PastDue);
    let events = [
        expired("E1").until(END),
        past_due("E2").until(END),
        updated("E3", "ACTIVE").until(END),
    ];
    assert_eq!(after(&events).status(), Status::Expired);
}

#[test]
fn a_renewal_settles_what_went_wrong_in_the_period_before() {
    let recovered = after(&[
        renewal_failed("E1").until(END),
        past_due("E2").until(END),
        renewed("E3").until(NEXT_END),
    ]);
    assert_eq!(recovered.status(), Status::Active);
    assert_eq!(recovered.expiry_date(), Some(time(NEXT_END)));
    assert!(recovered.expiry_known());
    assert_eq!((recovered.renewals(), recovered.failures()), (1, 1));
}

#[test]
fn a_cancellation_is_for_good() {
    assert_eq!(
        after(&[cancelled("E1").until(END), renewed("E2").until(NEXT_END)]).status(),
        Status::Cancelled
    );
    assert_eq!(
        after(&[cancelled("E1"), renewed("E2").until(NEXT_END)]).status(),
        Status::Cancelled
    );
    assert_eq!(
        after(&[updated("E1", "CANCELLED"), renewed("E2").until(NEXT_END)]).status(),
        Status::Cancelled
    );
}

#[test]
fn an_update_counts_as_the_state_that_it_names() {
    assert_eq!(after(&[updated("E1", "PAST_DUE").until(END)]).status(), Status::PastDue);
    assert_eq!(
        after(&[updated("E1", "PAUSED").until(NEXT_END)]).status(),
        Status::Active
    );
}

#[test]
fn a_renewal_without_a_period_within_the_grace_period_makes_active_with_an_unknown_end() {
    for at in ["2025-11-20T00:00:00Z", "2025-11-27T00:00:05Z", "2025-12-03T00:00:00Z"] {
        let recovered = after(&[past_due("E1").until(END), renewed("E2").sent(at)]);
        assert_eq!(recovered.status(), Status::Active, "renewed at {at}");
        assert_eq!(recovered.expiry_date(), Some(time(END)));
        assert!(!recovered.expiry_known());
        assert_eq!(recovered.last_renewal(), Some(time(at)));
    }
}

#[test]
fn a_renewal_without_a_period_before_the_grace_period_is_about_an_earlier_period() {
    let problem = after(&[past_due("E1").until(END), renewed("E2").sent("2025-11-19T23:59:59Z")]);
    assert_eq!(problem.status(), Status::PastDue);
    assert!(problem.expiry_known());
}

#[test]
fn the_end_is_known_again_once_a_later_event_names_it() {
    let known = after(&[renewed("E1").sent(END), updated("E2", "ACTIVE").until(NEXT_END)]);
    assert_eq!(known.expiry_date(), Some(time(NEXT_END)));
    assert!(known.expiry_known());
}

#[test]
fn a_problem_without_a_period_counts_until_a_later_period_is_known() {
    let failed = renewal_failed("E1").sent("2025-11-26T00:00:00Z");
    assert_eq!(after(std::slice::from_ref(&failed)).status(), Status::RenewalFailed);
    assert_eq!(after(&[failed, renewed("E2").until(NEXT_END)]).status(), Status::Active);
}

#[test]
fn a_problem_without_a_period_does_not_hide_a_further_one_of_the_same_period() {
    let failed = renewal_failed("E1").sent("2025-11-26T00:00:00Z");
    assert_eq!(after(&[failed, expired("E2").until(END)]).status(), Status::Expired);
}

#[test]
fn of_a_renewal_and_a_problem_without_periods_the_later_one_stands() {
    let failed = renewal_failed("E1").sent("2025-11-26T00:00:00Z");
    let renewal = renewed("E2").sent("2025-11-27T00:00:00Z");
    let next = past_due("E3").sent("2025-12-27T00:00:00Z");
    assert_eq!(after(&[failed.clone(), renewal.clone()]).status(), Status::Active);
    let again = after(&[failed, renewal, next]);
    assert_eq!(again.status(), Status::PastDue);
    assert!(!again.expiry_known(), "the renewal did not say until when");
}

#[test]
fn what_the_newest_event_says_of_quantity_and_renewal_stands() {
    let old = updated("E2", "ACTIVE").sent("2025-11-01T00:00:00Z").with(|facts| {
        facts.quantity = Some(2);
        facts.auto_renew = Some(true);
    });
    let new = updated("E1", "ACTIVE").sent("2025-11-02T00:00:00Z");
    let new = new.with(|facts| facts.auto_renew = Some(false));
    let merged = after(&[old, new]);
    assert_eq!(merged.quantity(), Some(2));
    assert_eq!(merged.auto_renew(), Some(false));
}

#[test]
fn the_newest_problem_that_gives_a_reason_is_quoted() {
    let because = |event: Delivery, reason: &str| event.with(|facts| facts.reason = Some(reason.to_owned()));
    let merged = after(&[
        because(
            renewal_failed("E2").sent("2025-11-26T00:00:00Z"),
            "Linked domain expired",
        ),
        because(
            past_due("E1").sent("2025-11-27T00:00:00Z"),
            "Insufficient wallet balance",
        ),
        expired("E3").sent("2025-12-04T00:00:00Z"),
    ]);
    assert_eq!(
        merged.last_failure_reason().map(String::as_str),
        Some("Insufficient wallet balance")
    );
    assert_eq!(merged.failures(), 1);
}

#[test]
fn a_subscription_of_which_nothing_was_said_is_unknown() {
    let mut merged = Term::default();
    let event = updated("E1", "PAUSED").at(Position(1));
    merged.apply(
        &event,
        event.order().unwrap().as_subscription().unwrap(),
        &Stamp::of(&event),
    );
    assert_eq!(merged.status(), Status::Unknown);
    merged.assigned(None);
    assert_eq!(merged.status(), Status::Active);
}

#[test]
fn states_are_called_the_same_in_sql_and_in_json() {
    let all = [
        Status::Unknown,
        Status::Active,
        Status::Renewing,
        Status::RenewalFailed,
        Status::PastDue,
        Status::Expired,
        Status::Cancelled,
    ];
    for status in all {
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
}
