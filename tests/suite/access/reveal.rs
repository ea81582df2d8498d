//! Handing out credentials: to which callers, how, and the record of it.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::support::api::RequestBuilder;
use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, call, log, token};
use crate::on_both_stores;
use crate::support::log::sound_log;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    who_saw_a_mailboxs_password_is_one_call,
    the_newest_of_each_credential_is_handed_out_whatever_came_first,
    a_reveal_is_refused_without_scope_reason_or_a_private_way_and_that_is_recorded,
    a_trusted_proxy_tells_the_address_and_the_scheme,
    too_many_reveals_are_told_when_to_come_back,
    erased_credentials_are_gone,
    all_of_a_domain_needs_a_scope_of_its_own,
);

const ANN: &str = "LY25R9GK5AHYZ450YPWMNM8K8FAA";
const YASMEEN: &str = "LY25R9GK5AHYZ450YPWMNM8K8FXX";
const REASON: &str = "ticket 4711: locked out";

fn reveal(service: &TestService, mailbox: &str, token: &str, body: &Value) -> RequestBuilder {
    let path = format!("/api/v1/mailboxes/{mailbox}/credentials/reveal");
    call(service, Method::POST, &path, token).json(body)
}

async fn who_saw_a_mailboxs_password_is_one_call(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (id, token) = token(&service, "support desk", &["reveal"]).await;
    let request = reveal(&service, YASMEEN, &token, &json!({"reason": REASON})).header("user-agent", "desk/1.0");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let shown: Value = response.json().await.unwrap();
    assert_eq!(shown["mailboxId"], YASMEEN);
    assert_eq!(shown["email"], "yasmeen.king@example.com");
    assert_eq!(shown["password"], "$fFqf$PU7w$Lz9");
    assert_eq!(shown["appPassword"], "rena ppos micx xycp");
    let code = shown["oneTimeCode"]["code"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|c| c.is_ascii_digit()), "{code}");
    assert!(shown["oneTimeCode"]["validUntil"].is_string());
    assert!(
        shown.get("authenticatorSecret").is_none(),
        "the seed is shown on demand only"
    );

    let entries = log(&service, &format!("mailbox={YASMEEN}&action=reveal")).await;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry["position"], shown["position"], "it says where its own record is");
    assert_eq!(
        (&entry["actor"], &entry["actorName"]),
        (&json!(id), &json!("support desk"))
    );
    assert_eq!(
        (&entry["outcome"], &entry["reason"]),
        (&json!("granted"), &json!(REASON))
    );
    assert_eq!(
        (&entry["address"], &entry["userAgent"]),
        (&json!("127.0.0.1"), &json!("desk/1.0"))
    );
    assert_eq!(entry["subject"], "PWM7Y25RYZ450YNM8K8FX9GK5AHX");
    assert_eq!(
        (&entry["domain"], &entry["orderId"]),
        (&json!("example.com"), &json!("WR3N4JEW3D76N6KGRQSG36SSHBXK"))
    );
    assert_eq!(
        entry["credentials"],
        json!(["appPassword", "oneTimeCode", "password"]),
        "a code was shown, and not the seed"
    );
    for (query, count) in [
        (format!("actor={id}"), 1),
        ("subject=PWM7Y25RYZ450YNM8K8FX9GK5AHX".to_owned(), 1),
        ("domain=Example.com&outcome=granted".to_owned(), 1),
        ("action=reveal&to=2020-01-01".to_owned(), 0),
        (format!("mailbox={ANN}"), 0),
    ] {
        assert_eq!(log(&service, &query).await.len(), count, "{query}");
    }
    let with_seed = json!({"reason": REASON, "includeSeed": true});
    let (_, shown) = answer(reveal(&service, YASMEEN, &token, &with_seed)).await;
    assert_eq!(shown["authenticatorSecret"], "tukl dfds sloe oldf");
    let entries = log(&service, &format!("mailbox={YASMEEN}&action=reveal")).await;
    assert_eq!(
        entries[0]["credentials"],
        json!(["appPassword", "authenticatorSecret", "oneTimeCode", "password"])
    );
    // the ledger's own events hold none of it
    let store = database.store().await;
    for event in sound_log(&*store).await {
        assert!(
            !event.facts.contains("fFqf") && !event.facts.contains("yasmeen"),
            "{}",
            event.facts
        );
    }
    service.stop().await;
}

