use aggregates::MAX_ID_CHARS;

use super::*;

#[test]
fn nulls_and_absent_fields_are_absent_facts() {
    let nulls = json!({
        "orderId": "O1", "userId": null, "userEmail": null, "serviceProvider": null, "mailboxDetails": [{
            "domain": "a.com", "subscriptionId": null, "preWarmedUpMailboxes": [
                {"mailboxId": null, "email": null, "firstName": null, "lastName": null, "profilePicture": null,
                 "password": null, "appPassword": null, "authenticatorSecret": null, "isAdmin": null,
                 "warmingUpFrom": null, "expiryDate": null},
                {},
            ]}, {"domain": "b.com", "preWarmedUpMailboxes": null}],
    });
    let parsed = read("prewarmup.order.success", &nulls);
    let bare = json!({"credentials": [], "personal": []});
    let expected = json!([{"domain": "a.com", "mailboxes": [bare, bare]}, {"domain": "b.com", "mailboxes": []}]);
    assert_eq!(facts(&parsed)["domains"], expected);
    assert!(parsed.secrets.is_none());
    // as many as the facts have, so that indexes stay the same
    assert_eq!(plain(&parsed.personal), json!({"mailboxes": [{}, {}]}));

    let none = read(
        "prewarmup.order.success",
        &json!({"orderId": "O1", "mailboxDetails": null}),
    );
    assert_eq!(facts(&none)["domains"], json!([]));
    assert!(none.personal.is_none() && none.secrets.is_none());
    let failed = |data: Value| facts(&read("prewarmup.order.failed", &data))["failures"].clone();
    assert_eq!(failed(json!({"orderId": "O1"})), json!([{}]));
    assert_eq!(
        failed(json!({"orderId": "O1", "failedOrders": [], "reason": "R"})),
        json!([{"reason": "R"}])
    );
    assert_eq!(
        failed(json!({"orderId": "O1", "failedOrders": [{"domain": null, "reason": " "}]})),
        json!([{}])
    );
    let renewed = read(
        "subscription.renewal.success",
        &json!({"subscriptionId": "S1", "quantity": null}),
    );
    assert_eq!(
        facts(&renewed),
        json!({"sentAt": "2025-10-09T08:53:20Z", "subscriptionId": "S1"})
    );
    for data in [json!(null), json!([]), json!("x"), json!(1)] {
        assert_eq!(facts(&read("brand.new", &data))["name"], "brand.new");
    }
}

#[test]
fn no_section_is_longer_than_the_webhook_that_it_is_of() {
    let empty = vec![json!({}); 9_000];
    for told in [
        json!({"email": "e"}),
        json!({"password": "p"}),
        json!({"appPassword": "a", "authenticatorSecret": null}),
        json!({"authenticatorSecret": "", "password": ""}),
    ] {
        for mailboxes in [[vec![told.clone()], empty.clone()].concat(), vec![told.clone(); 1_000]] {
            let details = json!([{"domain": "a.com", "preWarmedUpMailboxes": mailboxes}]);
            let data = json!({"orderId": "O1", "mailboxDetails": details});
            let parsed = read("prewarmup.order.success", &data);
            for section in [&parsed.personal, &parsed.secrets].into_iter().flatten() {
                assert!(section.expose().len() < data.to_string().len(), "{told}");
            }
        }
    }
}

#[test]
fn unknown_fields_change_nothing_however_deep_they_are() {
    let mut body: Value = serde_json::from_slice(&fixture("prewarmup.order.success")).unwrap();
    let before = facts(&parse_signed(body.to_string().as_bytes()));
    body["new"] = json!({"a": [1.5e300, null]});
    body["data"]["new"] = json!(["x"]);
    body["data"]["mailboxDetails"][0]["preWarmedUpMailboxes"][0]["recoveryPhrase"] = json!({"words": ["a", "b"]});
    assert_eq!(facts(&parse_signed(body.to_string().as_bytes())), before);
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let body = format!(
        r#"{{"event":"subscription.expired","eventId":"E1","x":{deep},"data":{{"y":{deep},"subscriptionId":"S1"}}}}"#
    );
    assert_eq!(parse_signed(body.as_bytes()).claim.type_name(), "SubscriptionExpired");
}

