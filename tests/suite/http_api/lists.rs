//! Filters, counts and pages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{FAILED_ORDER, HISTORY, ORDER, PAID, PAST_DUE, USER, caught_up, column, with_history};
use crate::on_both_stores;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_domain_of_a_mailbox_made_by_itself_is_found_by_its_order_and_subscription,
    filters_narrow_each_list,
    failures_are_counted_by_reason_day_provider_and_domain,
    a_walk_page_by_page_meets_every_item_once_while_others_come_in,
);

async fn a_domain_of_a_mailbox_made_by_itself_is_found_by_its_order_and_subscription(database: Database) {
    let service = database.service().await;
    let created = json!({"event": "mailbox.created", "eventId": "C1", "data": {
        "mailboxId": "M1", "orderId": "O1", "subscriptionId": "S1", "domain": "alone.com", "email": "a@alone.com",
    }});
    service.send(created.to_string()).await;
    for (filter, count) in [
        ("orderId=O1", 1),
        ("subscriptionId=S1", 1),
        ("orderId=O2", 0),
        ("subscriptionId=S2", 0),
    ] {
        let found = service.get_json(&format!("/api/v1/domains?{filter}&atLeast=1")).await;
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{filter}: {found}");
    }
    service.stop().await;
}

async fn filters_narrow_each_list(database: Database) {
    let service = with_history(&database).await;
    let cases: [(&str, &str, &[&str]); 37] = [
        ("orders?status=failed", "orderId", &[FAILED_ORDER]),
        ("orders?status=pending", "orderId", &[]),
        ("orders?domain=EXAMPLE.com", "orderId", &[ORDER]),
        ("orders?domain=example2.com", "orderId", &[FAILED_ORDER, ORDER]),
        ("orders?domain=example2.com&status=fulfilled", "orderId", &[ORDER]),
        ("orders?domain=nowhere.com", "orderId", &[]),
        ("orders?provider=GOOGLE&limit=1", "orderId", &[FAILED_ORDER]),
        ("orders?provider=MICROSOFT", "orderId", &[]),
        (
            "orders?userId=PWM7Y25RYZ450YNM8K8FX9GK5AHX",
            "orderId",
            &[FAILED_ORDER, ORDER],
        ),
        ("orders?userId=nobody", "orderId", &[]),
        (
            "domains?userId=PWM7Y25RYZ450YNM8K8FX9GK5AHX",
            "domain",
            &["example.com", "example2.com"],
        ),
        (
            "domains?subscriptionId=EAG9Q69XN0MBS2GF13K2HEYRTQGS",
            "domain",
            &["example2.com"],
        ),
        ("domains?orderId=K57P9Y7T95M74ZPBRP9A415383AQ", "domain", &[]),
        (
            "domains?provider=GOOGLE&orderId=WR3N4JEW3D76N6KGRQSG36SSHBXK",
            "domain",
            &["example.com", "example2.com"],
        ),
        ("domains?provider=MICROSOFT", "domain", &[]),
        ("renewals?status=pastDue", "subscriptionId", &[PAST_DUE]),
        ("renewals?domain=example.com", "subscriptionId", &[PAID]),
        ("renewals?userId=nobody", "subscriptionId", &[]),
        ("renewals?from=2025-11-27&to=2025-11-28", "subscriptionId", &[PAST_DUE]),
        ("renewals?from=2025-11-28", "subscriptionId", &[PAID]),
        ("renewals?to=2025-11-26", "subscriptionId", &[]),
        ("renewals?to=2025-11-27", "subscriptionId", &[PAST_DUE]),
        ("renewals?to=2025-11-27T00:00:00Z", "subscriptionId", &[]),
        (
            "renewals?from=2025-11-27T19:59:17.294Z&to=2025-12-27T19:59:17.294Z",
            "subscriptionId",
            &[PAST_DUE],
        ),
        (
            "renewals?from=2025-12-27T20:59:17.294%2B01:00",
            "subscriptionId",
            &[PAID],
        ),
        (
            "renewals?from=2025-11-27T19:59:17.295Z&to=9999-12-31",
            "subscriptionId",
            &[PAID],
        ),
        (
            "failures?kind=assignment&reason=Insufficient%20wallet%20balance",
            "domain",
            &["example2.com"],
        ),
        (
            "failures?kind=assignment&reason=Insufficient+wallet+balance",
            "domain",
            &["example2.com"],
        ),
        (
            "failures?domain=yourcompanynow.info",
            "domain",
            &["yourcompanynow.info"],
        ),
        ("failures?provider=MICROSOFT", "domain", &[]),
        ("failures?userId=nobody", "domain", &[]),
        (
            "failures?kind=assignment&from=2020-01-01&to=9999-01-01",
            "domain",
            &["example2.com", "yourcompanynow.info"],
        ),
        ("failures?to=2020-01-01", "domain", &[]),
        ("failures?from=9998-01-01", "domain", &[]),
        (
            "events?type=AssignmentFailed&after=1",
            "subject",
            &["order-K57P9Y7T95M74ZPBRP9A415383AQ"],
        ),
        ("events?type=AssignmentFailed&after=2", "subject", &[]),
        ("events?stream=order-nothing", "subject", &[]),
    ];
    for (query, field, expected) in cases {
        let list = service.get_json(&format!("/api/v1/{query}")).await;
        assert_eq!(column(&list, field), expected, "{query}");
    }
    // a renewal without a date makes the end unknown: no days left, and the same place in the list
    let sent = service.send(fixture("subscription.renewal.success.legacy.json")).await;
    caught_up(&database, &service, sent["position"].as_u64().unwrap()).await;
    let renewals = service.get_json("/api/v1/renewals?domain=example.com").await;
    assert_eq!(renewals["items"][0]["expiryKnown"], false);
    assert_eq!(renewals["items"][0]["daysLeft"], Value::Null);
    service.stop().await;
}

