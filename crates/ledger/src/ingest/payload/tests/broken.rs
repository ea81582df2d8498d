use proptest::prelude::*;

use super::*;

#[test]
fn what_has_no_usable_event_id_is_quarantined_under_what_it_claims() {
    for id in [json!(null), json!(true), json!({}), json!(""), json!(["E1"])] {
        let body = json!({"event": "mailbox.created", "eventId": id, "data": {"userId": "U1"}}).to_string();
        assert_eq!(quarantined(&body).0, QuarantineReason::NoEventId, "{id}");
        let facts = facts(&parse_signed(body.as_bytes()));
        assert_eq!(
            (&facts["name"], &facts["userId"]),
            (&json!("mailbox.created"), &json!("U1"))
        );
        assert!(facts.get("eventId").is_none());
    }
    assert_eq!(quarantined(r#"{"event":"x"}"#).0, QuarantineReason::NoEventId);
    assert_eq!(quarantined("{}").0, QuarantineReason::NoEventId);
    let (reason, detail) = quarantined(r#"{"event":[],"eventId":"E1"}"#);
    assert_eq!(
        (reason, detail.as_str()),
        (QuarantineReason::InvalidPayload, "event is missing or not a text")
    );
    let body = json!({"event": "subscription.expired", "eventId": "E1", "data": {"userId": "U1"}}).to_string();
    assert_eq!(facts(&parse_signed(body.as_bytes()))["eventId"], "E1");
}

#[test]
fn what_is_no_json_is_quarantined_without_quoting_it() {
    let secret = "hunter2";
    let open = format!("{{\"password\":\"{secret}\",\"x\":{}", "{".repeat(20_000));
    let nested = format!("{{\"password\":\"{secret}\",\"x\":{}", "[".repeat(20_000));
    let cases = [
        "",
        " ",
        "{",
        "nul",
        "[]",
        "7",
        "\"E1\"",
        "{\"a\" 1}",
        "{\"a\":1}}",
        "{'a':1}",
        "\u{feff}{}",
        &open,
        &nested,
        &"{".repeat(20_000),
    ];
    for body in cases {
        let (reason, detail) = quarantined(body);
        assert_eq!(reason, QuarantineReason::InvalidJson);
        assert!(!detail.contains(secret) && detail.len() < 200, "{detail}");
    }
    let mut body = fixture("prewarmup.order.success");
    let whole = body.len();
    body.push(0xff);
    assert_eq!(
        quarantined(&body),
        (
            QuarantineReason::InvalidUtf8,
            format!("the body is not UTF-8 after {whole} bytes")
        )
    );
    assert_eq!(quarantined(vec![0x80; 1 << 20]).0, QuarantineReason::InvalidUtf8);
    assert_eq!(quarantined(vec![b'x'; 1 << 20]).0, QuarantineReason::InvalidJson);
}

#[test]
fn more_parts_than_an_event_may_hold_are_quarantined() {
    let body = |parts: usize| {
        let mailboxes = vec!["{}"; parts - 1].join(",");
        let data = format!(
            r#"{{"orderId":"O1","mailboxDetails":[{{"domain":"a.com","preWarmedUpMailboxes":[{mailboxes}]}}]}}"#
        );
        format!(r#"{{"event":"prewarmup.order.success","eventId":"E1","data":{data}}}"#)
    };
    assert_eq!(
        quarantined(body(MAX_PARTS + 1)),
        (
            QuarantineReason::InvalidPayload,
            "data.mailboxDetails tells of 10001 domains and mailboxes, more than the 10000 that one event may hold"
                .to_owned()
        )
    );
    assert_eq!(
        parse_signed(body(MAX_PARTS).as_bytes()).claim.type_name(),
        "MailboxesAssigned"
    );
    let failed = vec!["{}"; MAX_PARTS + 1].join(",");
    let body = format!(
        r#"{{"event":"prewarmup.order.failed","eventId":"E1","data":{{"orderId":"O1","failedOrders":[{failed}]}}}}"#
    );
    assert_eq!(quarantined(body).0, QuarantineReason::InvalidPayload);
}

#[test]
fn what_came_without_a_signature_is_marked_so() {
    for body in [
        fixture("prewarmup.order.success"),
        fixture("unknown.future.event"),
        b"{".to_vec(),
    ] {
        let parsed = parse(
            &body,
            Delivery {
                size: body.len(),
                sent_at: None,
                unsigned: true,
            },
        );
        assert!(parsed.claim.is_unsigned() && parsed.claim.sent_at().is_none());
    }
}

/// For any input the facts are canonical and fit into a row.
fn never_fails(body: &[u8]) {
    let parsed = parse_signed(body);
    let facts = parsed.claim.to_facts().unwrap();
    let value: Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(value.to_string(), facts, "the facts are not canonical");
    assert!(facts.len() <= 4 * body.len() + 1_000);
    let again = OrderEvent::from_stored(parsed.claim.type_name(), parsed.claim.schema_version(), &facts).unwrap();
    assert_eq!(again.to_facts().unwrap(), facts);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        never_fails(&body);
    }

    #[test]
    fn no_text_makes_it_panic(event in ".*", id in ".{0,140}", data in ".*") {
        never_fails(json!({"event": event, "eventId": id, "data": {"orderId": data, "domain": data, "userId": id}}).to_string().as_bytes());
        never_fails(format!(r#"{{"event":"prewarmup.order.failed","eventId":"E1","data":{data}}}"#).as_bytes());
    }

    #[test]
    fn no_mutation_of_a_fixture_makes_it_panic(
        which in 0..FIXTURES.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let mut body = fixture(FIXTURES[which].0);
        for (index, byte, kind) in edits {
            if body.is_empty() {
                break;
            }
            let at = index.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        never_fails(&body);
    }
}
