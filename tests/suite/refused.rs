//! Refused webhooks are kept aside, sealed, within bounds; and taken in once a key that is configured signs them.

use std::time::Duration;

use aggregates::{EventId, SubjectId};
use jiff::{SignedDuration, Timestamp};
use reqwest::Response;
use serde_json::{Value, json};
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::sealing::Sealed;
use warmledger::secret::Secret;
use warmledger::store::{KeptRefused, RefusedBounds, RefusedWebhook, Store};

use crate::cli::program::{Ended, Program};
use crate::on_both_stores;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    an_order_that_came_under_a_wrong_key_is_taken_in,
    a_webhook_that_came_late_passes_once_the_window_is_wide_enough,
    the_scheme_that_would_have_matched_is_told,
    one_of_the_wrong_content_type_passes,
    what_no_key_could_ever_sign_is_not_kept,
    keeping_can_be_turned_off,
    a_flood_pushes_out_neither_known_senders_nor_more_than_its_share,
    what_was_altered_is_not_taken_in,
    kept_webhooks_outlive_a_rotation_of_the_master_key,
    a_burst_of_refused_webhooks_is_kept_whole,
    a_replay_needs_the_keys_of_the_service,
);

const ORDER: &str = "WR3N4JEW3D76N6KGRQSG36SSHBXK";
/// A key that the service does not know.
const OTHER: &str = "a key of the provider's that nobody set";