async fn the_newest_of_each_credential_is_handed_out_whatever_came_first(database: Database) {
    let service = database.service().await;
    // the change arrives first and was sent later
    service.send(fixture("mailbox.updated.json")).await;
    let before = answer(reveal(&service, ANN, &service.token, &json!({"reason": REASON}))).await;
    assert_eq!((before.0, &before.1["password"]), (200, &json!("rotated-Ann")));
    assert_eq!(before.1["appPassword"], Value::Null);
    let old = json!({"event": "mailbox.created", "eventId": "OLD", "data": {
        "mailboxId": ANN, "orderId": "O1", "domainName": "company.com", "subscriptionId": "S1", "email": "ann@company.com",
        "userId": "PWM7Y25RYZ450YNM8K8FX9GK5AHX", "firstName": "Ann", "lastName": "Lee", "password": "first-Ann",
        "appPassword": "aaaa bbbb cccc dddd", "authenticatorSecret": "jbsw y3dp ehpk 3pxp"}});
    let earlier = jiff::Timestamp::now().as_second() - 100;
    let body = old.to_string();
    let timestamp = earlier.to_string();
    let scheme = warmledger::ingest::signature::Scheme::TimestampDotBody;
    let signature = warmledger::ingest::signature::sign(&service.key, scheme, &timestamp, body.as_bytes());
    let request = service
        .client
        .post(format!("{}/webhooks/coldmailreseller", service.base));
    let request = request
        .header("content-type", "application/json")
        .header("cmr-x-signature", signature);
    let (status, sent) = answer(request.header("cmr-x-timestamp", timestamp).body(body)).await;
    assert_eq!(status, 200, "{sent}");
    assert_eq!(sent["stream"], "order-O1");

    let (status, shown) = answer(reveal(&service, ANN, &service.token, &json!({"reason": REASON}))).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["password"], "rotated-Ann", "each credential by itself");
    assert_eq!(shown["appPassword"], "aaaa bbbb cccc dddd");
    // and the domain shows the mailbox with its newest name
    let head = shown["position"].as_u64().unwrap();
    let domain = service
        .get_json(&format!("/api/v1/domains/company.com/mailboxes?atLeast={head}"))
        .await;
    let mailbox = &domain["mailboxes"][0];
    assert_eq!(
        (&mailbox["firstName"], &mailbox["lastName"]),
        (&json!("Anna"), &json!("Lee"))
    );
    assert_eq!(mailbox["email"], "ann.lee@company.com");
    assert_eq!(mailbox["hasCredentials"], true);
    assert_eq!(domain["subscription"]["status"], "active");
    let position = sent["position"].as_u64().unwrap();
    let then = service
        .get_json(&format!("/api/v1/domains/company.com/mailboxes?asOf={position}"))
        .await;
    assert_eq!(then["mailboxes"][0]["firstName"], "Anna");
    service.stop().await;
}

async fn a_reveal_is_refused_without_scope_reason_or_a_private_way_and_that_is_recorded(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (_, reader) = token(&service, "reader", &["read", "audit"]).await;
    let (_, good) = token(&service, "support", &["reveal"]).await;
    let reason = json!({"reason": REASON});
    // a given reason is recorded whatever the refusal, if it is valid
    let reasons = [
        json!(REASON),
        json!(REASON),
        json!("because"),
        Value::Null,
        Value::Null,
        Value::Null,
        json!(REASON),
        Value::Null,
    ];
    let cases: [(RequestBuilder, u16, &str, &str); 8] = [
        (reveal(&service, YASMEEN, &reader, &reason), 403, "`reveal`", "scope"),
        (
            reveal(&service, YASMEEN, &good, &reason).header("x-forwarded-proto", "http"),
            403,
            "HTTPS only",
            "plainHttp",
        ),
        (
            reveal(&service, YASMEEN, &good, &json!({"reason": "because"})),
            400,
            "10 visible characters",
            "reason",
        ),
        (
            reveal(&service, YASMEEN, &good, &json!({"reason": "x".repeat(501)})),
            400,
            "500",
            "reason",
        ),
        (reveal(&service, YASMEEN, &good, &json!({})), 400, "reason", "reason"),
        (
            reveal(&service, YASMEEN, &good, &json!({"reason": REASON, "seed": true})),
            400,
            "seed",
            "reason",
        ),
        (
            reveal(&service, "NOBODY", &good, &reason),
            404,
            "no such mailbox",
            "unknown",
        ),
        (
            call(
                &service,
                Method::POST,
                &format!("/api/v1/mailboxes/{YASMEEN}/credentials/reveal"),
                &good,
            )
            .body("x"),
            415,
            "content-type",
            "reason",
        ),
    ];
    let mut expected = Vec::new();
    for (request, status, word, refusal) in cases {
        let (found, body) = answer(request).await;
        assert_eq!(found, status, "{body}");
        let detail = body["detail"].as_str().unwrap().to_lowercase();
        assert!(detail.contains(&word.to_lowercase()), "{detail}");
        expected.push(refusal);
    }
    let entries = log(&service, "action=reveal").await;
    let refusals: Vec<&str> = entries
        .iter()
        .rev()
        .map(|entry| entry["refusal"].as_str().unwrap())
        .collect();
    assert_eq!(refusals, expected);
    let kept: Vec<&Value> = entries.iter().rev().map(|entry| &entry["reason"]).collect();
    assert_eq!(kept, reasons.iter().collect::<Vec<_>>());
    assert!(entries.iter().all(|entry| entry["outcome"] == "refused"));
    assert_eq!(entries[1]["mailboxId"], "NOBODY");
    // a caller without a token is unknown: nothing is recorded, and nothing is shown
    let (status, _) = answer(reveal(&service, YASMEEN, "nonsense", &reason)).await;
    assert_eq!(status, 401);
    assert_eq!(log(&service, "action=reveal").await.len(), expected.len());
    service.stop().await;
}

