//! Odd values: each is taken for what it plainly means, or left out and named; the rest of its webhook stays whole.

use super::*;

/// An order of two domains with three mailboxes.
fn order() -> Value {
    let mailbox = |id: &str| {
        json!({"mailboxId": id, "email": format!("{id}@a.com"), "firstName": "F", "lastName": "L",
               "profilePicture": "https://cdn.example/p.png", "password": format!("pw-{id}"),
               "appPassword": format!("app-{id}"), "authenticatorSecret": "JBSWY3DPEHPK3PXPJBSWY3DP", "isAdmin": true,
               "warmingUpFrom": "2025-09-26T08:53:51.641Z", "expiryDate": "2025-11-27T19:59:17.294Z"})
    };
    json!({"userId": "U1", "userEmail": "u@example.com", "orderId": "O1", "serviceProvider": "GOOGLE", "mailboxDetails": [
        {"domain": "a.com", "subscriptionId": "S1", "preWarmedUpMailboxes": [mailbox("M1"), mailbox("M2")]},
        {"domain": "b.com", "subscriptionId": "S2", "preWarmedUpMailboxes": [mailbox("M3")]},
    ]})
}

/// The order's facts after one change in the body, which has to be kept as it came.
fn changed(pointer: &str, value: Value) -> Value {
    let mut data = order();
    *data.pointer_mut(pointer).unwrap() = value;
    let parsed = read("prewarmup.order.success", &data);
    assert!(
        parsed.spelling.is_none(),
        "{pointer}: the body would not come back as it came"
    );
    facts(&parsed)
}

const FIRST: &str = "/mailboxDetails/0/preWarmedUpMailboxes/0";

#[test]
fn a_value_of_another_type_is_taken_for_what_it_plainly_means() {
    let plain = facts(&read("prewarmup.order.success", &order()));
    for (field, value) in [
        ("isAdmin", json!("true")),
        ("isAdmin", json!(1)),
        ("isAdmin", json!("TRUE")),
        ("warmingUpFrom", json!("Fri, 26 Sep 2025 08:53:51.641 +0000")),
        ("expiryDate", json!(1_764_273_557.294)),
        ("expiryDate", json!(1_764_273_557_294_u64)),
        ("expiryDate", json!("1764273557294")),
    ] {
        let found = changed(&format!("{FIRST}/{field}"), value.clone());
        let mailbox = |facts: &Value| facts["domains"][0]["mailboxes"][0].clone();
        // RFC 2822 has whole seconds
        if field == "warmingUpFrom" {
            assert_eq!(
                found["unreadable"],
                json!(["data.mailboxDetails[0].preWarmedUpMailboxes[0].warmingUpFrom"])
            );
            continue;
        }
        assert_eq!(mailbox(&found), mailbox(&plain), "{field}: {value}");
        assert_eq!(found, plain, "{field}: {value}");
    }
    let day = |value: Value| {
        changed(&format!("{FIRST}/expiryDate"), value)["domains"][0]["mailboxes"][0]["expiryDate"].clone()
    };
    assert_eq!(day(json!("27/11/2025")), "2025-11-27T00:00:00Z");
    assert_eq!(day(json!("2025-11-27T24:00:00Z")), "2025-11-28T00:00:00Z");
    assert_eq!(day(json!("Thu, 27 Nov 2025 19:59:17 GMT")), "2025-11-27T19:59:17Z");
}

