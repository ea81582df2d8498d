//! Erasing subjects: no process can open their sealed sections any more, nor can a backup.

mod backup;
mod effect;
mod hold;
mod processes;
mod reach;
mod traces;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::log::{live_equals_rebuilt, sound_log};
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    an_erased_user_is_shown_to_nobody_and_every_proof_stays_valid,
    what_comes_in_after_an_erasure_is_recorded_under_a_new_key,
    a_password_that_comes_in_after_an_erasure_is_handed_out_alone,
    another_process_hands_out_nothing_behind_an_erasure,
    erased_credentials_are_there_as_of_no_moment,
);

/// The user, order, domain and mailbox of the customer's own sample.
pub const USER: &str = "PWM7Y25RYZ450YNM8K8FX9GK5AHX";
const MAILBOXES: &str = "/api/v1/domains/example.com/mailboxes";
const REVEAL: &str = "/api/v1/mailboxes/LY25R9GK5AHYZ450YPWMNM8K8FXX/credentials/reveal";

/// A call with the admin token and a reason.
pub async fn call(service: &TestService, method: Method, path: &str) -> (u16, Value) {
    let response = service
        .client
        .request(method, format!("{}{path}", service.base))
        .bearer_auth(&service.token)
        .json(&json!({"reason": "request 2026-117"}))
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Erases a user; fails the test unless the call succeeds.
pub async fn erase(service: &TestService, user: &str) -> Value {
    let (status, answer) = call(service, Method::DELETE, &format!("/api/v1/subjects/{user}")).await;
    assert_eq!(status, 202, "{answer}");
    answer
}

async fn an_erased_user_is_shown_to_nobody_and_every_proof_stays_valid(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    let body = fixture("prewarmup.order.success.json");
    let first = service.send(body.clone()).await;
    let renewal = service.send(fixture("subscription.renewal.success.json")).await;
    service.caught_up(&*store, renewal["position"].as_u64().unwrap()).await;
    let shown = service.get_json(MAILBOXES).await;
    assert_eq!(shown["mailboxes"][0]["email"], "yasmeen.king@example.com");
    assert_eq!(shown["mailboxes"][0]["hasCredentials"], true);
    assert_eq!(call(&service, Method::POST, REVEAL).await.0, 200);
    for path in ["/api/v1/orders", "/api/v1/domains"] {
        let list = service.get_json(path).await;
        assert_eq!(list["items"][0]["erased"], false, "{path}: {list}");
    }
    let before = sound_log(&*store).await;

    assert_eq!(call(&service, Method::DELETE, "/api/v1/subjects/nobody").await.0, 404);
    let erased = erase(&service, USER).await;
    assert_eq!(erased["subjects"], json!([USER]));
    let again = erase(&service, USER).await;
    assert_eq!(again, json!({"subjects": [], "position": erased["position"]}));

    let shown = service.get_json(MAILBOXES).await;
    for mailbox in shown["mailboxes"].as_array().unwrap() {
        assert_eq!((&mailbox["erased"], &mailbox["email"]), (&json!(true), &Value::Null));
        assert_eq!(mailbox["hasCredentials"], false, "there is nothing left to reveal");
        assert_eq!(
            (&mailbox["firstName"], &mailbox["lastName"]),
            (&Value::Null, &Value::Null)
        );
    }
    let as_of = format!("{MAILBOXES}?asOf={}", renewal["position"]);
    let earlier = service.get_json(&as_of).await;
    assert!(!earlier.to_string().contains("yasmeen"));
    assert_eq!(earlier["mailboxes"][0]["hasCredentials"], false);
    assert_eq!(call(&service, Method::POST, REVEAL).await.0, 410);
    let evidence = format!("/api/v1/events/{}/evidence", first["position"]);
    assert_eq!(call(&service, Method::POST, &evidence).await.0, 410);
    let state = service.get_json(&format!("/api/v1/subjects/{USER}")).await;
    assert_eq!(
        (&state["hasKey"], &state["erasedAtPosition"]),
        (&json!(false), &erased["position"])
    );

    for path in ["/api/v1/orders", "/api/v1/domains"] {
        let list = service.get_json(path).await;
        assert_eq!(list["items"][0]["erased"], true, "{path}: {list}");
    }

    // a repeat still counts as one though the original can't be compared, and so does other content with the same id
    let repeat = service.send(body).await;
    assert_eq!(
        (&repeat["status"], &repeat["position"]),
        (&json!("duplicate"), &first["position"])
    );
    let after = sound_log(&*store).await;
    for (one, other) in before.iter().zip(&after) {
        assert_eq!((one.leaf_hash, &one.facts), (other.leaf_hash, &other.facts));
    }
    service.caught_up(&*store, after.len() as u64).await;
    live_equals_rebuilt(&*store).await;
    let access = service.get_json("/api/v1/access?action=erase").await;
    let entries = access["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{access}");
    let said = entries[0].to_string();
    assert!(
        said.contains(USER) && said.contains("request 2026-117") && !said.contains('@'),
        "{said}"
    );
    service.stop().await;
}

/// An assignment of one mailbox.
pub fn assignment(event_id: &str, user: &str, order: &str, password: &str) -> String {
    json!({"event": "prewarmup.order.success", "eventId": event_id, "data": {
        "userId": user, "orderId": order, "mailboxDetails": [{
            "domain": format!("{}.example", order.to_lowercase()), "subscriptionId": format!("S-{order}"),
            "preWarmedUpMailboxes": [{
                "mailboxId": format!("M-{order}"), "email": format!("box@{order}.example"), "password": password,
            }],
        }],
    }})
    .to_string()
}

async fn what_comes_in_after_an_erasure_is_recorded_under_a_new_key(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    service.send(assignment("E1", "U1", "O1", "old secret")).await;
    let erased = erase(&service, "U1").await;
    let new = service.send(assignment("E2", "U1", "O2", "new secret")).await;
    assert!(new["position"].as_u64() > erased["position"].as_u64());
    service.caught_up(&*store, new["position"].as_u64().unwrap()).await;
    let check = async |service: &TestService| {
        let old = service.get_json("/api/v1/domains/o1.example/mailboxes").await;
        assert_eq!(old["mailboxes"][0]["erased"], true, "{old}");
        let new = service.get_json("/api/v1/domains/o2.example/mailboxes").await;
        assert_eq!(new["mailboxes"][0]["email"], "box@O2.example");
        let has_credentials = [&old, &new].map(|shown| shown["mailboxes"][0]["hasCredentials"].clone());
        assert_eq!(has_credentials, [false, true]);
        let path = |order: &str| format!("/api/v1/mailboxes/M-{order}/credentials/reveal");
        assert_eq!(call(service, Method::POST, &path("O1")).await.0, 410);
        let revealed = call(service, Method::POST, &path("O2")).await;
        assert_eq!((revealed.0, &revealed.1["password"]), (200, &json!("new secret")));
    };
    check(&service).await;
    service.stop().await;
    // with empty caches
    let service = database.service().await;
    check(&service).await;
    assert_eq!(erase(&service, "U1").await["subjects"], json!(["U1"]));
    let new = service.get_json("/api/v1/domains/o2.example/mailboxes").await;
    assert_eq!(new["mailboxes"][0]["erased"], true, "{new}");
    service.stop().await;
}

async fn a_password_that_comes_in_after_an_erasure_is_handed_out_alone(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    for order in ["O1", "O2"] {
        let body = assignment(&format!("E-{order}"), "U1", order, "old secret");
        service
            .send(body.replace(&format!("{}.example", order.to_lowercase()), "both.example"))
            .await;
    }
    erase(&service, "U1").await;
    let updated = json!({"event": "mailbox.updated", "eventId": "E2", "data": {
        "userId": "U1", "mailboxId": "M-O1", "updatedFields": {"password": "new secret"},
    }});
    let new = service.send(updated.to_string()).await;
    service.caught_up(&*store, new["position"].as_u64().unwrap()).await;
    let (status, revealed) = call(&service, Method::POST, "/api/v1/mailboxes/M-O1/credentials/reveal").await;
    assert_eq!(status, 200, "{revealed}");
    let shown = ["password", "email", "appPassword", "erased"].map(|field| revealed[field].clone());
    assert_eq!(shown, [json!("new secret"), Value::Null, Value::Null, json!(true)]);
    let gone = call(&service, Method::POST, "/api/v1/mailboxes/M-O2/credentials/reveal").await;
    assert_eq!(gone.0, 410, "{}", gone.1);
    service.stop().await;
}

async fn another_process_hands_out_nothing_behind_an_erasure(database: Database) {
    let (one, other) = (database.service().await, database.service().await);
    let store = database.store().await;
    for round in 0..8 {
        let order = format!("O{round}");
        let new = one.send(assignment(&format!("E{round}"), "U1", &order, "secret")).await;
        other.caught_up(&*store, new["position"].as_u64().unwrap()).await;
        let path = format!("/api/v1/mailboxes/M-{order}/credentials/reveal");
        // its cache has the key
        assert_eq!(call(&other, Method::POST, &path).await.0, 200);
        let erased = erase(&one, "U1").await["position"].as_u64().unwrap();
        let (status, answer) = call(&other, Method::POST, &path).await;
        assert_eq!(status, 410, "behind the erasure at {erased}: {answer}");
    }
    one.stop().await;
    other.stop().await;
}

async fn erased_credentials_are_there_as_of_no_moment(database: Database) {
    let service = database.service().await;
    service.send(assignment("E1", "U1", "O1", "old secret")).await;
    let erased = erase(&service, "U1").await["position"].as_u64().unwrap();
    let mut other: Value = serde_json::from_str(&assignment("E2", "U1", "O1", "new secret")).unwrap();
    other["data"]["mailboxDetails"][0]["preWarmedUpMailboxes"][0]["mailboxId"] = "M-new".into();
    let new = service.send(other.to_string()).await["position"].as_u64().unwrap();
    let program = Program::new(&database);
    for at in [erased - 1, new] {
        let shown = program
            .run(&format!("projections as-of mailboxes o1.example --at {at} --json"))
            .await;
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        for mailbox in shown["row"]["mailboxes"].as_array().unwrap() {
            let is_new = mailbox["mailboxId"] == "M-new";
            assert_eq!(mailbox["hasCredentials"], is_new, "{shown}");
            let credentials = mailbox["credentials"].as_array().unwrap();
            assert_eq!(credentials.is_empty(), !is_new, "{shown}");
        }
    }
    let by_http = service
        .get_json(&format!("/api/v1/projections/mailboxes/diff?key=o1.example&to={new}"))
        .await;
    let by_program = program
        .run(&format!(
            "projections diff mailboxes o1.example --from 0 --to {new} --json"
        ))
        .await;
    let by_program: Value = serde_json::from_str(&by_program.stdout).unwrap();
    assert_eq!(by_program, by_http);
    let shown: Vec<_> = by_http["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["path"].as_str().unwrap().ends_with("/hasCredentials"))
        .map(|change| (&change["after"], &change["events"][0]["value"]))
        .collect();
    let (no, yes) = (json!(false), json!(true));
    assert_eq!(shown, [(&no, &no), (&yes, &yes)], "{by_http}");
    // the row still lists which parts each event brought
    let rows = service
        .get_json("/api/v1/projections/accounts/rows?mailbox_id=M-O1&atLeast=1")
        .await;
    let parts = &rows["items"][0]["document"]["tellings"][0]["parts"];
    assert!(parts.as_array().unwrap().contains(&json!("password")), "{rows}");
    service.stop().await;
}
