//! Which of several credentials, names and addresses is the newest, and which are ignored.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, call};
use crate::on_both_stores;
use crate::support::raw::Raw;
use crate::support::{Database, TestService};

on_both_stores!(
    a_blank_value_replaces_nothing,
    a_blank_value_of_an_earlier_version_replaces_nothing,
    a_change_of_the_second_of_its_assignment_is_what_is_revealed,
    a_seed_without_a_code_says_why_and_an_address_is_read,
);

const REASON: &str = "ticket 4711: locked out";

/// An assignment of the mailbox M1 of a.com.
fn assignment(id: &str, mailbox: &Value) -> Value {
    json!({"event": "prewarmup.order.success", "eventId": id, "data": {
        "userId": "U1", "userEmail": "u@c.example", "orderId": "O1", "serviceProvider": "GOOGLE",
        "mailboxDetails": [{"domain": "a.com", "subscriptionId": "S1", "preWarmedUpMailboxes": [mailbox]}]}})
}

fn whole() -> Value {
    json!({"mailboxId": "M1", "email": "ann@a.com", "firstName": "Ann", "lastName": "Lee", "password": "first",
        "appPassword": "aaaa", "authenticatorSecret": "JBSWY3DPEHPK3PXP", "isAdmin": true,
        "warmingUpFrom": "2025-09-26T08:53:51.641Z", "expiryDate": "2025-11-27T19:59:17.290Z"})
}

fn update(id: &str, fields: &Value) -> Value {
    json!({"event": "mailbox.updated", "eventId": id, "data": {"mailboxId": "M1", "updatedFields": fields}})
}

async fn send_at(service: &TestService, body: &Value, second: i64) -> u64 {
    let (status, sent) = answer(service.webhook_at(body.to_string(), second)).await;
    assert_eq!((status, &sent["status"]), (200, &json!("recorded")), "{sent}");
    sent["position"].as_u64().unwrap()
}

async fn revealed(service: &TestService) -> Value {
    let path = "/api/v1/mailboxes/M1/credentials/reveal";
    let body = json!({"reason": REASON, "includeSeed": true});
    let (status, shown) = answer(call(service, Method::POST, path, &service.token).json(&body)).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

async fn mailbox(service: &TestService, at_least: u64) -> Value {
    let path = format!("/api/v1/domains/a.com/mailboxes?atLeast={at_least}");
    service.get_json(&path).await["mailboxes"][0].clone()
}

async fn a_blank_value_replaces_nothing(database: Database) {
    let service = database.service().await;
    let start = Timestamp::now().as_second() - 100;
    send_at(&service, &assignment("E0", &whole()), start).await;
    let blanks = ["", "  ", "\t\r\n", "\u{a0}\u{3000}", "\u{200b}\u{feff}"];
    let mut last = 0;
    for (number, blank) in (1..).zip(blanks) {
        let fields = json!({"email": blank, "firstName": blank, "lastName": blank, "profilePicture": blank,
            "password": blank, "appPassword": blank, "authenticatorSecret": blank, "expiryDate": blank,
            "warmingUpFrom": blank, "mailboxId": blank});
        let (second, id) = (start + 3 * number, |kind: &str| format!("{kind}{number}"));
        send_at(&service, &update(&id("U"), &fields), second).await;
        // one that names the mailbox only
        let mut named = fields.clone();
        named["mailboxId"] = json!("M1");
        send_at(&service, &assignment(&id("A"), &named), second + 1).await;
        named["domainName"] = json!("a.com");
        for name in [
            "userId",
            "userEmail",
            "orderId",
            "subscriptionId",
            "workspaceType",
            "domain",
        ] {
            named[name] = json!(blank);
        }
        let created = json!({"event": "mailbox.created", "eventId": id("C"), "data": named});
        last = send_at(&service, &created, second + 2).await;

        let shown = revealed(&service).await;
        for (field, value) in [
            ("password", "first"),
            ("appPassword", "aaaa"),
            ("authenticatorSecret", "JBSWY3DPEHPK3PXP"),
            ("email", "ann@a.com"),
        ] {
            assert_eq!(shown[field], value, "{blank:?}: {field}");
        }
    }
    let mailbox = mailbox(&service, last).await;
    for (field, value) in [("email", "ann@a.com"), ("firstName", "Ann"), ("lastName", "Lee")] {
        assert_eq!(mailbox[field], value, "{field}");
    }
    // their original is stored byte for byte all the same
    let body = update("LAST", &json!({"password": "", "email": " "})).to_string();
    let sent = service.send(body.clone()).await;
    let path = format!("/api/v1/events/{}/evidence", sent["position"]);
    let request = call(&service, Method::POST, &path, &service.token);
    let (status, evidence) = answer(request.json(&json!({"reason": REASON, "includeBody": true}))).await;
    assert_eq!(status, 200, "{evidence}");
    let kept = BASE64_STANDARD
        .decode(evidence["bodyBase64"].as_str().unwrap())
        .unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), body);
    service.stop().await;
}

