//! Callers who hold connections open, whatever they send or leave unread, cannot keep others out, fill the memory or
//! the log, or delay a stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};

use crate::on_both_stores;
use crate::support::child::ChildService;
use crate::support::raw::Raw;
use crate::support::sse::Sse;
use crate::support::{Database, TestService};

on_both_stores!(
    bodies_that_stall_give_way_to_webhooks,
    connections_that_stall_keep_nobody_out,
    a_stop_waits_for_nobody_who_stalls,
    a_token_has_so_many_streams,
);

const MIB: usize = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

fn now() -> String {
    Timestamp::now().as_second().to_string()
}

/// The head of a webhook with a body of 1 MiB.
fn head(headers: &str) -> String {
    format!("POST /webhooks/coldmailreseller HTTP/1.1\r\nhost: x\r\ncontent-length: {MIB}\r\n{headers}\r\n")
}

/// Headers with a plausible signature.
fn plausible() -> String {
    format!(
        "{SIGNATURE_HEADER}: {}\r\n{TIMESTAMP_HEADER}: {}\r\n",
        "0".repeat(64),
        now()
    )
}

async fn connect(base: &str) -> TcpStream {
    TcpStream::connect(base.trim_start_matches("http://")).await.unwrap()
}

/// Sends some bytes, and keeps the connection.
async fn send(base: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(base).await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All bytes until the other end closes; none on a time-out.
async fn answer(stream: &mut TcpStream, patience: Duration) -> Option<String> {
    let mut bytes = Vec::new();
    // a reset connection counts as closed
    let _ = timeout(patience, stream.read_to_end(&mut bytes)).await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_not_waited_for_where_the_headers_are_wrong_already() {
    let service = Database::sqlite().service().await;
    let stale = format!("{SIGNATURE_HEADER}: {}\r\n{TIMESTAMP_HEADER}: 1\r\n", "0".repeat(64));
    let malformed = format!("{SIGNATURE_HEADER}: beef\r\n{TIMESTAMP_HEADER}: {}\r\n", now());
    for (headers, status) in [
        (String::new(), "401"),
        (malformed, "401"),
        (stale, "401"),
        (format!("{}content-encoding: br\r\n", plausible()), "415"),
    ] {
        let mut stream = send(&service.base, head(&headers).as_bytes()).await;
        let answer = answer(&mut stream, 5 * SECOND).await.expect("an answer, and the end");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{headers}: {answer}"
        );
    }
    service.stop().await;
}

async fn bodies_that_stall_give_way_to_webhooks(database: Database) {
    let service = database
        .service_with(|settings| settings.body_budget_bytes = (2 * MIB).try_into().unwrap())
        .await;
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut stream = send(&service.base, head(&plausible()).as_bytes()).await;
        // a connection that was answered already takes no more
        let _ = stream.write_all(&vec![b' '; MIB - 1]).await;
        stalled.push(stream);
    }
    let begun = Instant::now();
    for number in 0..20 {
        let body = format!(r#"{{"event": "unknown", "eventId": "E{number}", "data": {{}}}}"#);
        service.send(body).await;
    }
    assert!(begun.elapsed() < 8 * SECOND, "{:?}", begun.elapsed());
    let mut told = 0;
    for stream in &mut stalled[..4] {
        // unread bytes of a body may reset the connection and lose the answer
        let answer = answer(stream, 2 * SECOND).await.expect("the first have given way");
        told += usize::from(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"));
    }
    assert!(told > 0, "nobody was told to come back");
    service.stop().await;
}

async fn connections_that_stall_keep_nobody_out(database: Database) {
    const DESCRIPTORS: u32 = 256;
    let mut child = ChildService::start_with_descriptors(&database, DESCRIPTORS).await;
    let mut held = Vec::new();
    for number in 0..300 {
        let bytes = match number % 3 {
            0 => b"P".to_vec(),
            1 => head(&plausible()).into_bytes(),
            _ => Vec::new(),
        };
        held.push(send(&child.base, &bytes).await);
    }
    for number in 0..10 {
        let client = Client::builder().timeout(10 * SECOND).build().unwrap();
        let health = client.get(format!("{}/healthz", child.base)).send().await.unwrap();
        assert_eq!(health.status(), 200);
        let body = format!(r#"{{"event": "unknown", "eventId": "E{number}", "data": {{}}}}"#);
        let stamp = now();
        let request = client.post(format!("{}/webhooks/coldmailreseller", child.base));
        let request = request
            .header(
                SIGNATURE_HEADER,
                sign(&child.key, Scheme::default(), &stamp, body.as_bytes()),
            )
            .header(TIMESTAMP_HEADER, stamp);
        let answered = request.body(body).send().await.unwrap();
        assert_eq!(answered.status(), 200);
    }
    let log = child.log();
    assert!(
        log.contains("at most 128 connections are taken instead of 800"),
        "{log}"
    );
    let lines = log
        .lines()
        .filter(|line| line.contains("there are 128 connections"))
        .count();
    // 20 in ten seconds
    assert!((1..=80).contains(&lines), "{lines} lines: {log}");
    drop(held);
    assert_eq!(child.terminate().await.code(), Some(0));
}

async fn a_stop_waits_for_nobody_who_stalls(database: Database) {
    let mut child = ChildService::start(&database).await;
    let token = std::fs::read_to_string(database.dir.path().join("admin.token")).unwrap();
    let half_a_head = send(&child.base, b"POST /webhooks/coldmailreseller HTTP/1.1\r\nho").await;
    let half_a_body = send(&child.base, head(&plausible()).as_bytes()).await;
    let silent = connect(&child.base).await;
    let stream = format!(
        "GET /api/v1/events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        token.trim()
    );
    let takes_nothing = send(&child.base, stream.as_bytes()).await;
    tokio::time::sleep(SECOND).await;
    let begun = Instant::now();
    assert_eq!(child.terminate().await.code(), Some(0));
    assert!(begun.elapsed() < 8 * SECOND, "{:?}: {}", begun.elapsed(), child.log());
    drop((half_a_head, half_a_body, silent, takes_nothing));
}

async fn a_token_has_so_many_streams(database: Database) {
    let service = database
        .service_with(|settings| settings.streams_per_token = 2.try_into().unwrap())
        .await;
    let other = service
        .client
        .post(format!("{}/api/v1/tokens", service.base))
        .bearer_auth(&service.token)
        .json(&serde_json::json!({"name": "another", "scopes": ["audit"]}));
    let other: serde_json::Value = other.send().await.unwrap().json().await.unwrap();
    let (one, two) = (stream(&service).await, stream(&service).await);
    let refused = Sse::call(&service.base, &service.token, "", None).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("streams_per_token"), "{refused}");
    drop(Sse::open(&service.base, other["token"].as_str().unwrap(), "", None).await);
    drop(one);
    let begun = Instant::now();
    while Sse::call(&service.base, &service.token, "", None)
        .await
        .unwrap()
        .status()
        != 200
    {
        assert!(
            begun.elapsed() < 5 * SECOND,
            "a stream that ended leaves room for another"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(two);
    service.stop().await;
}

async fn stream(service: &TestService) -> Sse {
    Sse::open(&service.base, &service.token, "", None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_head_is_closed_and_half_a_body_answered_within_ten_seconds() {
    let service = Database::sqlite().service().await;
    let mut half_a_head = send(&service.base, b"GET /healthz HT").await;
    let mut half_a_body = send(&service.base, head(&plausible()).as_bytes()).await;
    let authenticated = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        service.token
    );
    let mut half_a_call = send(&service.base, authenticated.as_bytes()).await;
    let patience = 20 * SECOND;
    let (one, two, three) = tokio::join!(
        answer(&mut half_a_head, patience),
        answer(&mut half_a_body, patience),
        answer(&mut half_a_call, patience)
    );
    assert_eq!(one.as_deref(), Some(""), "it is closed");
    for answer in [two, three] {
        let answer = answer.expect("an answer");
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("within 10 s"),
            "{answer}"
        );
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anybody_can_send_fills_no_log() {
    let database = Database::sqlite();
    let mut child = ChildService::start(&database).await;
    let client = Client::new();
    for _ in 0..200 {
        let refused = client.post(format!("{}/webhooks/coldmailreseller", child.base)).send();
        assert_eq!(refused.await.unwrap().status(), 401);
        let nothing = client.get(format!("{}/nothing", child.base)).send();
        assert_eq!(nothing.await.unwrap().status(), 404);
    }
    // the first lines of each kind, one per request, and the number of dropped lines
    let begun = Instant::now();
    while child.log().matches("were left out").count() < 2 {
        assert!(begun.elapsed() < 25 * SECOND, "{}", child.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = child.log();
    let count = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    assert!((1..=60).contains(&count("not authentic")), "{log}");
    assert!((1..=60).contains(&count("answered")), "{log}");
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("answered") && line.contains("status=401"))
            .count(),
        0,
        "{log}"
    );
    assert_eq!(child.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_says_how_it_may_be_kept_and_one_host_is_named() {
    let service = Database::sqlite()
        .service_with(|settings| settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()])
        .await;
    for path in ["/healthz", "/nothing", "/api/v1/orders", "/openapi.json", "/metrics"] {
        let response = service.get(path).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(response.headers().contains_key("cache-control"), "{path}");
        assert!(!response.headers().contains_key("strict-transport-security"), "{path}");
        let https = service
            .client
            .get(format!("{}{path}", service.base))
            .header("x-forwarded-proto", "https");
        let https = https.send().await.unwrap();
        assert_eq!(
            https.headers()["strict-transport-security"],
            "max-age=31536000",
            "{path}"
        );
    }
    assert_eq!(
        service.get("/api/v1/orders").await.headers()["cache-control"],
        "no-store"
    );
    for (hosts, status) in [
        ("", "400"),
        ("host: a\r\nhost: b\r\n", "400"),
        ("host: a\r\nhost: a\r\n", "400"),
        ("host: a\r\n", "200"),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let mut stream = send(&service.base, request.as_bytes()).await;
        let answer = answer(&mut stream, 5 * SECOND).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{hosts}: {answer}");
    }
    service.stop().await;
}

/// A job that goes through whole tables waits for a connection as long as other jobs have all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_jobs_wait_for_each_other() {
    let database = Database::postgres().await;
    let store = database.store_with_keys().await;
    let raw = Raw::connect(&database).await;
    raw.execute("BEGIN; LOCK TABLE data_keys").await;
    let jobs: Vec<_> = (0..9)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.key_counts().await.map(drop) })
        })
        .collect();
    // longer than a short call waits for a connection
    tokio::time::sleep(Duration::from_secs(3)).await;
    raw.execute("COMMIT").await;
    for job in jobs {
        job.await.unwrap().unwrap();
    }
}
