//! Every family of the provider's events: each fixture shows in a view, odd values hide nothing, and the everyday
//! questions are one call each.

use std::collections::BTreeMap;

use aggregates::{EventId, OrderEvent, Position, Source, StreamId, SubjectId, SubscriptionId, WebhookUnrecognised};
use serde_json::{Value, json};
use warmledger::ledger::leaf::Envelope;
use warmledger::ledger::{Incoming, Original, PlainSections};
use warmledger::secret::Secret;
use warmledger::service::Core;
use warmledger::store::{Append, Batch, Mode, NewEvent, Reference, SealedSections};

use super::{USER, caught_up, column};
use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::log::{grown, sound_log};
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    every_kind_of_webhook_shows_in_a_view,
    one_odd_field_hides_no_mailbox,
    a_domain_is_the_same_in_unicode_and_in_ascii,
    an_event_that_was_stored_in_unicode_meets_its_new_ones,
    what_will_fail_next_week_says_why,
    nothing_is_due_of_a_subscription_that_ended,
    a_kind_that_was_unknown_gets_its_event_once,
);

const DOMAIN: &str = "company.com";
const ORDER: &str = "NQ682GAVFTMYC2H6C87PPKPG5WXV";
const SUBSCRIPTION: &str = "YC2H6C87PPKPG5WXVNQ682GAVFTM";

async fn send(database: &Database, service: &TestService, names: &[&str]) {
    let mut last = 0;
    for name in names {
        let receipt = service.send(fixture(&format!("{name}.json"))).await;
        assert_eq!(receipt["status"], "recorded", "{name}");
        last = receipt["position"].as_u64().unwrap();
    }
    caught_up(database, service, last).await;
}

