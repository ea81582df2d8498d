//! Deliveries: what came, from where, and how it was answered; and what the ledger knows where none is listed.

use jiff::{SignedDuration, Timestamp};
use reqwest::Response;
use serde_json::{Value, json};
use warmledger::ingest::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER};
use warmledger::store::{DeliveryOutcome, DeliveryQuery, NewDelivery, Store};

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::{Database, TestService, fixture, until};

on_both_stores!(
    each_answer_is_listed_with_its_outcome,
    a_thing_is_found_by_what_a_webhook_names,
    what_is_not_listed_is_answered_from_the_ledger,
    pages_go_on_where_the_last_one_ended,
    old_and_too_many_deliveries_are_removed,
    the_commands_say_whether_a_webhook_arrived,
    refused_ones_of_one_sender_are_listed_within_a_bound,
    refused_ones_are_failures_until_they_are_recorded,
);

const ORDER: &str = "WR3N4JEW3D76N6KGRQSG36SSHBXK";
const EVENT: &str = "6SSHBXWR3N4JEKGRQSG3KW3D76N6";

/// The deliveries at a path, once there are so many.
async fn listed(service: &TestService, path: &str, count: usize) -> Vec<Value> {
    let mut items = Vec::new();
    until("the deliveries are listed", async || {
        items = service.get_json(path).await["items"].as_array().unwrap().clone();
        items.len() >= count
    })
    .await;
    assert_eq!(items.len(), count, "{path}: {items:?}");
    items
}

fn request_id(response: &Response) -> String {
    response.headers()["x-request-id"].to_str().unwrap().to_owned()
}

/// A webhook with a signature by nobody.
async fn wrongly_signed(service: &TestService, body: Vec<u8>) -> Response {
    let request = service.webhook(body).build().unwrap();
    let mut request = request;
    request
        .headers_mut()
        .insert(SIGNATURE_HEADER, "0".repeat(64).parse().unwrap());
    service.client.execute(request).await.unwrap()
}