#[test]
fn a_number_is_a_text_where_a_text_belongs() {
    let mut data = order();
    data["orderId"] = json!(4711);
    data["userId"] = json!(12);
    data["mailboxDetails"][0]["subscriptionId"] = json!(9_007_199_254_740_993_u64);
    let mailbox = data.pointer_mut(FIRST).unwrap();
    mailbox["mailboxId"] = json!(7);
    mailbox["password"] = json!(12345678);
    mailbox["appPassword"] = json!(-0.5);
    mailbox["firstName"] = json!(3);
    let parsed = read("prewarmup.order.success", &data);
    let found = facts(&parsed);
    assert_eq!((&found["orderId"], &found["userId"]), (&json!("4711"), &json!("12")));
    assert_eq!(found["domains"][0]["subscriptionId"], "9007199254740993");
    assert_eq!(found["domains"][0]["mailboxes"][0]["mailboxId"], "7");
    assert!(found.get("unreadable").is_none());
    assert_eq!(plain(&parsed.secrets)["mailboxes"][0][2], "12345678");
    assert_eq!(plain(&parsed.secrets)["mailboxes"][0][0], "-0.5");
    assert_eq!(plain(&parsed.personal)["mailboxes"][0]["firstName"], "3");
    assert!(parsed.spelling.is_none());
    // as an id of the whole webhook too
    let numbered = parse_signed(br#"{"event":"brand.new","eventId":12,"data":{"orderId":7}}"#);
    assert_eq!(numbered.event_id.unwrap().as_str(), "12");
}

#[test]
fn what_cannot_be_read_is_left_out_and_named_with_the_rest_intact() {
    let whole = facts(&read("prewarmup.order.success", &order()));
    let secret = "hunter2-hunter2";
    let place = "data.mailboxDetails[0].preWarmedUpMailboxes[0]";
    for field in [
        "email",
        "firstName",
        "lastName",
        "profilePicture",
        "password",
        "appPassword",
        "authenticatorSecret",
        "isAdmin",
        "warmingUpFrom",
        "expiryDate",
    ] {
        for value in [json!([secret]), json!({secret: secret}), json!(null)] {
            let found = changed(&format!("{FIRST}/{field}"), value.clone());
            let named = if value.is_null() {
                Value::Null
            } else {
                json!([format!("{place}.{field}")])
            };
            assert_eq!(found.get("unreadable").cloned().unwrap_or_default(), named, "{field}");
            assert!(!found.to_string().contains(secret));
            assert_eq!(found["domains"][1], whole["domains"][1], "{field}");
            assert_eq!(
                found["domains"][0]["mailboxes"][1], whole["domains"][0]["mailboxes"][1],
                "{field}"
            );
            assert_eq!(found["domains"][0]["mailboxes"][0]["mailboxId"], "M1", "{field}");
        }
    }
    for (pointer, value, path) in [
        ("/userId", json!({}), "data.userId"),
        ("/userEmail", json!(true), "data.userEmail"),
        ("/serviceProvider", json!(false), "data.serviceProvider"),
        (
            "/mailboxDetails/1/subscriptionId",
            json!("a b"),
            "data.mailboxDetails[1].subscriptionId",
        ),
        (
            &format!("{FIRST}/expiryDate"),
            json!("9999-12-31"),
            &format!("{place}.expiryDate"),
        ),
        (
            &format!("{FIRST}/expiryDate"),
            json!("N/A"),
            &format!("{place}.expiryDate"),
        ),
        (
            &format!("{FIRST}/expiryDate"),
            json!("03/04/2025"),
            &format!("{place}.expiryDate"),
        ),
        (
            &format!("{FIRST}/isAdmin"),
            json!("perhaps"),
            &format!("{place}.isAdmin"),
        ),
    ] {
        assert_eq!(changed(pointer, value)["unreadable"], json!([path]));
    }
    let renewed = read(
        "subscription.renewal.success",
        &json!({"subscriptionId": "S1", "quantity": "many", "autoRenew": "0", "domain": "*.a.com", "periodEnd": "?"}),
    );
    assert_eq!(
        facts(&renewed),
        json!({"autoRenew": false, "sentAt": "2025-10-09T08:53:20Z", "subscriptionId": "S1",
               "unreadable": ["data.domain", "data.periodEnd", "data.quantity"]})
    );
    let registered = read(
        "domain.order.success",
        &json!({"domainName": "A.com", "price": "cheap", "expiryDate": false, "domainId": 7}),
    );
    assert_eq!(
        facts(&registered),
        json!({"domain": "a.com", "domainId": "7", "sentAt": "2025-10-09T08:53:20Z",
               "unreadable": ["data.expiryDate", "data.price"]})
    );
}

#[test]
fn a_broken_part_is_set_aside_and_the_others_are_recorded() {
    let secret = "hunter2-hunter2";
    let whole = facts(&read("prewarmup.order.success", &order()));
    let entry = "data.mailboxDetails[0].preWarmedUpMailboxes[0]";
    for (pointer, value, path, detail) in [
        (FIRST.to_owned(), json!(secret), entry, "is not an object"),
        (FIRST.to_owned(), json!([secret]), entry, "is not an object"),
        (FIRST.to_owned(), json!(null), entry, "is not an object"),
        (
            format!("{FIRST}/mailboxId"),
            json!({}),
            entry,
            "mailboxId is not a text",
        ),
        (
            format!("{FIRST}/mailboxId"),
            json!("a b"),
            entry,
            "mailboxId holds white space or another character that is not allowed",
        ),
    ] {
        let found = changed(&pointer, value);
        assert_eq!(found["quarantinedParts"], json!([{"detail": detail, "path": path}]));
        assert_eq!(found["domains"][1], whole["domains"][1]);
        assert_eq!(
            found["domains"][0]["mailboxes"],
            json!([whole["domains"][0]["mailboxes"][1]])
        );
        assert!(!found.to_string().contains(secret));
    }
    for (value, detail) in [
        (json!(7), "is not an object"),
        (json!({"domain": null, "preWarmedUpMailboxes": []}), "domain is missing"),
        (json!({"domain": "a.com:443"}), "domain is not a domain name"),
    ] {
        let found = changed("/mailboxDetails/0", value);
        assert_eq!(
            found["quarantinedParts"],
            json!([{"detail": detail, "path": "data.mailboxDetails[0]"}])
        );
        assert_eq!(found["domains"], json!([whole["domains"][1]]));
    }
    let found = changed("/mailboxDetails/0/preWarmedUpMailboxes", json!(secret));
    assert_eq!(
        found["quarantinedParts"],
        json!([{"detail": "is not a list", "path": "data.mailboxDetails[0].preWarmedUpMailboxes"}])
    );
    assert_eq!(
        found["domains"][0],
        json!({"domain": "a.com", "mailboxes": [], "subscriptionId": "S1"})
    );
    // lists
    for wrong in [json!(secret), json!(7), json!(true)] {
        let found = changed("/mailboxDetails", wrong.clone());
        assert_eq!(
            found["quarantinedParts"],
            json!([{"detail": "is not a list", "path": "data.mailboxDetails"}])
        );
        let failed = read(
            "prewarmup.order.failed",
            &json!({"orderId": "O1", "failedOrders": wrong}),
        );
        assert_eq!(facts(&failed)["failures"], json!([]));
        assert_eq!(facts(&failed)["quarantinedParts"][0]["path"], "data.failedOrders");
    }
    // one entry in place of a list
    let alone = changed("/mailboxDetails", order()["mailboxDetails"][1].clone());
    assert_eq!(alone["domains"], json!([whole["domains"][1]]));
    // a failed domain that cannot be read is no failure of the whole order
    let failed = read(
        "prewarmup.order.failed",
        &json!({"orderId": "O1", "failedOrders": [{"domain": "http://a.com", "reason": "R"}, {"domain": "b.com"}, 7]}),
    );
    assert_eq!(facts(&failed)["failures"], json!([{"domain": "b.com"}]));
    assert_eq!(
        facts(&failed)["quarantinedParts"],
        json!([{"detail": "domain is not a domain name", "path": "data.failedOrders[0]"},
               {"detail": "is not an object", "path": "data.failedOrders[2]"}])
    );
}

#[test]
fn a_field_that_is_named_twice_is_left_out_and_hides_nothing_else() {
    let twice = |field: &str, value: &str| {
        let once = format!("\"{field}\":{value}");
        let data = order().to_string();
        assert!(data.contains(&once), "{field}");
        let data = data.replacen(&once, &format!("{once},\"{field}\":null"), 1);
        let body = format!(r#"{{"event":"prewarmup.order.success","eventId":"E1","data":{data}}}"#);
        parse_signed(body.as_bytes())
    };
    let whole = facts(&read("prewarmup.order.success", &order()));
    let place = "data.mailboxDetails[0].preWarmedUpMailboxes[0]";
    let found = facts(&twice("isAdmin", "true"));
    assert_eq!(found["unreadable"], json!([format!("{place}.isAdmin")]));
    assert_eq!(found["domains"][1], whole["domains"][1]);
    assert_eq!(found["domains"][0]["mailboxes"][0]["mailboxId"], "M1");
    let parsed = twice("password", "\"pw-M1\"");
    assert_eq!(facts(&parsed)["unreadable"], json!([format!("{place}.password")]));
    assert_eq!(plain(&parsed.secrets)["mailboxes"][0][0], "app-M1");
    assert_eq!(plain(&parsed.secrets)["mailboxes"][0][2], Value::Null);
    assert_eq!(
        facts(&twice("serviceProvider", "\"GOOGLE\""))["unreadable"],
        json!(["data.serviceProvider"])
    );
    // nobody knows which order it is about
    assert_eq!(facts(&twice("orderId", "\"O1\""))["detail"], "data.orderId is missing");
    // an unknown name may be anything, and is never told
    let unknown = r#"{"event":"subscription.expired","eventId":"E1","data":{"subscriptionId":"S1","autoRenew":1,"autoRenew":0,"hunter2":1,"hunter2":2}}"#;
    let found = facts(&parse_signed(unknown.as_bytes()));
    assert_eq!(found["unreadable"], json!(["data.autoRenew"]));
    assert!(!found.to_string().contains("hunter2"));
}

#[test]
fn a_change_that_cannot_be_read_changes_nothing() {
    for wrong in [json!("hunter2"), json!(["hunter2"]), json!(7)] {
        let found = facts(&read(
            "mailbox.updated",
            &json!({"mailboxId": "M1", "updatedFields": wrong}),
        ));
        assert_eq!(
            found,
            json!({"mailboxId": "M1", "sentAt": "2025-10-09T08:53:20Z", "unreadable": ["data.updatedFields"]})
        );
    }
}

/// The sealed sections list their mailboxes in the order of the facts, so a part that is set aside leaves no gap.
#[test]
fn the_sections_have_as_many_mailboxes_as_the_facts() {
    let mut data = order();
    *data.pointer_mut(FIRST).unwrap() = json!("broken");
    let parsed = read("prewarmup.order.success", &data);
    assert_eq!(plain(&parsed.secrets)["mailboxes"][0][2], "pw-M2");
    assert_eq!(plain(&parsed.personal)["mailboxes"][1]["email"], "M3@a.com");
    assert_eq!(plain(&parsed.secrets)["mailboxes"].as_array().unwrap().len(), 2);
}

#[test]
fn blank_text_is_not_told() {
    for blank in ["", " ", "\u{200b}", "\t\n"] {
        let data = json!({"mailboxId": "M1", "updatedFields": {"password": blank, "firstName": blank, "expiryDate": blank, "isAdmin": blank}});
        let found = facts(&read("mailbox.updated", &data));
        assert_eq!(
            found,
            json!({"mailboxId": "M1", "sentAt": "2025-10-09T08:53:20Z"}),
            "{blank:?}"
        );
    }
}

#[test]
fn one_domain_has_one_name_in_every_kind_of_event() {
    for spelling in ["münchen.de", "mu\u{308}nchen.de", "xn--mnchen-3ya.de", "MÜNCHEN.DE."] {
        let found = [
            facts(&read(
                "prewarmup.order.success",
                &json!({"orderId": "O1", "mailboxDetails": [{"domain": spelling}]}),
            ))["domains"][0]["domain"]
                .clone(),
            facts(&read(
                "prewarmup.order.failed",
                &json!({"orderId": "O1", "failedOrders": [{"domain": spelling}]}),
            ))["failures"][0]["domain"]
                .clone(),
            facts(&read(
                "subscription.expired",
                &json!({"subscriptionId": "S1", "domain": spelling}),
            ))["domain"]
                .clone(),
            facts(&read(
                "mailbox.created",
                &json!({"mailboxId": "M1", "domainName": spelling}),
            ))["domain"]
                .clone(),
            facts(&read("domain.expired", &json!({"domainName": spelling})))["domain"].clone(),
            facts(&read("brand.new", &json!({"domain": spelling})))["domain"].clone(),
        ];
        assert!(
            found.iter().all(|name| name == "xn--mnchen-3ya.de"),
            "{spelling}: {found:?}"
        );
    }
}

#[test]
fn no_event_names_more_than_a_hundred_unreadable_fields() {
    let mailboxes = vec![json!({"isAdmin": []}); 300];
    let data = json!({"orderId": "O1", "mailboxDetails": [{"domain": "a.com", "preWarmedUpMailboxes": mailboxes}]});
    let found = facts(&read("prewarmup.order.success", &data));
    let named = found["unreadable"].as_array().unwrap();
    assert_eq!((named.len(), &named[99]), (100, &json!("…")));
}
