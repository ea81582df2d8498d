//! Evidence: the exact webhook behind an event, its signature checked again, and the record of the read.

use crate::support::api::Client;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use warmledger::secret::Secret;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::log::all_events;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    an_original_is_opened_byte_for_byte_and_its_signature_holds,
    a_body_that_is_not_kept_is_not_made_of_altered_facts,
    a_repeat_of_what_was_altered_or_taken_away_is_kept,
    the_body_takes_more_than_the_right_to_audit,
);

async fn open(service: &TestService, token: &str, position: &Value, body: bool) -> (u16, Value) {
    let answer = Client::new()
        .post(format!("{}/api/v1/events/{position}/evidence", service.base))
        .bearer_auth(token)
        .json(&json!({"reason": "dispute 2026-9", "includeBody": body}))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn an_original_is_opened_byte_for_byte_and_its_signature_holds(database: Database) {
    // white space that no JSON writer would reproduce
    let mut body = fixture("prewarmup.order.success.json");
    body.extend_from_slice(b"\n  \t\n");
    let first = database.service().await;
    let position = first.send(body.clone()).await["position"].clone();
    let key = first.key.expose().clone();
    first.stop().await;

    let keys = |names: &[&str]| {
        names
            .iter()
            .map(|name| Secret::new((*name).to_owned()))
            .collect::<Vec<_>>()
    };
    let service = database
        .service_with(|settings| settings.webhook_key = Some(keys(&["newer", &key])))
        .await;
    let (status, found) = open(&service, &service.token, &position, true).await;
    assert_eq!(status, 200, "{found}");
    assert_eq!(
        BASE64_STANDARD.decode(found["bodyBase64"].as_str().unwrap()).unwrap(),
        body
    );
    let signature = &found["finding"]["signature"];
    assert_eq!(
        (
            &signature["result"],
            &signature["key"],
            &signature["scheme"],
            &signature["timestampIsSigned"]
        ),
        (&json!("valid"), &json!(2), &json!("timestamp.body"), &json!(true))
    );
    assert!(signature["sentAt"].is_string() && found["finding"]["headers"]["cmr-x-signature"].is_string());
    let events = all_events(&*database.store().await).await;
    let event = events
        .iter()
        .find(|event| json!(event.position) == found["recordedAtPosition"])
        .unwrap();
    assert_eq!(event.type_name, "EvidenceOpened");
    assert!(
        event.facts.contains("dispute 2026-9") && event.facts.contains("\"credentials\":[\"original\"]"),
        "{}",
        event.facts
    );
    // that event itself has no webhook
    assert_eq!(
        open(&service, &service.token, &found["recordedAtPosition"], false)
            .await
            .0,
        404
    );
    assert_eq!(open(&service, &service.token, &json!(99), false).await.0, 404);
    service.stop().await;

    let service = database
        .service_with(|settings| settings.webhook_key = Some(keys(&["newer"])))
        .await;
    let (_, found) = open(&service, &service.token, &position, false).await;
    assert_eq!(found["finding"]["signature"], json!({"result": "noKeyMatches"}));
    assert!(found.get("bodyBase64").is_none());
    service.stop().await;

    let program = Program::new(&database);
    let bare = fixture("subscription.renewal.success.legacy.json");
    let line = serde_json::from_slice::<Value>(&bare).unwrap().to_string();
    assert_eq!(program.run_with("ingest --unsigned -", &line).await.code, 0);
    let last = all_events(&*database.store().await).await.len();
    let ended = program
        .run(&format!("events evidence {last} --reason dispute-2026-9 --out body"))
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.json()["signature"], json!({"result": "unsigned"}));
    let written = std::fs::read(program.directory.path().join("body")).unwrap();
    assert_eq!(written, line.into_bytes());
    assert!(!ended.stdout.contains("johndoe"), "{}", ended.stdout);
    let ended = program
        .run(&format!("events evidence {last} --reason dispute-2026-9 --out body"))
        .await;
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("body is there already"), "{}", ended.stderr);
    let store = database.store().await;
    assert_eq!(
        all_events(&*store).await.len(),
        last + 1,
        "nothing was handed out, so nothing recorded"
    );
}