#[test]
fn a_field_that_stands_twice_is_not_guessed_at() {
    let twice = r#"{"event":"a","eventId":"E1","eventId":"E2","data":{}}"#;
    assert_eq!(quarantined(twice).0, QuarantineReason::InvalidJson);
    let twice =
        r#"{"event":"subscription.expired","eventId":"E1","data":{"subscriptionId":"S1","subscriptionId":"S2"}}"#;
    assert_eq!(quarantined(twice).0, QuarantineReason::InvalidPayload);
    // of an unrecognised webhook, nothing is claimed then
    let twice = r#"{"event":"a","eventId":"E1","data":{"orderId":"O1","orderId":"O2"}}"#;
    assert!(facts(&parse_signed(twice.as_bytes())).get("orderId").is_none());
}

#[test]
fn what_an_event_cannot_stand_without_is_named_and_never_quoted() {
    let secret = "hunter2-hunter2";
    for (event, data, problem) in [
        (
            "prewarmup.order.success",
            json!({"orderId": {}}),
            "data.orderId is not a text",
        ),
        (
            "prewarmup.order.success",
            json!({"orderId": ""}),
            "data.orderId is missing",
        ),
        (
            "prewarmup.order.success",
            json!({"mailboxDetails": []}),
            "data.orderId is missing",
        ),
        ("prewarmup.order.success", json!(secret), "data is not an object"),
        ("prewarmup.order.success", json!(null), "data is not an object"),
        ("prewarmup.order.success", json!([secret]), "data is not an object"),
        (
            "mailbox.created",
            json!({"password": secret}),
            "data.mailboxId is missing",
        ),
        (
            "mailbox.created",
            json!({"mailboxId": [secret]}),
            "data.mailboxId is not a text",
        ),
        ("mailbox.exported", json!({}), "data.mailboxId is missing"),
        (
            "mailbox.updated",
            json!({"updatedFields": {}}),
            "data.mailboxId is missing",
        ),
        ("mailbox.order.failed", json!({}), "data.orderId is missing"),
        ("domain.expired", json!({}), "data.domainName is missing"),
        (
            "domain.expired",
            json!({"domainName": "https://hunter2-hunter2"}),
            "data.domainName is not a domain name",
        ),
        (
            "dns-record.updated",
            json!({"domain": "*.a.com"}),
            "data.domain is not a domain name",
        ),
    ] {
        let detail = detail(event, data);
        assert_eq!(detail, problem, "{event}");
        assert!(!detail.contains(secret));
    }
}