async fn each_answer_is_listed_with_its_outcome(database: Database) {
    let service = database.service().await;
    let good = fixture("prewarmup.order.success.json");
    let recorded = service
        .webhook(good.clone())
        .header("x-request-id", "the-first")
        .send()
        .await
        .unwrap();
    assert_eq!(recorded.status(), 200);
    assert_eq!(service.send(good.clone()).await["status"], "duplicate");
    let mut unusable: Value = serde_json::from_slice(&good).unwrap();
    unusable["eventId"] = json!("UNUSABLE");
    unusable["data"]["orderId"] = json!({"id": 1});
    assert_eq!(service.send(unusable.to_string()).await["status"], "quarantined");
    assert_eq!(
        service.send(fixture("unknown.future.event.json")).await["status"],
        "recorded"
    );
    let wrong = wrongly_signed(&service, good.clone()).await;
    assert_eq!(wrong.status(), 401);
    let wrong_id = request_id(&wrong);
    let unsigned = service
        .client
        .post(format!("{}/webhooks/coldmailreseller", service.base));
    assert_eq!(unsigned.body(good.clone()).send().await.unwrap().status(), 401);
    let stale = service
        .webhook_at(good.clone(), Timestamp::now().as_second() - 1_000)
        .send()
        .await
        .unwrap();
    assert_eq!(stale.status(), 401);
    let mut other_kind = service.webhook(good.clone()).build().unwrap();
    other_kind
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(service.client.execute(other_kind).await.unwrap().status(), 415);
    let long = service.webhook(vec![b' '; (1 << 20) + 1]).send().await.unwrap();
    assert_eq!(long.status(), 413);
    // of no configured source
    let nobody = service
        .client
        .post(format!("{}/webhooks/nobody", service.base))
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), 404);

    let all = listed(&service, "/api/v1/deliveries", 9).await;
    let told: Vec<(&str, i64, Option<&str>)> = all
        .iter()
        .rev()
        .map(|item| {
            assert_eq!(item["source"], "coldmailreseller");
            assert_eq!(item["address"], "127.0.0.1");
            (
                item["outcome"].as_str().unwrap(),
                item["status"].as_i64().unwrap(),
                item["cause"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("recorded", 200, None),
            ("duplicate", 200, None),
            ("quarantined", 200, None),
            ("unrecognised", 200, None),
            ("refused", 401, Some("wrongSignature")),
            ("refused", 401, Some("missingSignature")),
            ("refused", 401, Some("stale")),
            ("refused", 415, Some("contentType")),
            ("refused", 413, Some("tooLarge")),
        ]
    );
    let positions: Vec<Option<u64>> = all.iter().rev().take(4).map(|item| item["position"].as_u64()).collect();
    assert_eq!(positions, [Some(1), Some(1), Some(2), Some(3)]);
    assert_eq!(
        (&all[8]["requestId"], &all[8]["eventId"]),
        (&json!("the-first"), &json!(EVENT))
    );
    assert_eq!(all[4]["requestId"], wrong_id.as_str());
    for (outcome, count) in [
        ("recorded", 1),
        ("duplicate", 1),
        ("quarantined", 1),
        ("unrecognised", 1),
        ("refused", 5),
        ("refused,quarantined", 6),
        ("recorded,unrecognised", 2),
        ("recorded,duplicate", 2),
    ] {
        listed(&service, &format!("/api/v1/deliveries?outcome={outcome}"), count).await;
    }
    listed(&service, "/api/v1/deliveries?from=today&source=coldmailreseller", 9).await;
    listed(&service, "/api/v1/deliveries?to=yesterday", 0).await;
    listed(&service, "/api/v1/deliveries?source=sandbox", 0).await;
    // a quarantined one is found by the id that it claims, and is named by it
    let claimed = listed(&service, "/api/v1/deliveries?eventId=UNUSABLE", 1).await;
    assert_eq!(
        (&claimed[0]["outcome"], &claimed[0]["position"]),
        (&json!("quarantined"), &json!(2))
    );
    let bad = service.get("/api/v1/deliveries?outcome=lost").await;
    assert_eq!(bad.status(), 400);
    let detail = bad.text().await.unwrap();
    assert!(
        detail.contains("recorded, duplicate, quarantined, unrecognised, refused"),
        "{detail}"
    );
    let cursor = service.get("/api/v1/deliveries?after=nonsense").await;
    assert_eq!(cursor.status(), 400);
    service.stop().await;
}

async fn a_thing_is_found_by_what_a_webhook_names(database: Database) {
    let service = database.service().await;
    let good = fixture("prewarmup.order.success.json");
    assert_eq!(wrongly_signed(&service, good.clone()).await.status(), 401);
    service.send(good.clone()).await;
    service.send(good).await;
    service.send(fixture("subscription.renewal.success.json")).await;
    service.send(fixture("partial-failure.2.failed.json")).await;
    listed(&service, "/api/v1/deliveries", 5).await;
    service.caught_up(&*database.store().await, 3).await;
    let outcomes = |items: &[Value]| -> Vec<String> {
        let outcome = |item: &Value| item["outcome"].as_str().unwrap().to_owned();
        items.iter().rev().map(outcome).collect()
    };
    let by_event = listed(&service, &format!("/api/v1/deliveries?eventId={EVENT}"), 3).await;
    assert_eq!(outcomes(&by_event), ["refused", "recorded", "duplicate"]);
    // the renewal is the order's too
    let by_order = listed(&service, &format!("/api/v1/deliveries?orderId={ORDER}"), 4).await;
    assert_eq!(outcomes(&by_order), ["refused", "recorded", "duplicate", "recorded"]);
    let by_domain = listed(&service, "/api/v1/deliveries?domain=EXAMPLE2.com", 3).await;
    assert_eq!(outcomes(&by_domain), ["refused", "recorded", "duplicate"]);
    // of a domain that failed too
    let failed = listed(&service, "/api/v1/deliveries?domain=domain-b.com", 1).await;
    assert_eq!(failed[0]["outcome"], "recorded");
    let both = format!("/api/v1/deliveries?orderId={ORDER}&domain=example2.com&outcome=recorded");
    listed(&service, &both, 1).await;
    listed(&service, "/api/v1/deliveries?orderId=NOTHING", 0).await;
    // a claimed domain is a whole name
    listed(&service, "/api/v1/deliveries?domain=ample2.com", 0).await;
    service.stop().await;
}

async fn what_is_not_listed_is_answered_from_the_ledger(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    listed(&service, "/api/v1/deliveries", 1).await;
    database.execute("DELETE FROM deliveries").await;
    listed(&service, "/api/v1/deliveries", 0).await;
    for filter in [
        format!("eventId={EVENT}"),
        format!("orderId={ORDER}"),
        "domain=example.com".to_owned(),
    ] {
        let found = listed(&service, &format!("/api/v1/deliveries?{filter}"), 1).await;
        let told = ["id", "outcome", "address", "status", "requestId", "eventId", "position"]
            .map(|name| found[0][name].clone());
        let expected = json!([null, "recorded", null, null, null, EVENT, 1]);
        assert_eq!(json!(told), expected, "{filter}");
        listed(&service, &format!("/api/v1/deliveries?{filter}&outcome=refused"), 0).await;
        listed(&service, &format!("/api/v1/deliveries?{filter}&to=yesterday"), 0).await;
    }
    service.stop().await;
    // what still waited is listed when the service stops
    let service = database.service().await;
    service.send(fixture("subscription.renewing.json")).await;
    service.stop().await;
    let store = database.store().await;
    let query = DeliveryQuery {
        limit: 10,
        ..DeliveryQuery::default()
    };
    assert_eq!(store.deliveries(&query).await.unwrap().len(), 1);
}

async fn pages_go_on_where_the_last_one_ended(database: Database) {
    let service = database.service().await;
    let good = fixture("prewarmup.order.success.json");
    for _ in 0..5 {
        service.send(good.clone()).await;
    }
    listed(&service, "/api/v1/deliveries", 5).await;
    for path in [
        "/api/v1/deliveries?limit=2".to_owned(),
        format!("/api/v1/deliveries?limit=2&eventId={EVENT}"),
    ] {
        let (mut ids, mut after, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = service.get_json(&format!("{path}{after}")).await;
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_u64().unwrap()));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(pages, 3, "{path}");
        assert!(
            ids.is_sorted_by(|one, other| one > other) && ids.len() == 5,
            "{path}: {ids:?}"
        );
    }
    service.stop().await;
}

