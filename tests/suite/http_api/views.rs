//! The answers of each route.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::{FAILED_ORDER, ORDER, PAID, PAST_DUE, USER, calls, caught_up, column, text, with_history, without_times};
use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    an_order_tells_what_became_of_each_domain,
    a_partial_failure_is_one_order,
    an_orders_timeline_holds_its_renewals_too,
    domains_are_listed_without_what_is_personal,
    mailboxes_come_with_their_addresses_and_names,
    renewals_come_soonest_due_first,
    failures_link_their_order_and_event,
    the_feed_is_cloud_events_in_global_order,
    nothing_secret_is_in_any_answer,
);

async fn an_order_tells_what_became_of_each_domain(database: Database) {
    let service = with_history(&database).await;
    let orders = service.get_json("/api/v1/orders").await;
    assert_eq!(column(&orders, "orderId"), [FAILED_ORDER, ORDER]);
    assert_eq!(orders["next"], Value::Null);
    let order = service.get_json(&format!("/api/v1/orders/{ORDER}")).await;
    assert_eq!(order, orders["items"][1]);
    let assigned = |domain: &str, subscription: &str, count: u32| {
        json!({
            "domain": domain, "status": "assigned", "subscriptionId": subscription, "mailboxCount": count, "reason": null
        })
    };
    assert_eq!(
        without_times(order, &["firstRecordedAt", "lastRecordedAt"]),
        json!({
            "orderId": ORDER,
            "userId": USER,
            "serviceProvider": "GOOGLE",
            "status": "fulfilled",
            "reason": null,
            "domains": [assigned("example.com", PAID, 2), assigned("example2.com", PAST_DUE, 1)],
            "firstPosition": 1,
            "spend": null,
            "erased": false,
        })
    );
    let failed = |domain: &str, reason: &str| {
        json!({
            "domain": domain, "status": "failed", "subscriptionId": null, "mailboxCount": 0, "reason": reason
        })
    };
    assert_eq!(
        without_times(orders["items"][0].clone(), &["firstRecordedAt", "lastRecordedAt"]),
        json!({
            "orderId": FAILED_ORDER,
            "userId": USER,
            "serviceProvider": "GOOGLE",
            "status": "failed",
            "reason": null,
            "domains": [
                failed("example2.com", "Insufficient wallet balance"),
                failed("yourcompanynow.info", "Pre-warmed mailboxes not available"),
            ],
            "firstPosition": 2,
            "spend": null,
            "erased": false,
        })
    );
    service.stop().await;
}

async fn a_partial_failure_is_one_order(database: Database) {
    let service = database.service().await;
    service.send(fixture("partial-failure.2.failed.json")).await;
    service.send(fixture("partial-failure.1.success.json")).await;
    caught_up(&database, &service, 2).await;
    let orders = service.get_json("/api/v1/orders?status=partial").await;
    assert_eq!(column(&orders, "orderId"), ["PARTIALW3D76N6KGRQSG36SSHBXK"]);
    let domains = orders["items"][0]["domains"].as_array().unwrap();
    let of = |index: usize| (domains[index]["domain"].as_str(), domains[index]["status"].as_str());
    assert_eq!(domains.len(), 2);
    assert_eq!(of(0), (Some("domain-a.com"), Some("assigned")));
    assert_eq!(of(1), (Some("domain-b.com"), Some("failed")));
    service.stop().await;
}

async fn an_orders_timeline_holds_its_renewals_too(database: Database) {
    let service = with_history(&database).await;
    let path = format!("/api/v1/orders/{ORDER}/events");
    let timeline = service.get_json(&path).await;
    let happened = [
        "MailboxesAssigned",
        "SubscriptionRenewed",
        "SubscriptionRenewing",
        "SubscriptionRenewalFailed",
        "SubscriptionPastDue",
        "WebhookUnrecognised",
    ];
    assert_eq!(column(&timeline, "type"), happened);
    assert_eq!(timeline["next"], Value::Null);
    let stands_for = service.get(&path).await.headers()["warmledger-position"].clone();
    // with the record of the timelines' read
    assert_eq!(stands_for, (super::HISTORY.len() + 1).to_string().as_str());
    let second = without_times(timeline["items"][1].clone(), &["recordedAt"]);
    assert_eq!(second["position"], 3);
    assert_eq!(second["version"], 2);
    assert_eq!(second["eventId"], "6SSHBXWQ3N3JEKHRQ763KW3D7SUB");
    assert_eq!(second["source"], "coldmailreseller");
    assert_eq!(second["facts"]["periodEnd"], "2025-12-27T19:59:17.294Z");
    // page by page
    let first = service.get_json(&format!("{path}?limit=4")).await;
    assert_eq!(column(&first, "type"), happened[..4]);
    let after = first["next"].as_str().unwrap();
    let rest = service.get_json(&format!("{path}?limit=4&after={after}")).await;
    assert_eq!(column(&rest, "type"), happened[4..]);
    assert_eq!(rest["next"], Value::Null);
    service.stop().await;
}

