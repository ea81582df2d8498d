//! Several hosts on one ledger, each with its own files: secrets that one of them has and another lacks.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use warmledger::checkpoints;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::store::{Holds, Process, Store};
use warmledger::tlog::NoteVerifier;

use crate::cli::program::Program;
use crate::erasure::assignment;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::log::all_events;

on_both_stores!(
    a_rotation_names_the_host_that_lacks_the_new_key_and_goes_on_once_it_has_it,
    a_process_that_lacks_the_current_master_key_says_so_and_recovers,
    a_process_tells_what_it_is_missing,
    a_process_is_listed_while_it_is_heard_of,
    a_new_signing_key_signs_once_every_process_holds_it,
    a_process_that_lacks_the_signing_key_leaves_signing_to_another,
    what_another_host_signs_is_kept_in_mind_here,
    an_erasure_that_does_not_enter_the_journal_here_is_told_and_made_up_for,
);

const SECRETS: [&str; 4] = ["master.key", "webhook.key", "admin.token", "ledger-signing.key"];

/// Another host on the same ledger: a data directory of its own, with copies of these files.
fn other_host(database: &Database, files: &[&str]) -> Database {
    let other = Database::at(database.url.clone());
    other.take_over(database, files);
    other
}

/// Sends a signed webhook to a service in a separate process.
async fn send(service: &ChildService, body: String) -> Response {
    let timestamp = Timestamp::now().as_second().to_string();
    let signature = sign(&service.key, Scheme::TimestampDotBody, &timestamp, body.as_bytes());
    Client::new()
        .post(format!("{}/webhooks/coldmailreseller", service.base))
        .header("content-type", "application/json")
        .header(SIGNATURE_HEADER, signature)
        .header(TIMESTAMP_HEADER, timestamp)
        .body(body)
        .send()
        .await
        .unwrap()
}