async fn every_kind_of_webhook_shows_in_a_view(database: Database) {
    let service = database.service().await;
    let registration = async || service.get_json(&format!("/api/v1/domains/{DOMAIN}")).await["registration"].clone();
    send(&database, &service, &["domain.order.success", "domain.order.failed"]).await;
    let registered = registration().await;
    assert_eq!(
        (&registered["status"], &registered["spend"]),
        (&json!("active"), &json!("15.88"))
    );
    assert_eq!(registered["orderId"], ORDER);
    let taken = service.get_json("/api/v1/registrations?status=failed").await;
    assert_eq!(column(&taken, "domain"), ["taken.com"]);
    assert_eq!(taken["items"][0]["lastFailureReason"], "Domain is not available");
    send(&database, &service, &["domain.renewal.failed"]).await;
    assert_eq!(registration().await["status"], "renewalFailed");
    send(&database, &service, &["domain.grace_period"]).await;
    let grace = registration().await;
    assert_eq!(
        (&grace["status"], &grace["graceUntil"]),
        (&json!("grace"), &json!("2025-03-15T23:59:59Z"))
    );
    send(&database, &service, &["domain.expired", "dns-record.updated"]).await;
    let lost = registration().await;
    assert_eq!((&lost["status"], &lost["dnsChanges"]), (&json!("expired"), &json!(1)));
    assert_eq!(lost["dnsChangedBy"], 6);
    send(&database, &service, &["domain.renewal.success"]).await;
    let renewed = registration().await;
    assert_eq!(
        (&renewed["status"], &renewed["expiryDate"], &renewed["spend"]),
        (&json!("active"), &json!("2026-03-08T23:59:59Z"), &json!("31.76"))
    );
    let failures = service.get_json("/api/v1/failures?kind=domain").await;
    assert_eq!(column(&failures, "domain"), [DOMAIN, "taken.com"]);
    assert!(failures["items"][0]["resolvedAt"].is_string(), "it was renewed");
    assert!(failures["items"][1]["resolvedAt"].is_null());

    send(&database, &service, &["mailbox.order.failed"]).await;
    let order = async || service.get_json(&format!("/api/v1/orders/{ORDER}")).await;
    assert_eq!(order().await["status"], "failed");
    let failures = service.get_json("/api/v1/failures?kind=mailboxOrder").await;
    assert_eq!(column(&failures, "reason"), ["Workspace already exists"]);
    send(&database, &service, &["mailbox.order.success"]).await;
    assert_eq!(
        (&order().await["status"], &order().await["spend"]),
        (&json!("pending"), &json!("11"))
    );
    let renewals = service.get_json(&format!("/api/v1/renewals?domain={DOMAIN}")).await;
    assert_eq!(column(&renewals, "subscriptionId"), [SUBSCRIPTION]);
    assert_eq!(renewals["items"][0]["mailboxCount"], 3);
    let failures = service.get_json("/api/v1/failures?kind=mailboxOrder").await;
    assert!(
        failures["items"][0]["resolvedAt"].is_string(),
        "a second try was accepted"
    );

    send(
        &database,
        &service,
        &[
            "mailbox.created",
            "mailbox.warmup.started",
            "mailbox.exported",
            "mailbox.updated",
            "mailbox.warmup.removed",
        ],
    )
    .await;
    assert_eq!(order().await["status"], "fulfilled");
    let mailboxes = service.get_json(&format!("/api/v1/domains/{DOMAIN}/mailboxes")).await;
    let mailbox = &mailboxes["mailboxes"][0];
    assert!(mailbox["exportedAt"].is_string());
    assert!(mailbox["warmup"]["since"].is_string());
    let credential = |kind: &str| {
        (
            mailbox["credentials"][kind]["event"].clone(),
            mailbox["credentials"][kind]["changed"].clone(),
        )
    };
    assert_eq!(credential("password"), (json!(13), json!(true)), "{mailbox}");
    assert_eq!(credential("appPassword"), (json!(10), json!(false)));
    assert_eq!(mailbox["firstName"], "Anna");

    // the timeline has the mailbox's own stream too, and marks what replaced a credential
    let timeline = service.get_json(&format!("/api/v1/orders/{ORDER}/events")).await;
    let items = timeline["items"].as_array().unwrap();
    let positions: Vec<u64> = items.iter().map(|item| item["position"].as_u64().unwrap()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    let types = column(&timeline, "type");
    for kind in [
        "MailboxCreated",
        "MailboxWarmupStarted",
        "MailboxExported",
        "MailboxUpdated",
    ] {
        assert!(types.contains(&kind), "{kind}: {types:?}");
    }
    let brought = |kind: &str| {
        let item = items.iter().find(|item| item["type"] == kind).unwrap();
        (
            item["credentials"][0]["first"].clone(),
            item["credentials"][0]["changed"].clone(),
        )
    };
    let all = json!(["appPassword", "authenticatorSecret", "password"]);
    assert_eq!(brought("MailboxCreated"), (all, json!([])));
    assert_eq!(brought("MailboxUpdated"), (json!([]), json!(["password"])));
    let last = service
        .get_json(&format!(
            "/api/v1/orders/{ORDER}/events?after={}",
            positions[positions.len() - 2]
        ))
        .await;
    assert_eq!(last["items"], json!([items.last().unwrap()]));

    let customer = service.get_json(&format!("/api/v1/customers/{USER}")).await;
    assert_eq!(customer["email"], "johndoe@company.com");
    let counts = ["orders", "activeDomains", "mailboxes", "openFailures", "spend"].map(|field| customer[field].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(3), json!(1), json!("42.76")]);
    let customers = service.get_json("/api/v1/customers").await;
    assert_eq!(customers["items"], json!([customer]));
    // nothing of it is unrecognised
    let feed = service
        .get_json("/api/v1/events?type=WebhookUnrecognised,WebhookQuarantined")
        .await;
    assert_eq!(feed["items"], json!([]));
    service.stop().await;
    // whether a webhook arrived, by the provider's id of it
    let program = Program::new(&database);
    let shown = program.run("events show 6SSHBXWR3N4JEKGRQSG3KW3D7DGP").await;
    assert_eq!((shown.code, &shown.json()["position"]), (0, &json!(4)));
    let missing = program.run("events show 6SSHBXWR3N4JEKGRQSG3KW3D7XXX").await;
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("it did not arrive, or was refused"),
        "{}",
        missing.stderr
    );
}

