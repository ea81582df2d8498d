//! The fixtures, one by one; `values`: what fields may hold; `odd`: odd values, each
//! with the rest intact; `broken`: useless bodies, and no panics; `spelled`: bodies
//! that are not kept.

mod broken;
mod odd;
mod spelled;
mod values;

use serde_json::{Value, json};

use super::*;

/// Every fixture with the stored type of its event and its facts.
const FIXTURES: &[(&str, &str, &str)] = &[
    (
        "dns-record.updated",
        "DnsRecordUpdated",
        r#"{"action":"UPDATED","domain":"company.com","recordType":"CNAME"}"#,
    ),
    (
        "domain.expired",
        "DomainExpired",
        r#"{"domain":"company.com","domainId":"AH2BD0WYWSMQC9NQHTMES3TFK4TX","expiryDate":"2025-03-08T23:59:59Z"}"#,
    ),
    (
        "domain.grace_period",
        "DomainGracePeriodBegan",
        r#"{"domain":"company.com","expiryDate":"2025-03-08T23:59:59Z"}"#,
    ),
    (
        "domain.order.failed",
        "DomainRegistrationFailed",
        r#"{"domain":"taken.com","orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXW","reason":"Domain is not available"}"#,
    ),
    (
        "domain.order.success",
        "DomainRegistered",
        r#"{"creationTime":"2024-03-08T23:59:59Z","domain":"company.com","expiryDate":"2025-03-08T23:59:59Z",
            "orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV","price":"15.88"}"#,
    ),
    (
        "domain.renewal.failed",
        "DomainRenewalFailed",
        r#"{"domain":"company.com","reason":"Insufficient wallet balance"}"#,
    ),
    (
        "domain.renewal.success",
        "DomainRenewed",
        r#"{"domain":"company.com","expiryDate":"2026-03-08T23:59:59Z","price":"15.88"}"#,
    ),
    (
        "mailbox.created",
        "MailboxCreated",
        r#"{"credentials":["appPassword","authenticatorSecret","password"],"domain":"company.com",
            "mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FAA","orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV",
            "personal":["email","firstName","lastName"],"subscriptionId":"YC2H6C87PPKPG5WXVNQ682GAVFTM"}"#,
    ),
    (
        "mailbox.exported",
        "MailboxExported",
        r#"{"domain":"company.com","mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FAA",
            "subscriptionId":"YC2H6C87PPKPG5WXVNQ682GAVFTM"}"#,
    ),
    (
        "mailbox.order.failed",
        "MailboxOrderFailed",
        r#"{"domain":"company.com","orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV","reason":"Workspace already exists",
            "serviceProvider":"GOOGLE"}"#,
    ),
    (
        "mailbox.order.success",
        "MailboxOrderAccepted",
        r#"{"creationTime":"2024-03-08T23:59:59Z","domain":"company.com","expiryDate":"2025-03-08T23:59:59Z",
            "orderId":"NQ682GAVFTMYC2H6C87PPKPG5WXV","price":"11","quantity":3,
            "subscriptionId":"YC2H6C87PPKPG5WXVNQ682GAVFTM"}"#,
    ),
    (
        "mailbox.updated",
        "MailboxUpdated",
        r#"{"credentials":["password"],"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FAA","personal":["email","firstName"]}"#,
    ),
    (
        "mailbox.warmup.removed",
        "MailboxWarmupRemoved",
        r#"{"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FAA"}"#,
    ),
    (
        "mailbox.warmup.started",
        "MailboxWarmupStarted",
        r#"{"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FAA"}"#,
    ),
    (
        "partial-failure.1.success",
        "MailboxesAssigned",
        r#"{"orderId":"PARTIALW3D76N6KGRQSG36SSHBXK"}"#,
    ),
    (
        "partial-failure.2.failed",
        "AssignmentFailed",
        r#"{"failures":[{"domain":"domain-b.com","reason":"Insufficient wallet balance"}]}"#,
    ),
    (
        "prewarmup.order.failed",
        "AssignmentFailed",
        r#"{"failures":[{"domain":"yourcompanynow.info","reason":"Pre-warmed mailboxes not available"},
            {"domain":"example2.com","reason":"Insufficient wallet balance"}],
            "orderId":"K57P9Y7T95M74ZPBRP9A415383AQ","serviceProvider":"GOOGLE"}"#,
    ),
    (
        "prewarmup.order.success",
        "MailboxesAssigned",
        r#"{"domains":[
            {"domain":"example.com","mailboxes":[
                {"expiryDate":"2025-11-27T19:59:17.294Z",
                 "isAdmin":true,"mailboxId":"LY25R9GK5AHYZ450YPWMNM8K8FXX","warmingUpFrom":"2025-09-26T08:53:51.641Z"},
                {"expiryDate":"2025-11-27T19:59:17.294Z",
                 "isAdmin":false,"mailboxId":"FZHCRVTWEDMP2ZMMRSVZ63F493F1","warmingUpFrom":"2025-09-26T09:22:10.123Z"}],
             "subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2"},
            {"domain":"example2.com","mailboxes":[
                {"expiryDate":"2025-11-27T19:59:17.294Z",
                 "isAdmin":true,"mailboxId":"ERG9Y480R2M5H7PXCX9XS0K6VY0S","warmingUpFrom":"2025-09-26T15:19:40.22Z"}],
             "subscriptionId":"EAG9Q69XN0MBS2GF13K2HEYRTQGS"}],
            "orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK","serviceProvider":"GOOGLE"}"#,
    ),
    (
        "subscription.cancelled",
        "SubscriptionCancelled",
        r#"{"subscriptionStatus":"CANCELLED"}"#,
    ),
    (
        "subscription.expired",
        "SubscriptionExpired",
        r#"{"subscriptionStatus":"EXPIRED"}"#,
    ),
    (
        "subscription.past_due",
        "SubscriptionPastDue",
        r#"{"reason":"Insufficient wallet balance"}"#,
    ),
    (
        "subscription.renewal.failed",
        "SubscriptionRenewalFailed",
        r#"{"reason":"Linked domain is in GRACE_PERIOD"}"#,
    ),
    (
        "subscription.renewal.success",
        "SubscriptionRenewed",
        r#"{"autoRenew":true,"domain":"example.com","periodEnd":"2025-12-27T19:59:17.294Z",
            "periodStart":"2025-11-27T19:59:17.294Z","quantity":2,"serviceProvider":"GOOGLE",
            "subscriptionId":"KX9V77PVMFMZH4PTPF2Y99PKYAT2","subscriptionStatus":"ACTIVE"}"#,
    ),
    (
        "subscription.renewal.success.legacy",
        "SubscriptionRenewed",
        r#"{"quantity":2,"serviceProvider":"GOOGLE"}"#,
    ),
    (
        "subscription.renewing",
        "SubscriptionRenewing",
        r#"{"subscriptionStatus":"RENEWING"}"#,
    ),
    (
        "subscription.updated",
        "SubscriptionUpdated",
        r#"{"subscriptionStatus":"ACTIVE"}"#,
    ),
    (
        "unknown.future.event",
        "WebhookUnrecognised",
        r#"{"name":"prewarmup.order.refunded","orderId":"WR3N4JEW3D76N6KGRQSG36SSHBXK"}"#,
    ),
];

