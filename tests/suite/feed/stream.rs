//! Server-sent events: a reader misses no event and gets none twice, whatever happens to the connection.

use std::time::{Duration, Instant};

use aggregates::EventId;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use warmledger::http::{Limits, serve};
use warmledger::simulate::{self, Options, Plan};

use crate::on_both_stores;
use crate::support::child::{ChildService, sender};
use crate::support::log::sound_log;
use crate::support::sse::Sse;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_stream_gives_every_event_and_goes_on,
    a_stream_resumes_after_what_was_seen,
    a_stream_tells_of_other_processes_events,
    filters_are_the_same_in_stream_and_pages,
    a_filtered_stream_tells_how_far_it_has_come,
    a_reader_that_is_cut_off_again_and_again_sees_every_event_once_in_order,
    open_streams_end_with_the_service,
);

const HISTORY: [&str; 6] = [
    "prewarmup.order.success.json",
    "prewarmup.order.failed.json",
    "subscription.renewal.success.json",
    "subscription.renewal.failed.json",
    "subscription.past_due.json",
    "domain.expired.json",
];
/// The record of the feed's first read comes after the history.
const READ: u64 = 7;
const USER: &str = "PWM7Y25RYZ450YNM8K8FX9GK5AHX";

async fn with_history(database: &Database) -> TestService {
    let service = database
        .service_with(|settings| settings.heartbeat = Duration::from_millis(300))
        .await;
    for name in HISTORY {
        let mut body = String::from_utf8(fixture(name)).unwrap();
        if name == "domain.expired.json" {
            body = body.replace(USER, "ANOTHER");
        }
        assert_eq!(service.send(body).await["status"], "recorded", "{name}");
    }
    service.get_json("/api/v1/events?limit=1").await;
    service
}

async fn open(service: &TestService, query: &str) -> Sse {
    Sse::open(&service.base, &service.token, query, None).await
}

async fn a_stream_gives_every_event_and_goes_on(database: Database) {
    let service = with_history(&database).await;
    let mut stream = open(&service, "").await;
    let page = service.get_json("/api/v1/events").await;
    for item in page["items"].as_array().unwrap() {
        assert_eq!(stream.event().await.as_ref(), Some(item), "the same as on a page");
    }
    let sent = Instant::now();
    service.send(fixture("subscription.renewing.json")).await;
    assert_eq!(stream.positions(1).await, [8]);
    assert!(sent.elapsed() < Duration::from_secs(5), "at once, not with a heartbeat");
    service.stop().await;
}

async fn a_stream_resumes_after_what_was_seen(database: Database) {
    let service = with_history(&database).await;
    assert_eq!(open(&service, "?after=4").await.positions(3).await, [5, 6, READ]);
    let resumed = async |query: &str, id| Sse::open(&service.base, &service.token, query, Some(id)).await;
    let mut stream = resumed("?after=1", 3).await;
    assert_eq!(
        stream.positions(4).await,
        [4, 5, 6, READ],
        "the header goes before the query"
    );
    // without new events, a reader still gets its position to resume from
    let mut stream = resumed("", READ).await;
    let begin = stream.block().await.unwrap();
    assert_eq!((begin.id, &begin.data), (Some(READ), &None));
    let heartbeat = stream.block().await.unwrap();
    assert_eq!((heartbeat.id, heartbeat.data), (Some(READ), None));
    assert_eq!(heartbeat.comment.as_deref(), Some("heartbeat"));
    for (query, id, word) in [("", 8, "newest is at 7"), ("?after=99", 99, "another ledger")] {
        let refused = Sse::call(&service.base, &service.token, query, Some(id)).await.unwrap();
        assert_eq!(refused.status(), 400);
        assert!(refused.text().await.unwrap().contains(word));
    }
    let request = service.client.get(format!("{}/api/v1/events/stream", service.base));
    let request = request.bearer_auth(&service.token).header("last-event-id", "x");
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("Last-Event-ID"));
    service.stop().await;
}

async fn a_stream_tells_of_other_processes_events(database: Database) {
    let service = with_history(&database).await;
    let other = database.service().await;
    let mut stream = open(&other, "?after=7").await;
    service.send(fixture("subscription.renewing.json")).await;
    // each process records the first read that it sees
    assert_eq!(stream.positions(2).await, [8, 9]);
    other.stop().await;
    service.stop().await;
}