fn subscription(id: &str) -> Value {
    match id {
        PAID => json!({
            "status": "active",
            "expiryDate": "2025-12-27T19:59:17.294Z",
            "expiryKnown": true,
            "autoRenew": true,
            "lastRenewal": "2025-11-27T19:59:17.294Z",
        }),
        _ => json!({
            "status": "pastDue",
            "expiryDate": "2025-11-27T19:59:17.294Z",
            "expiryKnown": true,
            "autoRenew": true,
            "lastRenewal": null,
        }),
    }
}

async fn domains_are_listed_without_what_is_personal(database: Database) {
    let service = with_history(&database).await;
    let domain = |name: &str, subscription_id: &str, count: u32| {
        json!({
            "domain": name,
            "unicode": name,
            "registration": null,
            "orderId": ORDER,
            "subscriptionId": subscription_id,
            "userId": USER,
            "serviceProvider": "GOOGLE",
            "mailboxCount": count,
            // the subscription's, which may have been renewed since the assignment
            "expiryDate": subscription(subscription_id)["expiryDate"],
            "subscription": subscription(subscription_id),
            "erased": false,
        })
    };
    assert_eq!(
        service.get_json("/api/v1/domains").await,
        json!({
            "items": [domain("example.com", PAID, 2), domain("example2.com", PAST_DUE, 1)],
            "next": null,
        })
    );
    service.stop().await;
}

async fn mailboxes_come_with_their_addresses_and_names(database: Database) {
    let service = with_history(&database).await;
    let response = service.get("/api/v1/domains/Example.COM/mailboxes").await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let told = json!({"event": 1, "changed": false});
    let mailbox = |id: &str, first: &str, last: &str, admin: bool, since: &str| {
        json!({
            "mailboxId": id,
            "domain": "example.com",
            "email": format!("{first}.{last}@example.com").to_lowercase(),
            "firstName": first,
            "lastName": last,
            "isAdmin": admin,
            "warmingUpFrom": since,
            "expiryDate": "2025-12-27T19:59:17.294Z",
            "assignedUntil": "2025-11-27T19:59:17.294Z",
            "orderId": ORDER,
            "subscriptionId": PAID,
            "exportedAt": null,
            "warmup": null,
            "hasCredentials": true,
            "credentials": {"password": told, "appPassword": told, "authenticatorSecret": told},
            "erased": false,
        })
    };
    let mut answer: Value = response.json().await.unwrap();
    for mailbox in answer["mailboxes"].as_array_mut().unwrap() {
        for credential in mailbox["credentials"].as_object_mut().unwrap().values_mut() {
            assert!(credential.as_object_mut().unwrap().remove("since").unwrap().is_string());
        }
    }
    assert_eq!(
        answer,
        json!({
            "domain": "example.com",
            "orderId": ORDER,
            "subscriptionId": PAID,
            "subscription": subscription(PAID),
            "mailboxes": [
                mailbox("LY25R9GK5AHYZ450YPWMNM8K8FXX", "Yasmeen", "King", true, "2025-09-26T08:53:51.641Z"),
                mailbox("FZHCRVTWEDMP2ZMMRSVZ63F493F1", "Mike", "Miller", false, "2025-09-26T09:22:10.123Z"),
            ],
        })
    );
    // the second domain's mailbox is the third of its event
    let second = service.get_json("/api/v1/domains/example2.com/mailboxes").await;
    assert_eq!(second["mailboxes"].as_array().unwrap().len(), 1);
    assert_eq!(second["mailboxes"][0]["email"], "yvonne.lesch@example2.com");
    service.stop().await;
}