#[test]
fn an_array_is_not_taken_for_an_object() {
    let secret = "hunter2";
    let whole = json!(["subscription.expired", "E1", {"subscriptionId": "S1"}]).to_string();
    assert_eq!(quarantined(whole).0, QuarantineReason::InvalidJson);
    let inside = json!({"orderId": "O1", "mailboxDetails": [{"domain": "a.com", "preWarmedUpMailboxes": [[secret]]}]});
    for (event, data) in [
        ("prewarmup.order.success", json!([secret, secret, secret, secret, []])),
        (
            "prewarmup.order.success",
            json!({"orderId": "O1", "mailboxDetails": [["a.com", secret, []]]}),
        ),
        ("prewarmup.order.success", inside),
        (
            "prewarmup.order.failed",
            json!({"orderId": "O1", "failedOrders": [["a.com", secret]]}),
        ),
        ("prewarmup.order.failed", json!([secret])),
        ("subscription.expired", json!([secret, null, secret])),
        ("mailbox.created", json!([secret, secret, secret, secret])),
    ] {
        let body = json!({"event": event, "eventId": "E1", "data": data}).to_string();
        let text = parse_signed(body.as_bytes()).claim.to_facts().unwrap();
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn ids_that_no_store_could_hold_are_refused_without_being_quoted() {
    let long = "x".repeat(MAX_ID_CHARS + 1);
    for (id, what) in [
        (long.as_str(), "is longer than 128 characters"),
        ("a\0b", "holds"),
        ("a\nb", "holds"),
        ("a b", "holds"),
    ] {
        let refused = detail("subscription.expired", json!({"subscriptionId": id}));
        assert!(refused.starts_with(&format!("data.subscriptionId {what}")), "{refused}");
        let left_out = facts(&read("prewarmup.order.failed", &json!({"orderId": "O1", "userId": id})));
        assert_eq!(left_out["unreadable"], json!(["data.userId"]));
        assert!(left_out.get("userId").is_none());
        let body = json!({"event": "a", "eventId": id, "data": {"userId": "U1"}}).to_string();
        let (reason, refused) = quarantined(&body);
        assert_eq!(reason, QuarantineReason::NoEventId);
        assert!(refused.starts_with(&format!("eventId {what}")), "{refused}");
        assert_eq!(
            facts(&parse_signed(body.as_bytes()))["userId"],
            "U1",
            "its owner can still have it erased"
        );
        // in an unrecognised webhook, such an id counts as absent
        assert!(
            facts(&read("a", &json!({"orderId": id, "userId": id})))
                .get("orderId")
                .is_none()
        );
    }
    let longest = "é".repeat(MAX_ID_CHARS);
    assert_eq!(facts(&read("a", &json!({"orderId": longest})))["orderId"], longest);
    let posing = facts(&read(
        "prewarmup.order.failed",
        &json!({"orderId": "O1", "userId": "~fingerprint"}),
    ));
    assert_eq!(posing["unreadable"], json!(["data.userId"]));
}

#[test]
fn free_text_is_made_fit_for_every_database() {
    let data = json!({"orderId": "O1", "failedOrders": [{"domain": " A.COM. ", "reason": "a\0b\u{1b}[31m"}, {"reason": "x".repeat(5_000)}]});
    let failures = facts(&read("prewarmup.order.failed", &data))["failures"].clone();
    assert_eq!(
        failures[0],
        json!({"domain": "a.com", "reason": "a\u{fffd}b\u{fffd}[31m"})
    );
    assert_eq!(
        failures[1]["reason"].as_str().map(|reason| reason.chars().count()),
        Some(1_000)
    );
    let name = |name: &str| facts(&read(name, &json!({})))["name"].as_str().unwrap().to_owned();
    assert_eq!(name(&"n".repeat(5_000)).chars().count(), 128);
    for odd in ["n\0", "mail.to.ann@corp.example", "two words"] {
        assert_eq!(name(odd), "(not a plain name)");
    }
    // half a surrogate pair is not text
    let lone = r#"{"event":"prewarmup.order.failed","eventId":"E1","data":{"orderId":"O1","reason":"\ud83d"}}"#;
    assert_eq!(
        facts(&parse_signed(lone.as_bytes()))["unreadable"],
        json!(["data.reason"])
    );
}

#[test]
fn odd_dates_are_read_or_named() {
    let end = |text: &str| json!({"subscriptionId": "S1", "periodEnd": text});
    for (text, read_as) in [
        ("2025-11-27", json!("2025-11-27T00:00:00Z")),
        ("2025-11-27T21:59:17+02:00", json!("2025-11-27T19:59:17Z")),
        ("2025-11-27 19:59:17", json!("2025-11-27T19:59:17Z")),
        ("2016-12-31T23:59:60Z", json!("2016-12-31T23:59:59Z")),
        (" ", Value::Null),
        ("", Value::Null),
    ] {
        let facts = facts(&read("subscription.renewing", &end(text)));
        assert_eq!(facts.get("periodEnd").cloned().unwrap_or_default(), read_as, "{text}");
    }
    for text in [
        "tomorrow",
        "2025-02-30",
        "0000-00-00",
        "9999-12-31T23:59:59Z",
        "-000001-01-01",
        "N/A",
    ] {
        let facts = facts(&read("subscription.renewing", &end(text)));
        assert_eq!(facts["unreadable"], json!(["data.periodEnd"]), "{text}");
        assert!(facts.get("periodEnd").is_none(), "{text}");
    }
}
