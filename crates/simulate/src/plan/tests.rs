use std::collections::HashMap;

use aggregates::{Domain, SubscriptionId};
use serde_json::Value;

use super::*;
use crate::{DomainOutcome, OrderStatus, SubscriptionStatus};

mod shape;

fn base_time() -> Timestamp {
    "2026-03-31T10:00:00.123Z".parse().unwrap()
}

fn options(orders: usize, scenario: Scenario) -> Options {
    Options {
        scenario,
        seed: 7,
        ..Options::new(orders, base_time())
    }
}

fn busy() -> Options {
    Options {
        renewals: true,
        duplicates: 0.2,
        shuffle: true,
        ..options(200, Scenario::Mix)
    }
}

fn parse(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.body).unwrap()
}

fn names(plan: &Plan) -> Vec<&'static str> {
    plan.deliveries.iter().map(|delivery| delivery.event).collect()
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    assert!(Plan::new(&busy()) == Plan::new(&busy()));
    assert!(Plan::new(&busy()) != Plan::new(&Options { seed: 8, ..busy() }));
}

#[test]
fn values_look_like_the_providers() {
    let plan = Plan::new(&options(20, Scenario::Success));
    for delivery in &plan.deliveries {
        let value = parse(delivery);
        for id in [&value["eventId"], &value["data"]["userId"], &value["data"]["orderId"]] {
            let id = id.as_str().unwrap();
            assert!(
                id.len() == 28 && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()),
                "{id}"
            );
        }
        for details in value["data"]["mailboxDetails"].as_array().unwrap() {
            let mailboxes = details["preWarmedUpMailboxes"].as_array().unwrap();
            assert!((1..=4).contains(&mailboxes.len()));
            assert_eq!(mailboxes.iter().filter(|mailbox| mailbox["isAdmin"] == true).count(), 1);
            let addresses: HashSet<&str> = mailboxes
                .iter()
                .map(|mailbox| mailbox["email"].as_str().unwrap())
                .collect();
            assert_eq!(addresses.len(), mailboxes.len());
            for mailbox in mailboxes {
                assert!(
                    mailbox["email"]
                        .as_str()
                        .unwrap()
                        .ends_with(details["domain"].as_str().unwrap())
                );
                assert_eq!(mailbox["password"].as_str().unwrap().len(), 14);
                assert_eq!(mailbox["appPassword"].as_str().unwrap().len(), 19);
                let seed = mailbox["authenticatorSecret"].as_str().unwrap().replace(' ', "");
                assert!(
                    seed.bytes()
                        .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
                );
                let expiry = mailbox["expiryDate"].as_str().unwrap();
                assert_eq!(expiry.len(), "2025-11-27T19:59:17.294Z".len());
                let days = (expiry.parse::<Timestamp>().unwrap() - base_time()).get_seconds() / 86_400;
                assert!((5..=30).contains(&days), "{days}");
            }
        }
    }
}

#[test]
fn a_success_is_one_webhook_that_names_every_domain() {
    let plan = Plan::new(&options(20, Scenario::Success));
    assert_eq!(names(&plan), ["prewarmup.order.success"; 20]);
    for order in &plan.expected.orders {
        assert_eq!(order.status(), OrderStatus::Fulfilled);
        let delivery = plan
            .deliveries
            .iter()
            .find(|delivery| delivery.order_id == order.order_id)
            .unwrap();
        assert_eq!(
            parse(delivery)["data"]["mailboxDetails"].as_array().unwrap().len(),
            order.domains.len()
        );
    }
}

#[test]
fn a_full_failure_is_one_webhook_with_a_known_reason_for_every_domain() {
    let plan = Plan::new(&options(20, Scenario::FullFailure));
    assert_eq!(names(&plan), ["prewarmup.order.failed"; 20]);
    assert!(
        plan.expected
            .orders
            .iter()
            .all(|order| order.status() == OrderStatus::Failed)
    );
    let reasons: HashSet<&str> = plan.expected.failures().map(|(_, reason)| reason).collect();
    assert_eq!(
        reasons,
        HashSet::from(["Insufficient wallet balance", "Pre-warmed mailboxes not available"])
    );
    assert_eq!(plan.expected.subscriptions().count(), 0);
}

#[test]
fn a_partial_failure_fails_the_first_domain_and_assigns_the_rest() {
    let plan = Plan::new(&options(20, Scenario::PartialFailure));
    assert_eq!(plan.deliveries.len(), 40);
    let mut first = HashSet::new();
    for order in &plan.expected.orders {
        assert_eq!(order.status(), OrderStatus::Partial);
        let failed: Vec<bool> = order
            .domains
            .iter()
            .map(|domain| matches!(domain.outcome, DomainOutcome::Failed { .. }))
            .collect();
        assert!(failed.len() >= 2 && failed[0] && !failed[1..].contains(&true));
        let mut events = plan
            .deliveries
            .iter()
            .filter(|delivery| delivery.order_id == order.order_id);
        let (one, other) = (events.next().unwrap().event, events.next().unwrap().event);
        assert_ne!(one, other);
        first.insert(one);
    }
    assert_eq!(first.len(), 2, "either webhook can come first");
}