async fn failures_are_counted_by_reason_day_provider_and_domain(database: Database) {
    let service = with_history(&database).await;
    service.send(fixture("partial-failure.2.failed.json")).await;
    caught_up(&database, &service, HISTORY.len() as u64 + 1).await;
    let page = |items: Value| json!({"items": items, "next": null});
    assert_eq!(
        service.get_json("/api/v1/failures?groupBy=reason").await,
        page(json!([
            {"value": "Insufficient wallet balance", "count": 3},
            {"value": "Linked domain is in GRACE_PERIOD", "count": 1},
            {"value": "Pre-warmed mailboxes not available", "count": 1},
        ]))
    );
    assert_eq!(
        service.get_json("/api/v1/failures?groupBy=kind").await,
        page(json!([{"value": "assignment", "count": 3}, {"value": "renewal", "count": 2}]))
    );
    assert_eq!(
        service.get_json("/api/v1/failures?groupBy=userId").await,
        page(json!([{"value": USER, "count": 5}]))
    );
    assert_eq!(
        service.get_json("/api/v1/failures?groupBy=provider").await,
        page(json!([{"value": "GOOGLE", "count": 5}]))
    );
    assert_eq!(
        service
            .get_json("/api/v1/failures?groupBy=domain&kind=assignment&reason=Insufficient%20wallet%20balance")
            .await,
        page(json!([{"value": "domain-b.com", "count": 1}, {"value": "example2.com", "count": 1}]))
    );
    let days = service.get_json("/api/v1/failures?groupBy=day").await;
    let rows = service.get_json("/api/v1/failures").await;
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for day in column(&rows, "day") {
        *expected.entry(day).or_default() += 1;
    }
    for item in days["items"].as_array().unwrap() {
        assert_eq!(item["count"], expected.remove(item["value"].as_str().unwrap()).unwrap());
    }
    assert!(expected.is_empty());
    service.stop().await;
}

/// An order of one domain with a subscription of its own, and a failed one.
async fn order(service: &TestService, number: u32) -> u64 {
    let assigned = String::from_utf8(fixture("partial-failure.1.success.json")).unwrap();
    let assigned = assigned
        .replace("0PARTIALA1N4JEKGRQSG3KW3D7OK", &format!("A{number}"))
        .replace("PARTIALW3D76N6KGRQSG36SSHBXK", &format!("order/{number}"))
        .replace("domain-a.com", &format!("a{number}.com"))
        .replace(PAID, &format!("S{number}"));
    let failed = String::from_utf8(fixture("partial-failure.2.failed.json")).unwrap();
    let failed = failed
        .replace("0PARTIALB2M616JPFVT9JZX14BAD", &format!("F{number}"))
        .replace("PARTIALW3D76N6KGRQSG36SSHBXK", &format!("failed/{number}"))
        .replace("domain-b.com", &format!("b{number}.com"));
    service.send(assigned).await;
    service.send(failed).await["position"].as_u64().unwrap()
}

async fn a_walk_page_by_page_meets_every_item_once_while_others_come_in(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    let mut last = 0;
    for number in 10..20 {
        last = order(&service, number).await;
    }
    service.caught_up(&*store, last).await;
    let before = |prefix: &'static str| (10..20).map(move |number| format!("{prefix}{number}"));
    let com = |prefix| before(prefix).map(|name| format!("{name}.com"));
    let lists: [(&str, &str, Vec<String>); 5] = [
        ("orders", "orderId", before("order/").chain(before("failed/")).collect()),
        ("domains", "domain", com("a").collect()),
        ("renewals", "subscriptionId", before("S").collect()),
        ("failures", "domain", com("b").collect()),
        ("events", "id", before("A").chain(before("F")).collect()),
    ];
    let mut next_number = 20;
    for (list, field, expected) in lists {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut after = String::new();
        let mut pages = 0;
        loop {
            let page = service.get_json(&format!("/api/v1/{list}?limit=3{after}")).await;
            for value in column(&page, field) {
                *seen.entry(value.to_owned()).or_default() += 1;
            }
            pages += 1;
            if pages <= 2 {
                last = order(&service, next_number).await;
                service.caught_up(&*store, last).await;
                next_number += 1;
            }
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert!(seen.values().all(|times| *times == 1), "{list}: {seen:?}");
        assert!(
            expected.iter().all(|value| seen.contains_key(value)),
            "{list}: {seen:?}"
        );
    }
    // an id with a slash works in its returned URL
    let failures = service.get_json("/api/v1/failures?domain=b10.com").await;
    let url = failures["items"][0]["orderUrl"].as_str().unwrap();
    let order = service.get_json(url).await;
    assert_eq!(order["orderId"], "failed/10");
    assert_eq!(order["userId"], USER);
    service.stop().await;
}