async fn filters_are_the_same_in_stream_and_pages(database: Database) {
    let service = with_history(&database).await;
    let all = service.get_json("/api/v1/events").await;
    let all: Vec<&Value> = all["items"].as_array().unwrap().iter().collect();
    let stream_of = |event: &Value| event["stream"].as_str().unwrap().to_owned();
    let first = stream_of(all[0]);
    let other = stream_of(all[5]);
    let (other, _) = other.split_once('-').unwrap();
    assert_ne!(other, "order", "{all:?}");
    let expected = |pass: &dyn Fn(&Value) -> bool| -> Vec<u64> {
        let passing = all.iter().filter(|event| pass(event));
        passing.map(|event| event["position"].as_u64().unwrap()).collect()
    };
    let cases = [
        ("type=AssignmentFailed".to_owned(), vec![2]),
        ("type=AssignmentFailed,MailboxesAssigned".to_owned(), vec![1, 2]),
        (format!("stream={first}"), expected(&|event| stream_of(event) == first)),
        (
            "category=order".to_owned(),
            expected(&|event| stream_of(event).starts_with("order-")),
        ),
        (format!("category={other}"), vec![6]),
        ("category=order&type=AssignmentFailed".to_owned(), vec![2]),
    ];
    for (query, expected) in cases {
        let page = service.get_json(&format!("/api/v1/events?{query}")).await;
        let positions = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["position"].as_u64());
        assert_eq!(positions.collect::<Option<Vec<u64>>>().unwrap(), expected, "{query}");
        assert_eq!(page["position"], READ, "{query}: everything has been looked at");
        assert_eq!(page["next"], Value::Null);
        let mut stream = open(&service, &format!("?{query}")).await;
        assert_eq!(stream.positions(expected.len()).await, expected, "{query}");
    }
    for (user, count) in [(USER, 5), ("ANOTHER", 1)] {
        let page = service.get_json(&format!("/api/v1/events?subject={user}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{user}");
    }
    let nobody = service.get_json("/api/v1/events?subject=NOBODY").await;
    assert_eq!(nobody["items"], serde_json::json!([]));
    service.stop().await;
}

async fn a_filtered_stream_tells_how_far_it_has_come(database: Database) {
    let service = with_history(&database).await;
    let mut stream = open(&service, "?type=SubscriptionExpired").await;
    while stream.last_id != Some(READ) {
        let block = stream.block().await.unwrap();
        assert_eq!(block.data, None);
    }
    service.send(fixture("subscription.renewing.json")).await;
    while stream.last_id != Some(8) {
        stream.block().await.unwrap();
    }
    service.send(fixture("subscription.expired.json")).await;
    assert_eq!(stream.positions(1).await, [9]);
    service.stop().await;
}

async fn a_reader_that_is_cut_off_again_and_again_sees_every_event_once_in_order(database: Database) {
    let service = database.service().await;
    let plan = Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(300, Timestamp::now())
    });
    let (load, options) = (plan.clone(), sender(&service.base, &service.key));
    let sending = tokio::spawn(async move { simulate::run(&load, &options, CancellationToken::new()).await });
    let mut seen: Vec<(u64, String)> = Vec::new();
    let (mut last, mut cuts) = (None, 0);
    // and the record of the feed's read
    let all = plan.events() + 1;
    while seen.len() < all {
        let mut stream = Sse::open(&service.base, &service.token, "", last).await;
        for _ in 0..rand::random_range(0..60) {
            if seen.len() == all {
                break;
            }
            let event = stream.event().await.expect("the service goes on");
            seen.push((
                event["position"].as_u64().unwrap(),
                event["id"].as_str().unwrap().to_owned(),
            ));
        }
        last = stream.last_id;
        cuts += 1;
    }
    assert!(cuts > 10, "{cuts}");
    let summary = sending.await.unwrap().unwrap();
    assert!(summary.complete(), "{summary}");
    let log = sound_log(&*database.store().await).await;
    let expected = log
        .into_iter()
        .map(|event| (event.position.0, EventId::into(event.event_id)));
    assert!(seen.into_iter().eq(expected), "every event once, in order");
    service.stop().await;
}

async fn open_streams_end_with_the_service(database: Database) {
    let mut child = ChildService::start(&database).await;
    let token = std::fs::read_to_string(database.dir.path().join("admin.token")).unwrap();
    let token = token.trim();
    let client = crate::support::api::Client::new();
    let open_streams = async || {
        let metrics = client.get(format!("{}/metrics", child.base)).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("warmledger_event_streams "));
        line.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
    };
    let mut stream = Sse::open(&child.base, token, "", None).await;
    let gone = Sse::open(&child.base, token, "", None).await;
    assert!(stream.block().await.is_some());
    assert_eq!(open_streams().await, Some(2.0));
    // a disconnected reader is removed, before any heartbeat
    drop(gone);
    let since = Instant::now();
    while open_streams().await != Some(1.0) {
        assert!(since.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    let status = child.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", child.log());
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "the stop does not wait for readers"
    );
    // before the end it sent the record of the feed's read
    while let Some(block) = stream.block().await {
        assert!(
            matches!(block.event.as_deref(), None | Some("AuditFeedRead")),
            "{block:?}"
        );
    }
}

/// A connection whose reader reads nothing never finishes; once it is cut, the server can stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_cannot_hold_up_a_stop() {
    let endless = || async {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 65_536]));
        axum::body::Body::from_stream(chunks)
    };
    let router = axum::Router::new().route("/", axum::routing::get(endless));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let limits = Limits {
        connections: 100.try_into().unwrap(),
        body_bytes: 100.try_into().unwrap(),
    };
    let mut serving = tokio::spawn(serve(listener, router, limits, stop.clone()));
    let mut reader = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut reader, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    reader.readable().await.unwrap();
    stop.cancel();
    let second = Duration::from_secs(1);
    assert!(
        tokio::time::timeout(second, &mut serving).await.is_err(),
        "it is held up"
    );
    let ended = tokio::time::timeout(6 * second, serving).await;
    ended.expect("it is cut").unwrap();
}
