//! `/readyz` reports whether a webhook would be recorded.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::cluster::Cluster;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture};

on_both_stores!(a_service_whose_writes_wait_is_not_ready);

/// Time-out for an answer to reflect a change: a second between probes, a time-out of 3 s, and a busy machine.
const BOUND: Duration = Duration::from_secs(15);

/// Polls until the status is as expected; returns the detail.
async fn until(base: &str, status: u16) -> String {
    let (client, begun) = (reqwest::Client::new(), Instant::now());
    loop {
        let response = client.get(format!("{base}/readyz")).send().await.unwrap();
        let (found, body) = (response.status(), response.text().await.unwrap());
        if found == status {
            let body: Value = serde_json::from_str(&body).unwrap();
            return body["detail"].as_str().unwrap_or_default().to_owned();
        }
        assert!(begun.elapsed() < BOUND, "{found}: {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn recorded(service: &TestService, name: &str) -> u16 {
    service.webhook(fixture(name)).send().await.unwrap().status().as_u16()
}

async fn a_service_whose_writes_wait_is_not_ready(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    until(&service.base, 200).await;
    let raw = Raw::connect(&database).await;
    let lock = match database.is_postgres() {
        true => "BEGIN; LOCK TABLE events IN EXCLUSIVE MODE",
        false => "BEGIN IMMEDIATE",
    };
    raw.execute(lock).await;
    assert!(until(&service.base, 503).await.contains("not available"));
    raw.execute("ROLLBACK").await;
    until(&service.base, 200).await;
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_a_read_only_server_is_not_ready_and_is_again_when_that_passes() {
    let cluster = Cluster::start().await;
    let database = Database::at(cluster.url());
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    cluster.set("default_transaction_read_only = on").await;
    assert!(until(&service.base, 503).await.contains("takes no writes"));
    let refused = service
        .webhook(fixture("prewarmup.order.failed.json"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    // existing rows can be read
    assert_eq!(service.get("/api/v1/orders").await.status(), 200);
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("warmledger_takes_webhooks 0"), "{metrics}");
    cluster.set("default_transaction_read_only = off").await;
    let begun = Instant::now();
    while recorded(&service, "prewarmup.order.failed.json").await != 200 {
        assert!(begun.elapsed() < BOUND, "read-only connections linger");
    }
    until(&service.base, 200).await;
    service.stop().await;
}

/// A limit on the file's size acts like a full disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_on_a_full_disk_is_not_ready_and_is_again_when_that_passes() {
    let database = Database::sqlite();
    assert_eq!(Program::new(&database).run("migrate").await.code, 0);
    let limited = "trap '' XFSZ; ulimit -S -f 2048; exec \"$@\"";
    let program = Program::new(&database).through(&["bash", "-c", limited, "bash"]);
    let mut running = program.start("serve --listen 127.0.0.1:0");
    let line = running.told("listening on http://").await;
    let base = format!("http://{}", line.rsplit_once("http://").unwrap().1.trim());
    let key = std::fs::read_to_string(database.dir.path().join("webhook.key")).unwrap();
    let key = warmledger::secret::Secret::new(key.trim().to_owned());
    let sender = |name: &str, padding: usize| {
        let mut body: Value = serde_json::from_slice(&fixture(name)).unwrap();
        let noise: String = (0..padding)
            .map(|_| char::from(rand::random_range(b'a'..=b'z')))
            .collect();
        body["padding"] = noise.into();
        body["eventId"] = format!("full-{:016x}", rand::random::<u64>()).into();
        let body = body.to_string();
        let timestamp = jiff::Timestamp::now().as_second().to_string();
        use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
        reqwest::Client::new()
            .post(format!("{base}/webhooks/coldmailreseller"))
            .header("content-type", "application/json")
            .header(
                SIGNATURE_HEADER,
                sign(&key, Scheme::TimestampDotBody, &timestamp, body.as_bytes()),
            )
            .header(TIMESTAMP_HEADER, timestamp)
            .body(body)
    };
    until(&base, 200).await;
    let begun = Instant::now();
    loop {
        let response = sender("prewarmup.order.failed.json", 600_000).send().await.unwrap();
        if response.status() == 503 {
            break;
        }
        assert_eq!(response.status(), 200);
        assert!(begun.elapsed() < BOUND, "the disk does not fill");
    }
    until(&base, 503).await;
    let process = running.id();
    let raised = Command::new("prlimit")
        .args(["--pid", &process.to_string(), "--fsize=unlimited"])
        .status();
    assert!(raised.unwrap().success());
    until(&base, 200).await;
    assert_eq!(
        sender("prewarmup.order.failed.json", 600_000)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let (code, rest) = running.signal("TERM").await;
    assert_eq!(code, Some(0), "{rest}");
}