async fn renewals_come_soonest_due_first(database: Database) {
    let service = with_history(&database).await;
    let days_left = |end: &str| {
        let day = |time: Timestamp| Offset::UTC.to_datetime(time).date();
        day(end.parse().unwrap())
            .duration_since(day(Timestamp::now()))
            .as_hours()
            / 24
    };
    let mut renewals = service.get_json("/api/v1/renewals").await;
    let failed_at = renewals["items"][0].as_object_mut().unwrap().remove("lastFailureAt");
    assert!(failed_at.unwrap().is_string());
    assert_eq!(
        renewals,
        json!({
            "items": [
                {
                    "subscriptionId": PAST_DUE,
                    "domain": "example2.com",
                    "orderId": ORDER,
                    "userId": USER,
                    "serviceProvider": "GOOGLE",
                    "mailboxCount": 1,
                    "expiryDate": "2025-11-27T19:59:17.294Z",
                    "due": "2025-11-27T19:59:17.294Z",
                    "since": "2025-10-27T19:59:17.294Z",
                    "risk": "high",
                    "riskReasons": ["pastDue", "walletFailures"],
                    "expiryKnown": true,
                    "daysLeft": days_left("2025-11-27T19:59:17.294Z"),
                    "status": "pastDue",
                    "autoRenew": true,
                    "lastRenewal": null,
                    "renewals": 0,
                    "failures": 1,
                    "lastFailureReason": "Insufficient wallet balance",
                },
                {
                    "subscriptionId": PAID,
                    "domain": "example.com",
                    "orderId": ORDER,
                    "userId": USER,
                    "serviceProvider": "GOOGLE",
                    "mailboxCount": 2,
                    "expiryDate": "2025-12-27T19:59:17.294Z",
                    "due": "2025-12-27T19:59:17.294Z",
                    "lastFailureAt": null,
                    "since": "2025-11-27T19:59:17.294Z",
                    "risk": "high",
                    "riskReasons": ["pastDue", "walletFailures"],
                    "expiryKnown": true,
                    "daysLeft": days_left("2025-12-27T19:59:17.294Z"),
                    "status": "active",
                    "autoRenew": true,
                    "lastRenewal": "2025-11-27T19:59:17.294Z",
                    "renewals": 1,
                    "failures": 0,
                    "lastFailureReason": null,
                },
            ],
            "next": null,
        })
    );
    service.stop().await;
}

async fn failures_link_their_order_and_event(database: Database) {
    let service = with_history(&database).await;
    let failures = service.get_json("/api/v1/failures?kind=renewal").await;
    // the webhooks name the domain by their subscription
    assert_eq!(column(&failures, "domain"), ["example2.com", "example2.com"]);
    assert_eq!(column(&failures, "orderId"), [ORDER, ORDER]);
    assert_eq!(failures["items"][0]["mailboxes"], 1);
    assert_eq!(failures["items"][0]["resolvedAt"], Value::Null);
    let failures = service.get_json("/api/v1/failures?kind=assignment").await;
    assert_eq!(column(&failures, "domain"), ["example2.com", "yourcompanynow.info"]);
    let failure = without_times(failures["items"][1].clone(), &["happenedAt", "recordedAt"]);
    let day = &failures["items"][1]["happenedAt"].as_str().unwrap()[..10];
    assert_eq!(
        failure,
        json!({
            "kind": "assignment",
            "cause": "unavailable",
            "subscriptionId": null,
            "mailboxes": null,
            "resolvedAt": null,
            "orderId": FAILED_ORDER,
            "orderUrl": format!("/api/v1/orders/{FAILED_ORDER}"),
            "domain": "yourcompanynow.info",
            "reason": "Pre-warmed mailboxes not available",
            "serviceProvider": "GOOGLE",
            "userId": USER,
            "position": 2,
            "eventUrl": "/api/v1/events?after=1&limit=1",
            "eventId": "KX6VYNA7W2M616JPFVT9JZX14B4N",
            "source": "coldmailreseller",
            "day": day,
        })
    );
    let order = service.get_json(failure["orderUrl"].as_str().unwrap()).await;
    assert_eq!(order["orderId"], FAILED_ORDER);
    let event = service.get_json(failure["eventUrl"].as_str().unwrap()).await;
    assert_eq!(event["items"][0]["id"], failure["eventId"]);
    // providers match in any case
    for path in ["failures", "orders", "domains"] {
        let all = service.get_json(&format!("/api/v1/{path}?provider=GOOGLE")).await;
        assert!(!all["items"].as_array().unwrap().is_empty());
        for word in ["google", "Google"] {
            let found = service.get_json(&format!("/api/v1/{path}?provider={word}")).await;
            assert_eq!(found["items"], all["items"], "{path} {word}");
        }
    }
    service.stop().await;
}