async fn one_odd_field_hides_no_mailbox(database: Database) {
    let service = database.service().await;
    let mut body: Value = serde_json::from_slice(&fixture("prewarmup.order.success.json")).unwrap();
    let details = &mut body["data"]["mailboxDetails"];
    details[0]["preWarmedUpMailboxes"][0]["isAdmin"] = json!("true");
    details[0]["preWarmedUpMailboxes"][0]["expiryDate"] = json!("N/A");
    details[0]["preWarmedUpMailboxes"][0]["password"] = json!(12_345_678);
    details[0]["preWarmedUpMailboxes"][1] = json!("broken");
    let sent = body.to_string();
    let receipt = service.send(sent.clone().into_bytes()).await;
    assert_eq!(
        (&receipt["status"], &receipt["position"]),
        (&json!("recorded"), &json!(1))
    );
    caught_up(&database, &service, 1).await;
    let mailboxes = service.get_json("/api/v1/domains/example.com/mailboxes").await;
    let mailbox = &mailboxes["mailboxes"][0];
    assert_eq!(mailboxes["mailboxes"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&mailbox["isAdmin"], &mailbox["assignedUntil"]),
        (&json!(true), &Value::Null)
    );
    let other = service.get_json("/api/v1/domains/example2.com/mailboxes").await;
    assert_eq!(other["mailboxes"][0]["email"], "yvonne.lesch@example2.com");
    let order = service.get_json("/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK").await;
    assert_eq!(
        (&order["status"], &order["incomplete"]),
        (&json!("fulfilled"), &json!([1]))
    );
    let timeline = service
        .get_json("/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK/events")
        .await;
    let facts = &timeline["items"][0]["facts"];
    let list = "data.mailboxDetails[0].preWarmedUpMailboxes";
    assert_eq!(facts["unreadable"], json!([format!("{list}[0].expiryDate")]));
    assert_eq!(
        facts["quarantinedParts"],
        json!([{"detail": "is not an object", "path": format!("{list}[1]")}])
    );
    let failures = service.get_json("/api/v1/failures?kind=quarantined").await;
    assert_eq!(column(&failures, "reason"), [format!("{list}[1] is not an object")]);
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("warmledger_unreadable_fields_total 1"), "{metrics}");
    assert!(metrics.contains("warmledger_quarantined_parts_total 1"), "{metrics}");
    service.stop().await;
    // the body is kept as it came
    let program = Program::new(&database);
    let out = database.dir.path().join("body.json");
    let ended = program
        .run(&format!(
            "events evidence 1 --out {} --reason what-did-they-send",
            out.display()
        ))
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(out).unwrap(), sent);
}

async fn a_domain_is_the_same_in_unicode_and_in_ascii(database: Database) {
    let service = database.service().await;
    let order = |event_id: &str, order: &str, domain: &str| {
        json!({"event": "prewarmup.order.success", "eventId": event_id, "data": {
            "userId": "U1", "orderId": order, "mailboxDetails": [{"domain": domain, "subscriptionId": format!("S-{order}"),
            "preWarmedUpMailboxes": [{"mailboxId": format!("M-{order}"), "password": "pw"}]}]}})
        .to_string()
    };
    service.send(order("E1", "O1", "münchen.de").into_bytes()).await;
    let renewal = json!({"event": "domain.grace_period", "eventId": "E2", "data": {
        "userId": "U1", "domainName": "XN--MNCHEN-3YA.de", "expiryDate": "2026-11-29T00:00:00Z"}});
    let receipt = service.send(renewal.to_string().into_bytes()).await;
    // it found the order of the domain
    assert_eq!(receipt["stream"], "order-O1");
    caught_up(&database, &service, 2).await;
    for spelling in [
        "münchen.de",
        "mu%CC%88nchen.de",
        "xn--mnchen-3ya.de",
        "M%C3%9CNCHEN.de.",
    ] {
        let domain = service.get_json(&format!("/api/v1/domains/{spelling}")).await;
        assert_eq!(domain["domain"], "xn--mnchen-3ya.de", "{spelling}");
        assert_eq!(domain["unicode"], "münchen.de");
        assert_eq!(domain["registration"]["status"], "grace");
        let orders = service.get_json(&format!("/api/v1/orders?domain={spelling}")).await;
        assert_eq!(column(&orders, "orderId"), ["O1"], "{spelling}");
    }
    for wrong in ["*.de", "a.com:443", "a%E2%80%8Bb.com"] {
        assert_eq!(
            service.get(&format!("/api/v1/domains/{wrong}")).await.status(),
            400,
            "{wrong}"
        );
    }
    service.stop().await;
}