async fn send(service: &TestService, key: &str, scheme: Scheme, second: i64) -> Response {
    let (body, timestamp) = (fixture("prewarmup.order.success.json"), second.to_string());
    let signature = sign(&Secret::new(key.to_owned()), scheme, &timestamp, &body);
    service
        .client
        .post(format!("{}/webhooks/coldmailreseller", service.base))
        .header("content-type", "application/json")
        .header(SIGNATURE_HEADER, signature)
        .header(TIMESTAMP_HEADER, timestamp)
        .body(body)
        .send()
        .await
        .unwrap()
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

async fn kept(database: &Database) -> Vec<Value> {
    let listed = Program::new(database).run("refused list --json").await;
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    listed.json().as_array().unwrap().clone()
}

/// Replays all with another key beside the own one.
async fn replay(database: &Database, settings: &[(&str, &str)], args: &str) -> Ended {
    let mut program = Program::new(database);
    for (name, value) in settings {
        program = program.env(name, value);
    }
    program.run(&format!("refused replay {args}")).await
}

async fn an_order_that_came_under_a_wrong_key_is_taken_in(database: Database) {
    let service = database.service().await;
    // the provider's three tries
    for _ in 0..3 {
        assert_eq!(send(&service, OTHER, Scheme::default(), now()).await.status(), 401);
    }
    let listed = kept(&database).await;
    assert_eq!(listed.len(), 3);
    for one in &listed {
        assert_eq!(
            (&one["cause"], &one["scheme"]),
            (&json!("wrongSignature"), &Value::Null)
        );
        assert_eq!(
            (&one["address"], &one["knownSender"]),
            (&json!("127.0.0.1"), &json!(false))
        );
        assert_eq!(one["eventId"], "6SSHBXWR3N4JEKGRQSG3KW3D76N6");
    }
    // nothing of it is in the ledger or a view
    let store = database.store().await;
    assert_eq!(store.head().await.unwrap().position.0, 0);
    assert_eq!(service.get_json("/api/v1/orders").await["items"], json!([]));
    // not yet
    let id = listed[0]["id"].as_str().unwrap();
    let early = replay(&database, &[], id).await;
    assert_eq!(early.code, 1, "{}", early.stderr);
    let line = &early.json_lines()[0];
    assert_eq!((&line["result"], &line["id"]), (&json!("refused"), &json!(id)));
    assert!(line["detail"].as_str().unwrap().contains("matches no key"), "{line}");
    assert_eq!(kept(&database).await.len(), 3);

    let key = format!(
        "{},{OTHER}",
        std::fs::read_to_string(database.dir.path().join("webhook.key"))
            .unwrap()
            .trim()
    );
    let keys = [("WARMLEDGER_WEBHOOK_KEY", key.as_str())];
    let taken = replay(&database, &keys, "--all --reason 'request-2026'").await;
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    let results: Vec<Value> = taken.json_lines().iter().map(|line| line["result"].clone()).collect();
    assert_eq!(results, ["recorded", "alreadyThere", "alreadyThere"]);
    let position = taken.json_lines()[0]["position"].as_u64().unwrap();
    assert!(kept(&database).await.is_empty());
    let again = replay(&database, &keys, id).await;
    assert_eq!(again.code, 2, "{}", again.stdout);
    assert!(again.stderr.contains("no refused webhook"), "{}", again.stderr);
    assert_eq!(replay(&database, &keys, "--all").await.code, 0);

    service.caught_up(&*store, position).await;
    let order = service.get_json(&format!("/api/v1/orders/{ORDER}")).await;
    assert_eq!(order["status"], "fulfilled", "{order}");
    // with its own signature, as evidence
    let program = Program::new(&database).env("WARMLEDGER_WEBHOOK_KEY", &key);
    let evidence = program
        .run(&format!("events evidence {position} --reason checking-the-evidence"))
        .await;
    assert_eq!(evidence.code, 0, "{}", evidence.stderr);
    assert!(evidence.stdout.contains("\"valid\""), "{}", evidence.stdout);
    let access = service.get_json("/api/v1/access?action=replayWebhook").await;
    assert_eq!(access["items"].as_array().unwrap().len(), 3, "{access}");
    assert_eq!(access["items"][2]["lastPosition"], position);
    service.stop().await;
}

async fn a_webhook_that_came_late_passes_once_the_window_is_wide_enough(database: Database) {
    let service = database.service().await;
    let key = service.key.expose().clone();
    assert_eq!(
        send(&service, &key, Scheme::default(), now() - 3_000).await.status(),
        401
    );
    let listed = kept(&database).await;
    assert_eq!(
        (&listed[0]["cause"], &listed[0]["scheme"]),
        (&json!("stale"), &json!("timestamp.body"))
    );
    let id = listed[0]["id"].as_str().unwrap();
    let early = replay(&database, &[], id).await;
    assert_eq!(early.code, 1);
    assert!(early.stdout.contains("at most 300 s are accepted"), "{}", early.stdout);
    // its age counts as of when it came
    let taken = replay(&database, &[("WARMLEDGER_FRESHNESS", "1h")], id).await;
    assert_eq!(taken.code, 0, "{}{}", taken.stdout, taken.stderr);
    service.stop().await;
    let service = database
        .service_with(|settings| settings.freshness = Duration::from_secs(3_600))
        .await;
    let late = send(&service, &key, Scheme::default(), now() - 3_000).await;
    assert_eq!(late.status(), 200);
    service.stop().await;
}

async fn the_scheme_that_would_have_matched_is_told(database: Database) {
    let service = database.service().await;
    let key = service.key.expose().clone();
    let answer = send(&service, &key, Scheme::Body, now()).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.text().await.unwrap().contains("WARMLEDGER_SIGNATURE=body"));
    assert_eq!(kept(&database).await[0]["scheme"], "body");
    service.stop().await;
    let taken = replay(&database, &[("WARMLEDGER_SIGNATURE", "body")], "--all").await;
    assert_eq!(taken.json_lines()[0]["result"], "recorded", "{}", taken.stderr);
}

async fn one_of_the_wrong_content_type_passes(database: Database) {
    let service = database.service().await;
    let mut request = service
        .webhook(fixture("prewarmup.order.success.json"))
        .build()
        .unwrap();
    request
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(service.client.execute(request).await.unwrap().status(), 415);
    assert_eq!(kept(&database).await[0]["cause"], "contentType");
    service.stop().await;
    let taken = replay(&database, &[], "--all --source coldmailreseller").await;
    assert_eq!(taken.json_lines()[0]["result"], "recorded", "{}", taken.stderr);
    assert!(replay(&database, &[], "--all --source nobody").await.stdout.is_empty());
}