async fn a_body_that_is_not_kept_is_not_made_of_altered_facts(database: Database) {
    let service = database.service().await;
    let mailbox = r#"{"mailboxId":"M1","password":"p","expiryDate":"2025-11-27T19:59:17.294Z"}"#;
    let domain = format!(r#"{{"domain":"a.example","subscriptionId":"S1","preWarmedUpMailboxes":[{mailbox},{{}}]}}"#);
    let data = format!(r#"{{"userId":"U1","orderId":"O1","mailboxDetails":[{domain}]}}"#);
    let body = format!(r#"{{"event":"prewarmup.order.success","eventId":"E1","data":{data}}}"#);
    let position = service.send(body.clone()).await["position"].clone();
    let (status, found) = open(&service, &service.token, &position, true).await;
    assert_eq!(status, 200, "{found}");
    let opened = BASE64_STANDARD.decode(found["bodyBase64"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(opened).unwrap(), body);

    let raw = Raw::connect(&database).await;
    raw.unguard().await;
    let facts = raw.texts("SELECT facts FROM events WHERE event_id = 'E1'").await;
    let altered = facts[0].replace("2025-11-27", "2035-11-27");
    assert_ne!(altered, facts[0]);
    raw.execute(&format!("UPDATE events SET facts = '{altered}' WHERE event_id = 'E1'"))
        .await;
    let (status, refused) = open(&service, &service.token, &position, true).await;
    assert_eq!(status, 500, "{refused}");
    service.stop().await;
}

async fn a_repeat_of_what_was_altered_or_taken_away_is_kept(database: Database) {
    let service = database.service().await;
    let body = String::from_utf8(fixture("subscription.renewing.json")).unwrap();
    let position = service.send(body.clone()).await["position"].clone();
    service.stop().await;
    let raw = Raw::connect(&database).await;
    raw.unguard().await;
    let id = "position = 1";
    for (sealed, seen) in [("leaf_hash", 500), ("NULL", 410)] {
        raw.execute(&format!("UPDATE events SET original = {sealed} WHERE {id}"))
            .await;
        // an empty cache: the repeat has to be found in the store
        let service = database.service().await;
        let kept = service.send(format!(" {body}")).await;
        assert_eq!(
            kept["status"],
            if seen == 500 { "quarantined" } else { "duplicate" },
            "{kept}"
        );
        assert_ne!(kept["position"], position);
        let (status, refused) = open(&service, &service.token, &position, false).await;
        assert_eq!(status, seen, "{refused}");
        service.stop().await;
    }
}

async fn the_body_takes_more_than_the_right_to_audit(database: Database) {
    let service = database.service().await;
    let position = service.send(fixture("prewarmup.order.success.json")).await["position"].clone();
    let program = Program::new(&database);
    let token = async |scopes: &str| {
        let made = program.run(&format!("tokens create --name t --scope {scopes}")).await;
        made.stdout.trim().to_owned()
    };
    let (read, audit, both) = (
        token("read").await,
        token("audit").await,
        token("audit,reveal-bulk").await,
    );
    let one_at_a_time = token("audit,reveal").await;
    assert_eq!(open(&service, &read, &position, false).await.0, 403);
    assert_eq!(open(&service, &audit, &position, false).await.0, 200);
    // a webhook holds all mailboxes of an order
    for token in [&audit, &one_at_a_time] {
        let (status, refused) = open(&service, token, &position, true).await;
        assert!(
            status == 403 && refused["detail"].as_str().unwrap().contains("reveal-bulk"),
            "{refused}"
        );
    }
    assert_eq!(open(&service, &both, &position, true).await.0, 200);
    let through_a_proxy = Client::new()
        .post(format!("{}/api/v1/events/{position}/evidence", service.base))
        .bearer_auth(&both)
        .header("x-forwarded-proto", "http")
        .json(&json!({"reason": "dispute 2026-9", "includeBody": true}));
    assert_eq!(through_a_proxy.send().await.unwrap().status(), 403);
    for body in [true, false] {
        let hardly_a_reason = Client::new()
            .post(format!("{}/api/v1/events/{position}/evidence", service.base))
            .bearer_auth(&both)
            .json(&json!({"reason": "dispute 9", "includeBody": body}));
        assert_eq!(hardly_a_reason.send().await.unwrap().status(), 400);
    }
    let log = all_events(&*database.store().await).await;
    let count = |name: &str| log.iter().filter(|event| event.type_name == name).count();
    assert_eq!((count("EvidenceOpened"), count("AccessRefused")), (2, 6));
    service.stop().await;
}
