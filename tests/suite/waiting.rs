//! `serve` before its database is available.

use std::time::{Duration, Instant};

use crate::cli::program::{Program, Running};
use crate::support::Database;
use crate::support::cluster::Cluster;
use crate::support::transit::{TOKEN, TransitEngine};

/// The answer to a call: its status and its body.
async fn call(base: &str, path: &str) -> (u16, String) {
    let client = reqwest::Client::new();
    let response = match path.starts_with("/webhooks") {
        true => client.post(format!("{base}{path}")).body("{}").send().await.unwrap(),
        false => client.get(format!("{base}{path}")).send().await.unwrap(),
    };
    if response.status() == 503 {
        assert_eq!(response.headers()["retry-after"], "5", "{path}");
    }
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Starts it, and waits until it logs that it waits.
async fn waiting(program: &Program) -> (Running, String) {
    waiting_for(program, "waiting for the database").await
}

async fn waiting_for(program: &Program, words: &str) -> (Running, String) {
    let mut running = program.start("serve --listen 127.0.0.1:0");
    let line = running.told(words).await;
    let address = line.rsplit_once("http://").unwrap().1;
    let end = address.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')));
    (running, format!("http://{}", &address[..end.unwrap_or(address.len())]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_postgresql_and_answers_meanwhile() {
    let mut cluster = Cluster::start().await;
    let database = Database::at(cluster.url());
    cluster.kill();
    let program = Program::new(&database);
    let (mut running, base) = waiting(&program).await;
    assert_eq!(call(&base, "/healthz").await.0, 200);
    for path in ["/readyz", "/webhooks/coldmailreseller", "/api/v1/orders"] {
        let (status, body) = call(&base, path).await;
        assert_eq!(status, 503, "{path}");
        assert!(body.contains("waiting for the database"), "{body}");
    }
    cluster.restart().await;
    running.told("listening on http://").await;
    let begun = Instant::now();
    while call(&base, "/readyz").await.0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not get ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // not authentic, but the signature is checked
    assert_eq!(call(&base, "/webhooks/coldmailreseller").await.0 / 100, 4);
    let (code, rest) = running.signal("TERM").await;
    assert_eq!(code, Some(0), "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_a_standby_to_be_promoted() {
    let primary = Cluster::start().await;
    let standby = primary.standby().await;
    let program = Program::new(&Database::at(standby.url()));
    let (mut running, base) = waiting(&program).await;
    assert_eq!(call(&base, "/readyz").await.0, 503);
    standby.promote().await;
    running.told("listening on http://").await;
    assert_eq!(call(&base, "/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_its_transit_engine() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let program = Program::new(&Database::sqlite())
        .env("WARMLEDGER_TRANSIT_URL", &format!("http://{address}"))
        .env("WARMLEDGER_TRANSIT_KEY", "warmledger")
        .env("WARMLEDGER_TRANSIT_TOKEN", TOKEN);
    let (mut running, base) = waiting_for(&program, "waiting for the transit engine").await;
    assert_eq!(call(&base, "/healthz").await.0, 200);
    assert_eq!(call(&base, "/readyz").await.0, 503);
    let engine = TransitEngine::at(&address).await;
    running.told("listening on http://").await;
    assert_eq!(call(&base, "/readyz").await.0, 200);
    assert!(!engine.calls().is_empty());
    let (code, rest) = running.signal("TERM").await;
    assert_eq!(code, Some(0), "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_waiting() {
    let database = Database::at("postgres:///nobody?host=/nowhere".to_owned());
    let program = Program::new(&database);
    for name in ["INT", "TERM"] {
        let (running, base) = waiting(&program).await;
        assert_eq!(call(&base, "/healthz").await.0, 200);
        let begun = Instant::now();
        let (code, rest) = running.signal(name).await;
        assert_eq!(code, Some(0), "{rest}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let entries = std::fs::read_dir(database.dir.path()).unwrap();
    assert_eq!(entries.count(), 0, "no keys are made before there is a ledger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waiting_would_not_mend_ends_at_once() {
    let cluster = Cluster::start().await;
    for (change, expected) in [
        (("/postgres?", "/nothing?"), "nothing"),
        (("user=postgres", "user=nobody"), "nobody"),
        (
            ("?", "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem&"),
            "/nowhere/ca.pem",
        ),
    ] {
        let database = Database::at(cluster.url().replacen(change.0, change.1, 1));
        let ended = Program::new(&database).run("serve --listen 127.0.0.1:0").await;
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}
