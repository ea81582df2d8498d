//! The record of feed reads, rebuilds and commands; and the access log in SQL.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, call, log, token};
use crate::on_both_stores;
use crate::support::log::live_equals_rebuilt;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(
    reading_the_feed_is_recorded_once_a_session,
    reading_timelines_the_access_log_and_proofs_is_recorded_once_a_session,
    events_that_a_command_reads_are_recorded_once_for_each,
    a_rebuild_is_recorded_with_its_reason,
    commands_are_recorded_under_the_users_name_and_their_tokens_work,
);

async fn reading_the_feed_is_recorded_once_a_session(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (id, token) = token(&service, "auditor", &["audit"]).await;
    for query in ["", "?after=1", "?limit=1"] {
        let path = format!("/api/v1/events{query}");
        assert_eq!(answer(call(&service, Method::GET, &path, &token)).await.0, 200);
    }
    let stream = call(&service, Method::GET, "/api/v1/events/stream?after=1", &token)
        .send()
        .await;
    assert_eq!(stream.unwrap().status(), 200);
    let entries = log(&service, "action=readFeed").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(
        (&entries[0]["actor"], &entries[0]["firstPosition"]),
        (&json!(id), &json!(1))
    );
    assert_eq!(service.get("/api/v1/events").await.status(), 200);
    assert_eq!(
        log(&service, "action=readFeed").await.len(),
        2,
        "another token is another session"
    );
    service.stop().await;
}

async fn reading_timelines_the_access_log_and_proofs_is_recorded_once_a_session(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.signed(&*database.store().await, 1).await;
    let (id, token) = token(&service, "auditor", &["audit", "read"]).await;
    let order = "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK/events";
    for path in [
        order,
        "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK/events?after=1",
        "/api/v1/access",
        "/api/v1/access?limit=1",
        "/api/v1/projections/access/rows",
        "/api/v1/proofs/inclusion?position=1",
        "/api/v1/proofs/inclusion.tlog-proof?position=1",
        "/api/v1/proofs/consistency?from=1",
        "/tile/entries/000.p/1",
        // hashes and signatures reveal nothing about anyone
        "/checkpoint",
        "/tile/0/000.p/1",
        "/api/v1/signing-keys",
        "/api/v1/orders",
    ] {
        let (status, body) = answer(call(&service, Method::GET, path, &token)).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    let entries = log(&service, &format!("actor={id}")).await;
    let actions: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["readTimelines", "readAccessLog", "readProofs"]);
    assert!(
        entries
            .iter()
            .all(|entry| entry["outcome"] == "granted" && entry["address"] == "127.0.0.1")
    );
    // another token is another session
    assert_eq!(service.get(order).await.status(), 200);
    assert_eq!(log(&service, "action=readTimelines").await.len(), 2);
    service.stop().await;
}

async fn events_that_a_command_reads_are_recorded_once_for_each(database: Database) {
    let service = database.service().await;
    for name in ["prewarmup.order.success.json", "mailbox.created.json"] {
        service.send(fixture(name)).await;
    }
    for (arguments, first) in [
        (&["events", "list", "--after", "1", "--limit", "1"][..], 2),
        (&["events", "show", "2"], 2),
        // after the records of the first two, and of the access log's read here
        (&["events", "tail", "-n", "1"], 5),
    ] {
        let (done, printed) = warmledger(&database, arguments);
        assert!(done && !printed.contains("warning"), "{arguments:?}: {printed}");
        let entry = log(&service, "action=readFeed&limit=1").await.remove(0);
        assert!(entry["actor"].as_str().unwrap().starts_with("cli:"), "{entry}");
        assert_eq!(entry["firstPosition"], first, "{arguments:?}");
    }
    assert_eq!(log(&service, "action=readFeed").await.len(), 3);
    service.stop().await;
}

async fn a_rebuild_is_recorded_with_its_reason(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let path = "/api/v1/projections/orders/rebuild?reason=after%20the%20fix";
    assert_eq!(answer(call(&service, Method::POST, path, &service.token)).await.0, 202);
    let entries = log(&service, "action=rebuild").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["projection"], &entries[0]["reason"]),
        (&json!("orders"), &json!("after the fix"))
    );
    service.stop().await;
    live_equals_rebuilt(&*database.store().await).await;
}

fn warmledger(database: &Database, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmledger"));
    command
        .args(["--database-url", &database.url, "--data-dir"])
        .arg(database.dir.path());
    let output = command
        .args(arguments)
        .env_remove("WARMLEDGER_TEST_POSTGRES_URL")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), text)
}

async fn commands_are_recorded_under_the_users_name_and_their_tokens_work(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let create = [
        "tokens",
        "create",
        "--name",
        "billing",
        "--scope",
        "read,operate",
        "--expires",
        "90d",
        "--json",
    ];
    let (done, made) = warmledger(&database, &create);
    assert!(done, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert_eq!(
        answer(call(&service, Method::GET, "/api/v1/projections", token))
            .await
            .0,
        200
    );
    let (done, listed) = warmledger(&database, &["tokens", "list"]);
    assert!(
        done && listed.contains(id) && listed.contains("billing") && !listed.contains(token),
        "{listed}"
    );
    assert!(warmledger(&database, &["projections", "rebuild", "orders"]).0);
    assert!(warmledger(&database, &["projections", "rebuild", "orders", "--check"]).0);
    assert!(warmledger(&database, &["tokens", "revoke", id]).0);
    let (done, refused) = warmledger(&database, &["tokens", "revoke", id]);
    assert!(!done && refused.contains("was revoked at"), "{refused}");
    let (done, refused) = warmledger(&database, &["tokens", "create", "--name", "x", "--scope", "write"]);
    assert!(!done && refused.contains("reveal-bulk"), "{refused}");

    let entries = log(&service, "").await;
    let actions: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["createToken", "rebuild", "checkProjection", "revokeToken"]);
    for entry in &entries {
        assert!(entry["actor"].as_str().unwrap().starts_with("cli:"), "{entry}");
        assert_eq!(entry["address"], Value::Null);
    }
    assert_eq!(entries[1]["passed"], true);
    // the same in SQL
    let raw = Raw::connect(&database).await;
    let done = "SELECT action FROM access WHERE action <> 'readAccessLog' ORDER BY position";
    assert_eq!(raw.texts(done).await, actions);
    let kept = raw.texts("SELECT id || ' ' || name || ' ' || scopes FROM tokens").await;
    assert_eq!(kept, [format!("{id} billing read operate")]);
    for file in std::fs::read_dir(database.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!found, "only its hash is kept");
    }
    service.stop().await;
}