fn fixture(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/webhooks");
    std::fs::read(format!("{directory}/{name}.json")).unwrap()
}

fn delivery(body: &[u8]) -> Delivery {
    Delivery {
        size: body.len(),
        sent_at: Timestamp::from_second(1_760_000_000).ok(),
        unsigned: false,
    }
}

fn parse_signed(body: &[u8]) -> Parsed {
    parse(body, delivery(body))
}

fn facts(parsed: &Parsed) -> Value {
    serde_json::from_str(&parsed.claim.to_facts().unwrap()).unwrap()
}

fn plain(section: &Option<Secret<Vec<u8>>>) -> Value {
    section
        .as_ref()
        .map_or(Value::Null, |section| serde_json::from_slice(section.expose()).unwrap())
}

/// Reads a webhook with this `data`, which has to be usable.
fn read(event: &str, data: &Value) -> Parsed {
    let parsed = parse_signed(
        json!({"event": event, "eventId": "E1", "data": data})
            .to_string()
            .as_bytes(),
    );
    assert!(
        !matches!(parsed.claim, OrderEvent::WebhookQuarantined(_)),
        "{}",
        facts(&parsed)["detail"]
    );
    parsed
}

/// Why a body is quarantined: the reason and the detail.
fn quarantined(body: impl AsRef<[u8]>) -> (QuarantineReason, String) {
    let parsed = parse_signed(body.as_ref());
    assert!(parsed.event_id.is_none() && parsed.personal.is_none() && parsed.secrets.is_none());
    match parsed.claim {
        OrderEvent::WebhookQuarantined(facts) => {
            assert_eq!(facts.size, body.as_ref().len() as u64);
            (facts.reason, facts.detail)
        }
        other => panic!("it is read as {}", other.type_name()),
    }
}

fn detail(event: &str, data: Value) -> String {
    let (reason, detail) = quarantined(json!({"event": event, "eventId": "E1", "data": data}).to_string());
    assert_eq!(reason, QuarantineReason::InvalidPayload);
    detail
}

#[test]
fn every_fixture_is_read_as_the_event_that_it_is() {
    for (name, type_name, expected) in FIXTURES {
        let parsed = parse_signed(&fixture(name));
        assert_eq!(parsed.claim.type_name(), *type_name, "{name}");
        assert!(parsed.event_id.is_some());
        let facts = facts(&parsed);
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert!(facts.get("unreadable").is_none(), "{name}");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(facts[field], *value, "{name}: {field}");
        }
        assert_eq!(facts["userId"], "PWM7Y25RYZ450YNM8K8FX9GK5AHX", "{name}");
        assert_eq!(facts["sentAt"], "2025-10-09T08:53:20Z", "{name}");
    }
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/webhooks");
    assert_eq!(
        std::fs::read_dir(directory).unwrap().count(),
        FIXTURES.len(),
        "a fixture is not listed"
    );
}

#[test]
fn no_fixtures_facts_hold_what_is_sealed() {
    for (name, ..) in FIXTURES {
        let text = parse_signed(&fixture(name)).claim.to_facts().unwrap();
        for sealed in [
            "@",
            "Yasmeen",
            "Ann",
            "$fFqf",
            "rena ppos",
            "tukl",
            "s3cret",
            "rotated",
            "aaaa bbbb",
            "cdn.",
            "forward.example",
            "www",
        ] {
            assert!(!text.contains(sealed), "{name}: {text}");
        }
    }
}

#[test]
fn the_customers_assignment_is_split_by_sensitivity() {
    let parsed = parse_signed(&fixture("prewarmup.order.success"));
    let (personal, secrets) = (plain(&parsed.personal), plain(&parsed.secrets));
    assert_eq!(personal["userEmail"], "johndoe@company.com");
    assert_eq!(personal["mailboxes"][2]["email"], "yvonne.lesch@example2.com");
    assert_eq!(personal["mailboxes"][1]["lastName"], "Miller");
    assert_eq!(secrets["mailboxes"].as_array().map(Vec::len), Some(3));
    // app password, authenticator secret, password
    let first = json!(["rena ppos micx xycp", "tukl dfds sloe oldf", "$fFqf$PU7w$Lz9"]);
    assert_eq!(secrets["mailboxes"][0], first);
}