#[test]
fn a_mix_has_its_shares() {
    let plan = Plan::new(&options(100, Scenario::Mix));
    let mut counts = HashMap::new();
    for order in &plan.expected.orders {
        *counts.entry(order.status()).or_insert(0) += 1;
    }
    let shares = [
        (OrderStatus::Fulfilled, 70),
        (OrderStatus::Partial, 15),
        (OrderStatus::Failed, 15),
    ];
    assert_eq!(counts, HashMap::from(shares));
    let successes = names(&plan)
        .into_iter()
        .filter(|name| *name == "prewarmup.order.success")
        .count();
    assert!(successes > 85, "some orders are told domain by domain");
}

#[test]
fn what_is_expected_is_what_the_webhooks_say() {
    let plan = Plan::new(&Options {
        shuffle: false,
        ..busy()
    });
    let mut assigned: HashMap<Domain, SubscriptionId> = HashMap::new();
    let mut failed = HashMap::new();
    let mut status = HashMap::new();
    let mut stated = HashMap::new();
    for delivery in &plan.deliveries {
        let value = parse(delivery);
        let data = &value["data"];
        let id = |value: &Value| SubscriptionId::parse(value.as_str().unwrap()).unwrap();
        for details in data["mailboxDetails"].as_array().into_iter().flatten() {
            let domain = Domain::parse(details["domain"].as_str().unwrap()).unwrap();
            let expiry = &details["preWarmedUpMailboxes"][0]["expiryDate"];
            stated.insert(
                id(&details["subscriptionId"]),
                expiry.as_str().unwrap().parse::<Timestamp>().unwrap(),
            );
            assigned.insert(domain, id(&details["subscriptionId"]));
        }
        for domain in data["failedOrders"].as_array().into_iter().flatten() {
            failed.insert(
                Domain::parse(domain["domain"].as_str().unwrap()).unwrap(),
                domain["reason"].clone(),
            );
        }
        // Repeats come late, with nothing new.
        if delivery.event.starts_with("subscription.") && !delivery.repeat {
            let subscription = id(&data["subscriptionId"]);
            status.insert(
                subscription.clone(),
                data["subscriptionStatus"].as_str().unwrap_or("ACTIVE").to_owned(),
            );
            if let Some(end) = data["periodEnd"].as_str() {
                stated.insert(subscription, end.parse().unwrap());
            }
        }
    }
    assert_eq!(failed.len(), plan.expected.failures().count());
    assert!(
        plan.expected
            .failures()
            .all(|(domain, reason)| failed[domain] == reason)
    );
    assert_eq!(assigned.len(), plan.expected.subscriptions().count());
    for (domain, subscription) in plan.expected.subscriptions() {
        let id = &subscription.subscription_id;
        assert_eq!(&assigned[domain], id);
        let last = status.get(id).map_or("ACTIVE", String::as_str);
        assert_eq!(serde_json::to_value(subscription.status).unwrap(), last);
        assert_eq!(stated[id], subscription.stated_expiry);
    }
}

#[test]
fn a_renewal_happens_at_the_expiry_date_and_gives_another_month() {
    let plan = Plan::new(&Options {
        renewals: true,
        ..options(200, Scenario::Success)
    });
    let expected: HashMap<_, _> = plan
        .expected
        .subscriptions()
        .map(|(_, s)| (s.subscription_id.as_str(), s))
        .collect();
    let mut renewing = HashMap::new();
    for delivery in plan
        .deliveries
        .iter()
        .filter(|delivery| delivery.event.starts_with("subscription."))
    {
        let value = parse(delivery);
        let id = value["data"]["subscriptionId"].as_str().unwrap().to_owned();
        let end = value["data"]["periodEnd"]
            .as_str()
            .map(|text| text.parse::<Timestamp>().unwrap());
        match delivery.event {
            "subscription.renewing" => {
                let end = end.unwrap();
                assert!((end - base_time()).get_seconds() < 86_400);
                assert!(base_time() + delivery.after >= end);
                renewing.insert(id, end);
            }
            "subscription.renewal.success" => {
                let renewed = expected[id.as_str()];
                assert_eq!((renewed.status, renewed.renewals), (SubscriptionStatus::Active, 1));
                // A month after the last hours of March is in April, whichever hour it was.
                assert_eq!(renewed.expiry_date.to_string()[..10], *"2026-04-30");
                assert_eq!(end.unwrap_or(renewed.expiry_date), renewed.expiry_date);
                assert_eq!(renewed.stated_expiry == renewed.expiry_date, end.is_some());
                assert!(renewing.contains_key(&id));
            }
            _ => {}
        }
    }
    assert!(
        expected.values().any(|s| s.renewals == 1 && s.renewal_failures == 1),
        "some are recovered"
    );
    let renewed = expected.values().filter(|s| s.renewals == 1).count();
    assert!(renewed * 10 > renewing.len() * 7, "most renewals succeed");
}