/// A delivery so many days ago.
fn delivery(days: i64, sender: &str, outcome: DeliveryOutcome) -> NewDelivery {
    let is_refused = outcome == DeliveryOutcome::Refused;
    NewDelivery {
        at: Timestamp::now() - SignedDuration::from_hours(24 * days),
        source: "coldmailreseller".parse().unwrap(),
        address: sender.to_owned(),
        sender: sender.to_owned(),
        outcome,
        cause: is_refused.then(|| "stale".to_owned()),
        status: if is_refused { 401 } else { 200 },
        request_id: "r".to_owned(),
        position: None,
        event_id: None,
        order_id: None,
        domains: None,
    }
}

async fn count(store: &dyn Store, outcome: DeliveryOutcome) -> usize {
    let query = DeliveryQuery {
        outcomes: vec![outcome],
        limit: 1_000,
        ..DeliveryQuery::default()
    };
    store.deliveries(&query).await.unwrap().len()
}

async fn old_and_too_many_deliveries_are_removed(database: Database) {
    let store = database.store().await;
    let mut deliveries: Vec<NewDelivery> = Vec::new();
    for n in 0..10 {
        deliveries.push(delivery(40, "a", DeliveryOutcome::Duplicate));
        deliveries.push(delivery(n / 5, "a", DeliveryOutcome::Refused));
        deliveries.push(delivery(1, &format!("b{n}"), DeliveryOutcome::Refused));
        deliveries.push(delivery(1, "a", DeliveryOutcome::Duplicate));
    }
    // as they come
    deliveries.sort_by_key(|one| one.at);
    store.add_deliveries(&deliveries).await.unwrap();
    // times, texts and empty fields come back as they were
    let query = DeliveryQuery {
        limit: 1,
        ..DeliveryQuery::default()
    };
    let newest = store.deliveries(&query).await.unwrap().remove(0);
    let first = deliveries.iter().max_by_key(|one| one.at).unwrap();
    assert_eq!(newest.at.as_microsecond(), first.at.as_microsecond());
    assert_eq!(
        (newest.cause.as_deref(), newest.status, newest.position),
        (Some("stale"), 401, None)
    );
    assert_eq!(store.delivery(newest.id).await.unwrap(), Some(newest.clone()));
    assert_eq!(store.delivery(newest.id + 1_000).await.unwrap(), None);
    // of one sender at most four
    assert_eq!(store.thin_refused_deliveries(100, 4).await.unwrap(), 6);
    assert_eq!(count(&*store, DeliveryOutcome::Refused).await, 14);
    assert_eq!(store.thin_refused_deliveries(12, 4).await.unwrap(), 2);
    assert_eq!(count(&*store, DeliveryOutcome::Refused).await, 12);
    let before = Timestamp::now() - SignedDuration::from_hours(24 * 30);
    assert_eq!(store.expire_deliveries(before, 7).await.unwrap(), 7);
    assert_eq!(store.expire_deliveries(before, 7).await.unwrap(), 3);
    assert_eq!(count(&*store, DeliveryOutcome::Duplicate).await, 10);
}