async fn a_blank_value_of_an_earlier_version_replaces_nothing(database: Database) {
    let service = database.service().await;
    let start = Timestamp::now().as_second() - 100;
    send_at(&service, &assignment("E0", &whole()), start).await;
    let blank = json!({"email": "", "firstName": " ", "password": "", "authenticatorSecret": " "});
    let position = send_at(&service, &update("E1", &blank), start + 1).await;
    service.stop().await;
    // the facts of an earlier version and of this one; sections are bound to the schema version, which stays
    let facts = r#"{"credentials":["authenticatorSecret","password"],"mailboxId":"M1","mayBeBlank":true,"personal":["email","firstName"]"#;
    let raw = Raw::connect(&database).await;
    raw.unguard().await;
    raw.execute(&format!(
        "UPDATE events SET facts = '{facts},\"sentAt\":\"{}\"}}' WHERE position = {position}",
        Timestamp::from_second(start + 1).unwrap()
    ))
    .await;

    let service = database.service().await;
    let path = "/api/v1/projections/accounts/rebuild";
    let (status, said) = answer(call(&service, Method::POST, path, &service.token)).await;
    assert_eq!(status, 202, "{said}");
    let store = database.store().await;
    let is_rebuilt = async || {
        let rows = raw.rows(projections::by_name("accounts").unwrap()).await;
        rows[0]["document"].to_string().contains("mayBeBlank")
    };
    for attempt in 0.. {
        if is_rebuilt().await {
            break;
        }
        assert!(attempt < 200, "not rebuilt within 20 s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(store);
    let shown = revealed(&service).await;
    for (field, value) in [
        ("password", "first"),
        ("authenticatorSecret", "JBSWY3DPEHPK3PXP"),
        ("email", "ann@a.com"),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert!(shown["oneTimeCode"].is_object() && shown["erased"] == false, "{shown}");
    let mailbox = mailbox(&service, position).await;
    assert_eq!(
        (&mailbox["email"], &mailbox["firstName"]),
        (&json!("ann@a.com"), &json!("Ann"))
    );
    service.stop().await;
}

async fn a_change_of_the_second_of_its_assignment_is_what_is_revealed(database: Database) {
    let second = Timestamp::now().as_second() - 10;
    // ids that sort either way, and either order of arrival
    for (assigned, changed, change_first) in [("A", "Z", false), ("Z", "A", false), ("A", "Z", true), ("Z", "A", true)]
    {
        let database = if database.is_postgres() {
            Database::postgres().await
        } else {
            Database::sqlite()
        };
        let service = database.service().await;
        let change = json!({"password": "second", "firstName": "Anna", "isAdmin": false});
        let mut both = [assignment(assigned, &whole()), update(changed, &change)];
        if change_first {
            both.reverse();
        }
        for body in &both {
            send_at(&service, body, second).await;
        }
        let shown = revealed(&service).await;
        assert_eq!(shown["password"], "second", "{assigned} {changed} {change_first}");
        let mailbox = mailbox(&service, 2).await;
        assert_eq!(mailbox["firstName"], "Anna");
        // two changes with the same provider time: the later arrival counts
        for (id, password) in [("Y", "third"), ("B", "fourth")] {
            send_at(&service, &update(id, &json!({"password": password})), second).await;
            assert_eq!(revealed(&service).await["password"], password);
        }
        service.stop().await;
    }
    drop(database);
}

async fn a_seed_without_a_code_says_why_and_an_address_is_read(database: Database) {
    let service = database.service().await;
    let start = Timestamp::now().as_second() - 100;
    let mut bad = whole();
    bad["authenticatorSecret"] = json!("");
    send_at(&service, &assignment("E0", &bad), start).await;
    let shown = revealed(&service).await;
    assert_eq!(
        (&shown["oneTimeCode"], shown.get("authenticatorSecret")),
        (&Value::Null, None)
    );
    assert!(
        shown["noCodeReason"]
            .as_str()
            .unwrap()
            .contains("no TOTP seed is known"),
        "{shown}"
    );
    send_at(
        &service,
        &update("E1", &json!({"authenticatorSecret": "0189 !"})),
        start + 1,
    )
    .await;
    let shown = revealed(&service).await;
    assert_eq!(shown["oneTimeCode"], Value::Null);
    assert!(
        shown["noCodeReason"].as_str().unwrap().contains("not base32"),
        "{shown}"
    );
    let address =
        "otpauth://totp/Google:ann%40a.com?secret=jbsw+y3dp+ehpk+3pxp&digits=8&period=60&algorithm=SHA256&issuer=X";
    send_at(
        &service,
        &update("E2", &json!({"authenticatorSecret": address})),
        start + 2,
    )
    .await;
    let shown = revealed(&service).await;
    let code = shown["oneTimeCode"]["code"].as_str().unwrap();
    assert!(code.len() == 8 && code.bytes().all(|c| c.is_ascii_digit()), "{code}");
    let until: Timestamp = shown["oneTimeCode"]["validUntil"].as_str().unwrap().parse().unwrap();
    assert_eq!(until.as_second() % 60, 0);
    assert_eq!(shown.get("noCodeReason"), None);
    service.stop().await;
}