#[test]
fn every_subscription_is_renewed_month_after_month() {
    let plan = Plan::new(&Options {
        renewals: true,
        months: 4,
        ..options(50, Scenario::Success)
    });
    let mut renewed = HashMap::new();
    for delivery in &plan.deliveries {
        if delivery.event == "subscription.renewal.success" {
            let id = parse(delivery)["data"]["subscriptionId"].as_str().unwrap().to_owned();
            let times: &mut Vec<Duration> = renewed.entry(id).or_default();
            times.push(delivery.after);
        }
    }
    let subscriptions: Vec<_> = plan.expected.subscriptions().collect();
    assert_eq!(renewed.len(), subscriptions.len());
    let mut ended = 0;
    for (_, subscription) in subscriptions {
        let times = &renewed[subscription.subscription_id.as_str()];
        assert_eq!(times.len() as u32, subscription.renewals);
        let months = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs() / 86_400);
        assert!(months.into_iter().all(|days| (27..=32).contains(&days)), "{times:?}");
        match subscription.renewals {
            4 => {}
            3 => ended += 1,
            other => panic!("{other} renewals"),
        }
    }
    assert!(ended > 0, "only the last renewal ends a subscription");
}

#[test]
fn a_repeat_is_the_same_body_again() {
    let plan = Plan::new(&Options {
        duplicates: 0.5,
        ..options(100, Scenario::Mix)
    });
    let mut bodies = HashMap::new();
    for delivery in &plan.deliveries {
        let first = bodies.insert(&delivery.event_id, &delivery.body);
        assert_eq!(first.is_some(), delivery.repeat);
        assert!(first.is_none_or(|body| body == &delivery.body));
    }
    assert_eq!(plan.events(), bodies.len());
    let repeats = plan.deliveries.len() - plan.events();
    assert!((35..=80).contains(&repeats), "{repeats}");
    let doubled = |duplicates| {
        Plan::new(&Options {
            duplicates,
            ..options(10, Scenario::Success)
        })
        .deliveries
        .len()
    };
    assert_eq!(
        [doubled(1.0), doubled(7.0), doubled(-1.0), doubled(f64::NAN)],
        [20, 20, 10, 10]
    );
}

#[test]
fn a_shuffled_plan_has_the_same_webhooks_at_the_same_times_in_another_order() {
    let ordered = Plan::new(&Options {
        shuffle: false,
        ..busy()
    });
    let shuffled = Plan::new(&busy());
    let times = |plan: &Plan| {
        plan.deliveries
            .iter()
            .map(|delivery| delivery.after)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(&ordered), times(&shuffled));
    assert!(times(&ordered).is_sorted());
    let ids = |plan: &Plan| {
        plan.deliveries
            .iter()
            .map(|delivery| delivery.event_id.clone())
            .collect::<Vec<_>>()
    };
    assert_ne!(ids(&ordered), ids(&shuffled));
    let (mut one, mut other) = (ids(&ordered), ids(&shuffled));
    one.sort();
    other.sort();
    assert_eq!(one, other);
    assert_eq!(ordered.expected, shuffled.expected);
    let renewed_first = shuffled.deliveries.iter().enumerate().any(|(index, delivery)| {
        let later = &shuffled.deliveries[index..];
        delivery.event.starts_with("subscription.")
            && later
                .iter()
                .any(|other| other.order_id == delivery.order_id && other.event.starts_with("prewarmup."))
    });
    assert!(renewed_first, "also within an order");
}

#[test]
fn no_domain_is_ordered_twice() {
    let plan = Plan::new(&options(3000, Scenario::Mix));
    let mut domains = HashSet::new();
    for domain in plan.expected.orders.iter().flat_map(|order| &order.domains) {
        assert!(domains.insert(&domain.domain), "{}", domain.domain);
    }
    assert!(domains.len() > 5000);
}

#[test]
fn an_empty_plan_is_a_plan() {
    let plan = Plan::new(&Options { orders: 0, ..busy() });
    assert!(plan.deliveries.is_empty() && plan.expected.orders.is_empty());
}