async fn the_commands_say_whether_a_webhook_arrived(database: Database) {
    let service = database.service().await;
    let good = fixture("prewarmup.order.success.json");
    assert_eq!(wrongly_signed(&service, good.clone()).await.status(), 401);
    listed(&service, "/api/v1/deliveries", 1).await;
    let program = Program::new(&database);
    let show = program.run(&format!("events show {EVENT}")).await;
    assert_eq!(show.code, 2, "{}", show.stdout);
    for words in [
        "is recorded",
        "from 127.0.0.1",
        "refused (wrongSignature)",
        "refused list",
    ] {
        assert!(show.stderr.contains(words), "{words}: {}", show.stderr);
    }
    let nothing = program.run("events show NOTHING").await;
    assert!(
        nothing.stderr.contains("no delivery of one is listed"),
        "{}",
        nothing.stderr
    );
    service.send(good).await;
    listed(&service, "/api/v1/deliveries", 2).await;
    service.stop().await;
    let list = program
        .run(&format!("deliveries list --event-id {EVENT} --json"))
        .await
        .json();
    let outcomes: Vec<&Value> = list.as_array().unwrap().iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["recorded", "refused"]);
    let number = list[0]["id"].as_u64().unwrap();
    let one = program.run(&format!("deliveries show {number}")).await.json();
    assert_eq!((&one["position"], &one["eventId"]), (&json!(1), &json!(EVENT)));
    let table = program.run("deliveries list --outcome refused").await;
    assert!(
        table.stdout.contains("wrongSignature") && !table.stdout.contains("recorded"),
        "{}",
        table.stdout
    );
    let none = program.run("deliveries show NOTHING").await;
    assert_eq!(none.code, 2, "{}", none.stderr);
    for (range, count) in [
        ("--from today", 2),
        ("--to today", 2),
        ("--from -1d --to yesterday", 0),
        ("--from -24h", 2),
    ] {
        let list = program.run(&format!("deliveries list --json {range}")).await.json();
        assert_eq!(list.as_array().unwrap().len(), count, "{range}");
    }
    for range in [
        "--from tomorrow --to yesterday",
        "--from then",
        "--to today --tz Nowhere",
    ] {
        let wrong = program.run(&format!("deliveries list {range}")).await;
        assert!(
            wrong.code == 2 && wrong.stderr.contains("--"),
            "{range}: {}",
            wrong.stderr
        );
    }
    let wrong = program.run("deliveries list --outcome lost").await;
    assert!(
        wrong.code == 2 && wrong.stderr.contains("unrecognised"),
        "{}",
        wrong.stderr
    );
}

async fn refused_ones_of_one_sender_are_listed_within_a_bound(database: Database) {
    let service = database.service().await;
    for _ in 0..70 {
        let request = service
            .client
            .post(format!("{}/webhooks/coldmailreseller", service.base));
        let answer = request.header(TIMESTAMP_HEADER, "1").send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    // authentic ones do not count, and have no bound
    for _ in 0..70 {
        service.send(fixture("subscription.renewing.json")).await;
    }
    listed(&service, "/api/v1/deliveries?outcome=recorded,duplicate&limit=500", 70).await;
    let refused = service.get_json("/api/v1/deliveries?outcome=refused&limit=500").await;
    let refused = refused["items"].as_array().unwrap().len();
    assert!((60..70).contains(&refused), "{refused}");
    service.stop().await;
}

async fn refused_ones_are_failures_until_they_are_recorded(database: Database) {
    let service = database.service().await;
    let good = fixture("prewarmup.order.success.json");
    assert_eq!(wrongly_signed(&service, good.clone()).await.status(), 401);
    let other = fixture("subscription.renewing.json");
    assert_eq!(wrongly_signed(&service, other).await.status(), 401);
    let failures = listed(&service, "/api/v1/failures?kind=refused", 2).await;
    for failure in &failures {
        assert_eq!(
            (&failure["kind"], &failure["cause"]),
            (&json!("refused"), &json!("wrongSignature"))
        );
        assert_eq!(failure["resolvedAt"], Value::Null);
    }
    assert_eq!(failures[1]["eventId"], EVENT);
    // they are in no view
    listed(&service, "/api/v1/failures", 0).await;
    service.send(good).await;
    let failures = listed(&service, "/api/v1/failures?kind=refused", 2).await;
    assert!(
        failures[1]["resolvedAt"].is_string() && failures[0]["resolvedAt"].is_null(),
        "{failures:?}"
    );
    listed(&service, "/api/v1/failures?kind=refused&domain=example.com", 1).await;
    let first = service.get_json("/api/v1/failures?kind=refused&limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = service
        .get_json(&format!("/api/v1/failures?kind=refused&limit=1&after={next}"))
        .await;
    assert_eq!(
        (&second["items"][0]["eventId"], &second["next"]),
        (&json!(EVENT), &Value::Null)
    );
    for (query, words) in [
        ("kind=refused&userId=U1", "userId: is not known of refused webhooks"),
        (
            "kind=refused&groupBy=reason",
            "groupBy: is not known of refused webhooks",
        ),
        ("kind=refused&asOf=1", "asOf: refused webhooks are in no view"),
        ("kind=lost", "quarantined, refused"),
    ] {
        let answer = service.get(&format!("/api/v1/failures?{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        let detail = answer.text().await.unwrap();
        assert!(detail.contains(words), "{detail}");
    }
    service.stop().await;
}