async fn what_no_key_could_ever_sign_is_not_kept(database: Database) {
    let service = database.service().await;
    let url = format!("{}/webhooks/coldmailreseller", service.base);
    let body = fixture("prewarmup.order.success.json");
    let none = service.client.post(&url).body(body.clone()).send().await.unwrap();
    assert_eq!(none.status(), 401);
    let malformed = service
        .client
        .post(&url)
        .header(SIGNATURE_HEADER, "beef")
        .body(body.clone());
    assert_eq!(malformed.send().await.unwrap().status(), 401);
    let nobody = service
        .client
        .post(format!("{}/webhooks/nobody", service.base))
        .body(body);
    assert_eq!(nobody.send().await.unwrap().status(), 404);
    assert!(kept(&database).await.is_empty());
    service.stop().await;
}

async fn keeping_can_be_turned_off(database: Database) {
    let service = database
        .service_with(|settings| settings.refused_keep = Duration::ZERO)
        .await;
    assert_eq!(send(&service, OTHER, Scheme::default(), now()).await.status(), 401);
    assert_eq!(
        send(&service, OTHER, Scheme::default(), now() - 3_000).await.status(),
        401
    );
    assert!(kept(&database).await.is_empty());
    service.stop().await;
}

fn refused(n: u32, sender: &str, minutes_ago: i64) -> RefusedWebhook {
    RefusedWebhook {
        id: EventId::access(n.into()),
        at: Timestamp::now() - SignedDuration::from_mins(minutes_ago),
        source: "coldmailreseller".parse().unwrap(),
        address: sender.to_owned(),
        sender: sender.to_owned(),
        cause: "wrongSignature".to_owned(),
        scheme: None,
        event_id: None,
    }
}

async fn all(store: &dyn Store) -> Vec<KeptRefused> {
    store.refused(None, 10_000).await.unwrap()
}

async fn a_flood_pushes_out_neither_known_senders_nor_more_than_its_share(database: Database) {
    let store = database.store().await;
    let bounds = RefusedBounds {
        bytes: 80_000,
        count: 400,
        known_since: Timestamp::now() - SignedDuration::from_hours(24),
    };
    let webhook = || Sealed::from_bytes(vec![7; 1_000]);
    // an authentic webhook came from there this morning; from elsewhere one long ago
    for (sender, hours) in [("provider", 3), ("provider", 30), ("once", 30)] {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        store.know_senders(&[sender.to_owned()], at).await.unwrap();
    }
    for n in 0..3 {
        let answer = store
            .keep_refused(&refused(n, "provider", 60), &webhook(), bounds)
            .await;
        assert_eq!(answer.unwrap(), Some(0));
    }
    // one sender has an eighth at most: ten of a thousand bytes
    for n in 100..130 {
        store
            .keep_refused(&refused(n, "flood", 0), &webhook(), bounds)
            .await
            .unwrap();
    }
    let of = |kept: &[KeptRefused], sender: &str| kept.iter().filter(|one| one.refused.sender == sender).count();
    let kept = all(&*store).await;
    assert_eq!((of(&kept, "flood"), of(&kept, "provider")), (10, 3));
    let newest = |kept: &[KeptRefused]| kept.iter().any(|one| one.refused.id == EventId::access(129));
    assert!(newest(&kept), "the oldest made room");
    // and from everywhere: half of the room
    for n in 1_000..1_100 {
        store
            .keep_refused(&refused(n, &format!("s{n}"), 0), &webhook(), bounds)
            .await
            .unwrap();
    }
    store
        .keep_refused(&refused(5, "once", 0), &webhook(), bounds)
        .await
        .unwrap();
    let kept = all(&*store).await;
    assert_eq!(of(&kept, "provider"), 3);
    assert_eq!(kept.len(), 43, "40 of unknown senders, 3 of the known one");
    assert!(kept.iter().all(|one| one.known == (one.refused.sender == "provider")));
    // their number is bounded too
    let few = RefusedBounds { count: 16, ..bounds };
    store
        .keep_refused(&refused(6, "provider", 0), &webhook(), few)
        .await
        .unwrap();
    assert_eq!(of(&all(&*store).await, "provider"), 2);
    // one that is larger than a share
    let large = Sealed::from_bytes(vec![7; 10_001]);
    assert_eq!(
        store
            .keep_refused(&refused(7, "once", 0), &large, bounds)
            .await
            .unwrap(),
        None
    );
    let before = Timestamp::now() - SignedDuration::from_mins(30);
    assert_eq!(store.expire_refused(before).await.unwrap(), 1);
    assert_eq!(of(&all(&*store).await, "provider"), 1);
}