/// Appends an assignment as an earlier version would have, which kept names in Unicode.
async fn assigned_in_unicode(database: &Database) {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let store = &*core.store;
    let stream = StreamId::parse("order-O1").unwrap();
    let subscription = SubscriptionId::parse("S1").unwrap();
    let mut references = vec![
        Reference::subscription(&subscription),
        Reference::domain_as_stored("münchen.de"),
    ];
    references.sort_unstable();
    let mailbox = r#"{"credentials":[],"mailboxId":"M1","personal":[]}"#;
    let mut event = NewEvent {
        subject: SubjectId::stream(&stream),
        stream,
        version: 1,
        source: Source::parse("coldmailreseller").unwrap(),
        event_id: EventId::parse("E1").unwrap(),
        type_name: "MailboxesAssigned",
        schema_version: 3,
        facts: format!(
            r#"{{"domains":[{{"domain":"münchen.de","mailboxes":[{mailbox}],"subscriptionId":"S1"}}],"orderId":"O1"}}"#
        ),
        sealed: SealedSections::default(),
        leaf_hash: [0; 32],
        references,
        emails: Vec::new(),
    };
    let recorded_at = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    event.leaf_hash = Envelope::of_new(&event, Position(1), recorded_at).leaf_hash().unwrap();
    let events = [event];
    let batch = Batch {
        expected: store.head().await.unwrap(),
        recorded_at,
        events: &events,
        keys: &[],
        tree: &grown(store, &events).await,
    };
    assert_eq!(store.append(&batch).await.unwrap(), Append::Done);
    core.close().await;
}