async fn the_feed_is_cloud_events_in_global_order(database: Database) {
    let service = with_history(&database).await;
    let feed = service.get_json("/api/v1/events").await;
    let positions: Vec<u64> = feed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(feed["next"], Value::Null, "the page is not full");
    let mut failed = without_times(feed["items"][1].clone(), &["time"]);
    failed["data"].as_object_mut().unwrap().remove("sentAt").unwrap();
    assert_eq!(
        failed,
        json!({
            "specversion": "1.0",
            "id": "KX6VYNA7W2M616JPFVT9JZX14B4N",
            "source": "/webhooks/coldmailreseller",
            "type": "AssignmentFailed",
            "subject": format!("order-{FAILED_ORDER}"),
            "datacontenttype": "application/json",
            "data": {
                "failures": [
                    {"domain": "yourcompanynow.info", "reason": "Pre-warmed mailboxes not available"},
                    {"domain": "example2.com", "reason": "Insufficient wallet balance"},
                ],
                "orderId": FAILED_ORDER,
                "serviceProvider": "GOOGLE",
                "userId": USER,
            },
            "position": 2,
            "stream": format!("order-{FAILED_ORDER}"),
            "version": 1,
            "schemaversion": 2,
        })
    );
    // attribute names as CloudEvents demands: lower-case letters and digits
    for name in feed["items"][0].as_object().unwrap().keys() {
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "{name}"
        );
    }
    // a full page always has `next`, so that a follower can read on
    let full = service.get_json("/api/v1/events?after=5&limit=2").await;
    assert_eq!(full["next"], "7");
    // the read of the feed is recorded in the feed, once
    let read = service.get_json("/api/v1/events?after=7").await;
    assert_eq!(column(&read, "type"), ["AuditFeedRead"]);
    assert_eq!(
        service.get_json("/api/v1/events?after=8").await,
        json!({"items": [], "next": null, "position": 8})
    );
    let renewed = service.get_json("/api/v1/events?type=SubscriptionRenewed").await;
    assert_eq!(column(&renewed, "id"), ["6SSHBXWQ3N3JEKHRQ763KW3D7SUB"]);
    let stream = service
        .get_json(&format!("/api/v1/events?stream=order-{FAILED_ORDER}"))
        .await;
    assert_eq!(column(&stream, "id"), ["KX6VYNA7W2M616JPFVT9JZX14B4N"]);
    service.stop().await;
}

async fn nothing_secret_is_in_any_answer(database: Database) {
    let service = with_history(&database).await;
    service.send(fixture("mailbox.created.json")).await;
    caught_up(&database, &service, 8).await;
    for (pattern, path) in calls() {
        let answer = text(service.get(&path).await).await;
        for secret in [
            "$fFqf$PU7w$Lz9",
            "rena ppos",
            "tukl dfds",
            "s3cret-Ann",
            "aaaa bbbb",
            "jbsw y3dp",
        ] {
            assert!(!answer.contains(secret), "{path} shows {secret}");
        }
        let personal = ["yasmeen", "Yasmeen", "Miller", "johndoe", "ann.lee", "cdn.zapmail.ai"];
        let opened = ["/api/v1/customers", "/api/v1/search"];
        if !pattern.ends_with("/mailboxes") && !opened.iter().any(|open| pattern.starts_with(open)) {
            assert!(
                !personal.iter().any(|word| answer.contains(word)),
                "{path} shows what is personal"
            );
        }
    }
    service.stop().await;
}