async fn what_was_altered_is_not_taken_in(database: Database) {
    let service = database.service().await;
    for _ in 0..2 {
        send(&service, OTHER, Scheme::default(), now()).await;
    }
    service.stop().await;
    let listed = kept(&database).await;
    let raw = Raw::connect(&database).await;
    // the bytes of the one under the name of the other
    let (one, other) = (listed[0]["id"].as_str().unwrap(), listed[1]["id"].as_str().unwrap());
    raw.execute(&format!(
        "UPDATE refused SET sealed = (SELECT sealed FROM refused WHERE id = '{other}') WHERE id = '{one}'"
    ))
    .await;
    let ended = replay(&database, &[("WARMLEDGER_WEBHOOK_KEY", OTHER)], one).await;
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(
        ended.stderr.contains(&format!("cannot replay {one}")),
        "{}",
        ended.stderr
    );
    assert_eq!(kept(&database).await.len(), 2);
}

async fn kept_webhooks_outlive_a_rotation_of_the_master_key(database: Database) {
    let service = database.service().await;
    send(&service, OTHER, Scheme::default(), now()).await;
    service.stop().await;
    let file = database.dir.path().join("master.key");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{}\n{old}", "5a".repeat(32))).unwrap();
    let program = Program::new(&database);
    let rotated = program.run("keys rotate --reason yearly-rotation").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    std::fs::write(&file, format!("{}\n", "5a".repeat(32))).unwrap();
    let taken = replay(&database, &[("WARMLEDGER_WEBHOOK_KEY", OTHER)], "--all").await;
    assert_eq!(taken.json_lines()[0]["result"], "recorded", "{}", taken.stderr);
    let verified = program.run("verify --full").await;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    // the key is nobody's
    let store = database.store().await;
    let reserved = SubjectId::parse("~refused").unwrap();
    assert!(
        store
            .without_key(std::slice::from_ref(&reserved))
            .await
            .unwrap()
            .is_empty()
    );
    let subjects = program.run("subjects list --json").await.json();
    assert!(!subjects.to_string().contains("~refused"), "{subjects}");
    let erased = program.run("subjects erase ~refused --reason nobody-at-all").await;
    assert_eq!(erased.code, 2, "{}", erased.stderr);
}

async fn a_burst_of_refused_webhooks_is_kept_whole(database: Database) {
    let service = database.service().await;
    // more than the minute's allowance of an unknown sender
    service.send(fixture("subscription.renewing.json")).await;
    let keys: Vec<String> = (0..100).map(|n| format!("{OTHER} {n}")).collect();
    let burst = keys.iter().map(|key| send(&service, key, Scheme::default(), now()));
    for answer in futures_util::future::join_all(burst).await {
        assert_eq!(answer.status(), 401);
    }
    assert_eq!(kept(&database).await.len(), 100);
    service.stop().await;
    // two commands at once: each takes in what the other has not
    let keys = [("WARMLEDGER_WEBHOOK_KEY", OTHER)];
    let (one, other) = tokio::join!(replay(&database, &keys, "--all"), replay(&database, &keys, "--all"));
    assert_eq!((one.code, other.code), (0, 0), "{}{}", one.stderr, other.stderr);
    assert_eq!(kept(&database).await.len(), 100, "no key of today signed them");
}

async fn a_replay_needs_the_keys_of_the_service(database: Database) {
    let program = Program::new(&database);
    assert_eq!(program.run("migrate").await.code, 0);
    let file = database.dir.path().join("webhook.key");
    assert!(!file.exists());
    let ended = replay(&database, &[], "--all").await;
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("WARMLEDGER_WEBHOOK_KEY"), "{}", ended.stderr);
    assert!(!file.exists(), "it invents no key");
}