async fn a_trusted_proxy_tells_the_address_and_the_scheme(database: Database) {
    let service = database
        .service_with(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
        .await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let proxied = |proto: &str| {
        let request = reveal(&service, YASMEEN, &service.token, &json!({"reason": REASON}));
        request
            .header("x-forwarded-for", "203.0.113.9, 192.0.2.7")
            .header("x-forwarded-proto", proto)
    };
    assert_eq!(answer(proxied("http")).await.0, 403);
    assert_eq!(answer(proxied("https")).await.0, 200);
    let entries = log(&service, "action=reveal").await;
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry["address"] == "192.0.2.7"));
    service.stop().await;
}

async fn too_many_reveals_are_told_when_to_come_back(database: Database) {
    let service = database
        .service_with(|settings| settings.reveals_per_minute = NonZeroU32::new(2).unwrap())
        .await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (_, one) = token(&service, "one", &["reveal"]).await;
    let (_, other) = token(&service, "other", &["reveal"]).await;
    let request = |token: &str| reveal(&service, YASMEEN, token, &json!({"reason": REASON}));
    assert_eq!(answer(request(&one)).await.0, 200);
    assert_eq!(answer(request(&one)).await.0, 200);
    for _ in 0..40 {
        let response = request(&one).send().await.unwrap();
        assert_eq!(response.status(), 429);
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=31).contains(&wait), "{wait}");
    }
    assert_eq!(answer(request(&other)).await.0, 200, "each token has its own limit");
    // a runaway program does not fill the ledger
    let refused = log(&service, "action=reveal&outcome=refused&limit=100").await;
    assert!((30..=35).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|entry| entry["refusal"] == "rateLimit"));
    // and does not hide its attempts at another action
    let events = answer(call(&service, Method::GET, "/api/v1/events", &one)).await;
    assert_eq!(events.0, 403);
    assert_eq!(log(&service, "action=readFeed&outcome=refused").await.len(), 1);
    // the next recorded refusal counts the skipped ones
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(answer(request(&one)).await.0, 429);
    let refused = log(&service, "action=reveal&outcome=refused&limit=100").await;
    let told: u64 = refused.iter().filter_map(|entry| entry["passedOver"].as_u64()).sum();
    assert_eq!(told + refused.len() as u64, 41);
    service.stop().await;
}

async fn erased_credentials_are_gone(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.stop().await;
    database
        .execute("DELETE FROM data_keys WHERE subject = 'PWM7Y25RYZ450YNM8K8FX9GK5AHX'")
        .await;
    let service = database.service().await;
    let (status, body) = answer(reveal(&service, YASMEEN, &service.token, &json!({"reason": REASON}))).await;
    assert_eq!(status, 410, "{body}");
    let entries = log(&service, &format!("mailbox={YASMEEN}")).await;
    assert_eq!(
        (&entries[0]["outcome"], &entries[0]["refusal"]),
        (&json!("refused"), &json!("erased"))
    );
    service.stop().await;
}

async fn all_of_a_domain_needs_a_scope_of_its_own(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (_, single) = token(&service, "support", &["reveal"]).await;
    let (id, bulk) = token(&service, "handover", &["reveal-bulk"]).await;
    let domain = |name: &str, token: &str| {
        let path = format!("/api/v1/domains/{name}/credentials/reveal");
        call(&service, Method::POST, &path, token).json(&json!({"reason": REASON}))
    };
    let (status, body) = answer(domain("example.com", &single)).await;
    assert_eq!(status, 403);
    assert!(body["detail"].as_str().unwrap().contains("`reveal-bulk`"));
    assert_eq!(
        answer(reveal(&service, YASMEEN, &bulk, &json!({"reason": REASON})))
            .await
            .0,
        403
    );
    assert_eq!(answer(domain("nowhere.com", &bulk)).await.0, 404);
    let (status, shown) = answer(domain("Example.com", &bulk)).await;
    assert_eq!(status, 200, "{shown}");
    let items = shown["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| item["password"] == "$fFqf$PU7w$Lz9"));
    let entries = log(&service, &format!("actor={id}&outcome=granted&domain=example.com")).await;
    let mut seen: Vec<&str> = entries
        .iter()
        .map(|entry| entry["mailboxId"].as_str().unwrap())
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        ["FZHCRVTWEDMP2ZMMRSVZ63F493F1", YASMEEN],
        "each mailbox has its own record"
    );
    service.stop().await;
}