/// The body of `/readyz`, once its status is this one.
async fn ready(base: &str, status: StatusCode) -> Value {
    let begun = Instant::now();
    loop {
        let response = reqwest::get(format!("{base}/readyz")).await.unwrap();
        if response.status() == status {
            return response.json().await.unwrap();
        }
        let late = begun.elapsed() > Duration::from_secs(20);
        assert!(!late, "{}: {}", response.status(), response.text().await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn metrics(base: &str) -> String {
    let response = reqwest::get(format!("{base}/metrics")).await.unwrap();
    response.text().await.unwrap()
}

async fn a_rotation_names_the_host_that_lacks_the_new_key_and_goes_on_once_it_has_it(database: Database) {
    let there = database.service().await;
    let elsewhere = other_host(&database, &SECRETS);
    let here = elsewhere.service().await;
    let store = database.store().await;
    there.send(assignment("E1", "U1", "O1", "secret")).await;
    let old = store.master_key().await.unwrap();

    let program = Program::new(&elsewhere);
    let refused = program.run("keys rotate --reason yearly-rotation").await;
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let named = format!("data directory {}", database.dir.path().display());
    let own = format!("data directory {}", elsewhere.dir.path().display());
    assert!(refused.stderr.contains(&named), "{}", refused.stderr);
    assert!(!refused.stderr.contains(&own), "{}", refused.stderr);
    assert_eq!(store.master_key().await.unwrap(), old);
    there.send(assignment("E2", "U2", "O2", "secret")).await;
    here.send(assignment("E3", "U3", "O3", "secret")).await;

    database.take_over(&elsewhere, &["master.key"]);
    let rotated = program.run("keys rotate --reason yearly-rotation").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let new = store.master_key().await.unwrap();
    assert_ne!(new, old);
    there.send(assignment("E4", "U4", "O4", "secret")).await;
    here.send(assignment("E5", "U5", "O5", "secret")).await;
    let counts = store.key_counts().await.unwrap();
    assert!(counts.len() == 1 && Some(counts[0].0) == new, "{counts:?}");
    let events = all_events(&*store).await;
    let told = |kind: &str| events.iter().filter(|event| event.type_name == kind).count();
    assert_eq!((told("MasterKeyAdded"), told("KeysRotated")), (1, 1));
    // it does not wait for a process that has ended
    there.stop().await;
    let again = program.run("keys rotate").await;
    assert_eq!(again.code, 0, "{}", again.stderr);
    here.stop().await;
}

async fn a_process_that_lacks_the_current_master_key_says_so_and_recovers(database: Database) {
    let mut there = ChildService::start(&database).await;
    assert_eq!(send(&there, assignment("E1", "U1", "O1", "secret")).await.status(), 200);
    let elsewhere = other_host(&database, &SECRETS);
    let here = elsewhere.service().await;
    let store = database.store().await;
    let rotated = Program::new(&elsewhere).run("keys rotate --force").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let new = store.master_key().await.unwrap().unwrap();

    // at once, before any notification
    for n in 0..20 {
        let refused = send(
            &there,
            assignment(&format!("L{n}"), &format!("L{n}"), &format!("L{n}"), "s"),
        )
        .await;
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("master key"), "{problem}");
    }
    let problem = ready(&there.base, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(
        problem["detail"].as_str().unwrap().contains(&new.to_string()),
        "{problem}"
    );
    let told = metrics(&there.base).await;
    assert!(told.contains("warmledger_master_key_missing 1"), "{told}");
    assert!(
        told.contains("warmledger_webhooks_without_master_key_total 20"),
        "{told}"
    );
    let log = there.log();
    let lines = log.lines().filter(|line| line.contains("ERROR")).count();
    assert!(
        (1..=2).contains(&lines),
        "it is said once, and not for each webhook: {log}"
    );
    here.send(assignment("E2", "U2", "O2", "secret")).await;

    database.take_over(&elsewhere, &["master.key"]);
    ready(&there.base, StatusCode::OK).await;
    for n in 0..20 {
        let taken = send(
            &there,
            assignment(&format!("L{n}"), &format!("L{n}"), &format!("L{n}"), "s"),
        )
        .await;
        assert_eq!(taken.status(), 200);
    }
    assert!(metrics(&there.base).await.contains("warmledger_master_key_missing 0"));
    here.stop().await;
    assert!(there.terminate().await.success());
}

/// The missing secrets that `/readyz` reports, once it reports all these.
async fn differing(base: &str, things: &[&str]) -> String {
    let begun = Instant::now();
    loop {
        let told = ready(base, StatusCode::OK).await["differences"].to_string();
        if things.iter().all(|thing| told.contains(thing)) {
            return told;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_process_tells_what_it_is_missing(database: Database) {
    let first = database.service().await;
    let elsewhere = other_host(&database, &["master.key"]);
    let second = elsewhere.service().await;
    let store = database.store().await;
    let told = differing(&second.base, &["admin token", "webhook key", "key that signs"]).await;
    let differences = differing(&first.base, &["admin token"]).await;
    assert!(!differences.contains("key that signs"), "{differences}");
    assert!(
        metrics(&second.base)
            .await
            .contains("warmledger_process_differs{thing=\"signing_key\"}")
    );
    // neither this answer nor the table allows guessing a secret
    let kept = format!("{:?}", store.processes().await.unwrap());
    for service in [&first, &second] {
        use sha2::{Digest, Sha256};
        for secret in [&service.token, service.key.expose()] {
            let hash = hex::encode(Sha256::digest(secret));
            for text in [&told, &kept] {
                assert!(!text.contains(secret.as_str()) && !text.contains(&hash[..16]));
            }
        }
    }

    second.stop().await;
    let begun = Instant::now();
    while ready(&first.base, StatusCode::OK).await.get("differences").is_some() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it has ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    first.stop().await;
}

async fn a_process_is_listed_while_it_is_heard_of(database: Database) {
    let store = database.store().await;
    let process = |id: &str| Process {
        id: id.to_owned(),
        host: "host".to_owned(),
        pid: 7,
        data_dir: "/data".to_owned(),
        version: "1".to_owned(),
        holds: Holds {
            master_keys: vec!["k".to_owned()],
            ..Holds::default()
        },
    };
    let ids = async || {
        let seen = store.processes().await.unwrap();
        let ids = seen.iter().map(|seen| format!("{}{}", seen.process.id, seen.beats));
        ids.collect::<Vec<_>>()
    };
    for id in ["a", "b", "b", "c"] {
        store.process_seen(&process(id)).await.unwrap();
    }
    assert_eq!(store.processes().await.unwrap()[0].process, process("a"));
    assert_eq!(ids().await, ["a1", "b2", "c1"]);
    store.process_ended("a").await.unwrap();
    database
        .execute("UPDATE processes SET seen_at = '2026-01-01T00:00:00.000Z' WHERE id = 'b'")
        .await;
    assert_eq!(ids().await, ["c1"]);
    // a process not seen for a day is removed
    store.process_seen(&process("c")).await.unwrap();
    store.process_seen(&process("b")).await.unwrap();
    assert_eq!(ids().await, ["c2", "b1"]);
}

/// Waits until a checkpoint over so many events is signed by this key.
async fn signed_by(store: &dyn Store, verifier: &str, size: u64) {
    let key = NoteVerifier::parse(verifier).unwrap();
    let begun = Instant::now();
    loop {
        let latest = store.latest_checkpoint().await.unwrap();
        let signed = latest.and_then(|latest| checkpoints::open(&latest.note, std::slice::from_ref(&key)).ok());
        if signed.as_ref().is_some_and(|signed| signed.size >= size) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{signed:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_new_signing_key_signs_once_every_process_holds_it(database: Database) {
    let there = database.service().await;
    let store = database.store().await;
    there.send(assignment("E1", "U1", "O1", "secret")).await;
    there.signed(&*store, 1).await;
    let elsewhere = other_host(&database, &SECRETS);
    let here = elsewhere.service().await;
    let old = store.signing_keys().await.unwrap();

    let program = Program::new(&elsewhere);
    let refused = program.run("keys rotate-signing").await;
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let named = format!("data directory {}", database.dir.path().display());
    assert!(refused.stderr.contains(&named), "{}", refused.stderr);
    assert!(refused.stderr.contains("ledger-signing.key.next"), "{}", refused.stderr);
    assert_eq!(store.signing_keys().await.unwrap().len(), old.len());

    database.take_over(&elsewhere, &["ledger-signing.key.next"]);
    let rotated = program.run("keys rotate-signing").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    there.send(assignment("E2", "U2", "O2", "secret")).await;
    let head = store.head().await.unwrap().position.0;
    signed_by(&*store, rotated.stdout.trim(), head).await;
    let events = all_events(&*store).await;
    let told = events
        .iter()
        .filter(|event| event.type_name == "SigningKeyRotated")
        .count();
    assert_eq!(told, 1);
    here.stop().await;
    there.stop().await;
    let verified = program.run("verify --full").await;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

async fn a_process_that_lacks_the_signing_key_leaves_signing_to_another(database: Database) {
    let there = database.service().await;
    let store = database.store().await;
    there.send(assignment("E1", "U1", "O1", "secret")).await;
    // it holds the lease
    there.signed(&*store, 1).await;
    let elsewhere = other_host(&database, &SECRETS);
    let here = elsewhere.service().await;
    let rotated = Program::new(&elsewhere).run("keys rotate-signing --force").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    there.send(assignment("E2", "U2", "O2", "secret")).await;
    signed_by(&*store, rotated.stdout.trim(), 3).await;
    differing(&there.base, &["key that signs"]).await;
    there.stop().await;
    here.stop().await;
}

async fn what_another_host_signs_is_kept_in_mind_here(database: Database) {
    let there = database.service().await;
    let store = database.store().await;
    there.send(assignment("E1", "U1", "O1", "secret")).await;
    there.signed(&*store, 1).await;
    there.stop().await;
    store.close().await;
    let backup = database.copy().await;

    let there = database.service().await;
    let store = database.store().await;
    there.send(assignment("E2", "U2", "O2", "secret")).await;
    there.signed(&*store, 2).await;
    let elsewhere = other_host(&database, &SECRETS);
    let here = elsewhere.service().await;
    there.send(assignment("E3", "U3", "O3", "secret")).await;
    let kept = elsewhere.dir.path().join("checkpoint.latest");
    let begun = Instant::now();
    let size = |note: String| note.lines().nth(1).and_then(|size| size.parse::<u64>().ok());
    while std::fs::read_to_string(&kept).ok().and_then(size) < Some(3) {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "only the host that signs keeps it"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    here.stop().await;
    there.stop().await;

    // the signing host is gone, and the database was replaced by an older copy
    backup.take_over(&elsewhere, &SECRETS);
    backup.take_over(&elsewhere, &["checkpoint.latest"]);
    let service = backup.service().await;
    // webhooks are still recorded, so it is an alert
    let begun = Instant::now();
    loop {
        let told = ready(&service.base, StatusCode::OK).await["alerts"].to_string();
        if told.contains("rolled back") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.stop().await;
}

async fn an_erasure_that_does_not_enter_the_journal_here_is_told_and_made_up_for(database: Database) {
    let mut there = ChildService::start(&database).await;
    assert_eq!(send(&there, assignment("E1", "U1", "O1", "secret")).await.status(), 200);
    let journal = database.dir.path().join("erasures.jsonl");
    std::fs::create_dir(&journal).unwrap();
    let elsewhere = other_host(&database, &SECRETS);
    let erased = Program::new(&elsewhere)
        .run("subjects erase U1 --reason an-erasure-elsewhere")
        .await;
    assert_eq!(erased.code, 0, "{}", erased.stderr);
    let becomes = async |value: &str| {
        let begun = Instant::now();
        while !metrics(&there.base)
            .await
            .contains(&format!("warmledger_erasures_not_followed {value}"))
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", there.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    becomes("1").await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let log = there.log();
    let told = log.lines().filter(|line| line.contains("erasures elsewhere")).count();
    assert_eq!(told, 1, "{log}");
    std::fs::remove_dir(&journal).unwrap();
    becomes("0").await;
    assert!(std::fs::read_to_string(&journal).unwrap().contains("U1"));
    assert!(there.terminate().await.success());
}