async fn an_event_that_was_stored_in_unicode_meets_its_new_ones(database: Database) {
    assigned_in_unicode(&database).await;
    let service = database.service().await;
    let mut last = 0;
    for body in [
        json!({"event": "domain.grace_period", "eventId": "E2", "data": {
            "domainName": "xn--mnchen-3ya.de", "expiryDate": "2026-11-29T00:00:00Z"}}),
        json!({"event": "mailbox.created", "eventId": "E3", "data": {
            "orderId": "O1", "subscriptionId": "S1", "mailboxId": "M2", "domainName": "MÜNCHEN.de"}}),
        json!({"event": "domain.order.success", "eventId": "E4", "data": {
            "orderId": "O1", "domainName": "münchen.de", "expiryDate": "2027-11-29T00:00:00Z"}}),
    ] {
        let receipt = service.send(body.to_string().into_bytes()).await;
        assert_eq!(receipt["stream"], "order-O1", "{body}");
        last = receipt["position"].as_u64().unwrap();
    }
    caught_up(&database, &service, last).await;
    let domain = service.get_json("/api/v1/domains/münchen.de").await;
    assert_eq!(domain["assignment"]["mailboxCount"], 2);
    assert_eq!(domain["registration"]["status"], "active");
    let before = service.get_json("/api/v1/domains/münchen.de?asOf=2").await;
    assert_eq!(before["assignment"]["mailboxCount"], 1);
    assert_eq!(before["registration"]["status"], "grace");
    let orders = service.get_json("/api/v1/orders?domain=münchen.de").await;
    assert_eq!(column(&orders, "orderId"), ["O1"]);
    service.signed(&*database.store().await, last).await;
    service.stop().await;
    let verified = Program::new(&database).run("verify --full").await;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

async fn what_will_fail_next_week_says_why(database: Database) {
    let service = database.service().await;
    let now = jiff::Timestamp::now();
    let day = |days: i64| (now + jiff::SignedDuration::from_hours(days * 24)).to_string();
    let order = |number: i64, due: i64| {
        json!({"event": "prewarmup.order.success", "eventId": format!("E{number}"), "data": {
            "userId": format!("U{}", number % 2), "orderId": format!("O{number}"), "mailboxDetails": [
            {"domain": format!("d{number}.com"), "subscriptionId": format!("S{number}"), "preWarmedUpMailboxes": [
            {"mailboxId": format!("M{number}"), "expiryDate": day(due)}]}]}})
    };
    let mut last = 0;
    for body in [
        order(1, 3),
        order(2, 5),
        order(3, 6),
        order(4, 30),
        json!({"event": "domain.grace_period", "eventId": "G1", "data": {"domainName": "d1.com", "expiryDate": day(-2)}}),
        json!({"event": "subscription.updated", "eventId": "A2", "data": {
            "subscriptionId": "S2", "periodEnd": day(5), "autoRenew": "false"}}),
        json!({"event": "domain.grace_period", "eventId": "G4", "data": {"domainName": "d4.com", "expiryDate": day(-2)}}),
    ] {
        last = service.send(body.to_string().into_bytes()).await["position"]
            .as_u64()
            .unwrap();
    }
    caught_up(&database, &service, last).await;
    let week = "/api/v1/renewals?from=today&to=%2B7d";
    let all = service.get_json(week).await;
    assert_eq!(column(&all, "subscriptionId"), ["S1", "S2", "S3"]);
    let at_risk = service.get_json(&format!("{week}&risk=high")).await;
    assert_eq!(column(&at_risk, "subscriptionId"), ["S1", "S2"]);
    assert_eq!(at_risk["items"][0]["riskReasons"], json!(["domainInGrace"]));
    assert_eq!(at_risk["items"][1]["riskReasons"], json!(["autoRenewOff"]));
    let off = service.get_json("/api/v1/renewals?autoRenew=false").await;
    assert_eq!(column(&off, "subscriptionId"), ["S2"]);
    // page by page, each of the risk once
    let first = service.get_json("/api/v1/renewals?risk=high&limit=1").await;
    assert_eq!(column(&first, "subscriptionId"), ["S1"]);
    let mut found = Vec::new();
    let mut next = first["next"].clone();
    while let Some(after) = next.as_str() {
        let page = service
            .get_json(&format!("/api/v1/renewals?risk=high&limit=1&after={after}"))
            .await;
        found.extend(column(&page, "subscriptionId").into_iter().map(str::to_owned));
        next = page["next"].clone();
    }
    assert_eq!(found, ["S2", "S4"]);
    let customers = service.get_json(&format!("{week}&groupBy=userId")).await;
    assert_eq!(
        customers["items"],
        json!([{"value": "U0", "count": 1, "mailboxes": 1, "lowRisk": 0, "highRisk": 1}, {"value": "U1", "count": 2, "mailboxes": 2, "lowRisk": 0, "highRisk": 1}])
    );
    let days = service.get_json("/api/v1/renewals?groupBy=day").await;
    assert_eq!(days["items"].as_array().unwrap().len(), 4);
    let problem = service.get("/api/v1/renewals?from=2026-01-02&to=2026-01-01").await;
    assert_eq!(problem.status(), 400);
    assert!(problem.text().await.unwrap().contains("the range is empty"));
    service.stop().await;
}

/// Records a webhook as an earlier version would have that did not know its kind.
async fn unrecognised(database: &Database, name: &str, body: Vec<u8>) -> u64 {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let webhook: Value = serde_json::from_slice(&body).unwrap();
    let claim = OrderEvent::WebhookUnrecognised(WebhookUnrecognised {
        domain: None,
        mailbox_id: None,
        name: name.to_owned(),
        order_id: None,
        sent_at: None,
        subscription_id: None,
        unsigned: false,
        user_id: None,
    });
    let plain = PlainSections {
        spelling: None,
        personal: None,
        secrets: None,
        original: Original {
            headers: BTreeMap::new(),
            body: Secret::new(body),
        },
    };
    let event_id = EventId::parse(webhook["eventId"].as_str().unwrap()).unwrap();
    let source = Source::parse("coldmailreseller").unwrap();
    let incoming = Incoming::prepare(source, event_id, claim, plain, core.vault.fingerprints()).unwrap();
    let receipt = core.ledger.record(incoming).await.unwrap();
    core.close().await;
    receipt.position.0
}

async fn nothing_is_due_of_a_subscription_that_ended(database: Database) {
    let service = database.service().await;
    send(
        &database,
        &service,
        &["prewarmup.order.success", "subscription.cancelled"],
    )
    .await;
    let all = service.get_json("/api/v1/renewals").await;
    let statuses = column(&all, "status");
    assert!(statuses.contains(&"cancelled"), "{statuses:?}");
    let alive = statuses.iter().filter(|status| **status != "cancelled").count();
    let count = async |query: &str| {
        let sums = service
            .get_json(&format!("/api/v1/renewals?groupBy=userId{query}"))
            .await;
        let counts = sums["items"].as_array().unwrap().iter();
        counts.map(|sum| sum["count"].as_u64().unwrap()).sum::<u64>() as usize
    };
    assert_eq!(count("").await, alive);
    assert_eq!(count("&status=cancelled").await, statuses.len() - alive);
    service.stop().await;
}

async fn a_kind_that_was_unknown_gets_its_event_once(database: Database) {
    let unknown = unrecognised(&database, "domain.grace_period", fixture("domain.grace_period.json")).await;
    let service = database.service().await;
    let future = service.send(fixture("unknown.future.event.json")).await["position"].clone();
    service.stop().await;
    let program = Program::new(&database);
    let dry = program.run("events reprocess --all --dry-run").await;
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    let results: Vec<Value> = dry.json_lines().iter().map(|line| line["result"].clone()).collect();
    assert_eq!(results, ["wouldBeRecorded", "unknown"]);
    let store = database.store().await;
    let before = store.head().await.unwrap().position.0;
    let named = program
        .run("events reprocess --type domain.grace_period --reason update")
        .await;
    assert_eq!(
        named.json_lines(),
        [
            json!({"position": unknown, "name": "domain.grace_period", "result": "recorded",
                "type": "DomainGracePeriodBegan", "nowAt": before + 1})
        ]
    );
    let again = program.run("events reprocess --all").await;
    let lines = again.json_lines();
    assert_eq!(lines[0]["result"], "alreadyThere");
    assert_eq!(
        (&lines[1]["result"], &lines[1]["position"]),
        (&json!("unknown"), &future)
    );
    let log = sound_log(&*store).await;
    assert_eq!(
        log.len() as u64,
        before + 2,
        "the event, and the record of where it came from"
    );
    let event = &log[before as usize];
    assert_eq!(event.event_id.as_str(), format!("reprocessed-{unknown}"));
    let replayed: Value = serde_json::from_str(&log[before as usize + 1].facts).unwrap();
    assert_eq!(
        (
            &replayed["firstPosition"],
            &replayed["lastPosition"],
            &replayed["reason"]
        ),
        (&json!(unknown), &json!(before + 1), &json!("update"))
    );
    assert_eq!(log[unknown as usize - 1].type_name, "WebhookUnrecognised");
    let service = database.service().await;
    caught_up(&database, &service, before + 1).await;
    let domain = service.get_json(&format!("/api/v1/domains/{DOMAIN}")).await;
    assert_eq!(domain["registration"]["status"], "grace");
    service.stop().await;
}
