use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;

use super::*;
use crate::{Options, Scenario};
use ledger::ingest::signature::Verifier;

/// One request as the receiver saw it.
struct Seen {
    event_id: String,
    at: Instant,
    verified: bool,
}

#[derive(Default)]
struct Receiver {
    seen: Mutex<Vec<Seen>>,
}

impl Receiver {
    /// Starts a receiver that answers each event's n-th request (from 1) by `answer`, and returns its address.
    async fn start(scheme: Scheme, answer: fn(usize) -> Response) -> (Arc<Self>, Url) {
        let receiver = Arc::new(Self::default());
        let verifier = Arc::new(Verifier::new([&key()], scheme));
        let state = Arc::clone(&receiver);
        let handler = move |headers: HeaderMap, body: Bytes| async move {
            let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
            let (signature, timestamp) = (header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER));
            let verified = verifier.verify(signature, timestamp, &body, Timestamp::now()).is_ok()
                && header("content-type") == Some("application/json");
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let event_id = value["eventId"].as_str().unwrap().to_owned();
            let mut seen = state.seen.lock().unwrap();
            seen.push(Seen {
                event_id: event_id.clone(),
                at: Instant::now(),
                verified,
            });
            answer(seen.iter().filter(|other| other.event_id == event_id).count())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/coldmailreseller", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(post(handler)))
                .await
                .unwrap()
        });
        (receiver, url)
    }

    /// The requests for each event.
    fn by_event(&self) -> HashMap<String, Vec<Instant>> {
        let mut by_event: HashMap<String, Vec<Instant>> = HashMap::new();
        for seen in self.seen.lock().unwrap().iter() {
            by_event.entry(seen.event_id.clone()).or_default().push(seen.at);
        }
        by_event
    }

    fn all_verified(&self) -> bool {
        self.seen.lock().unwrap().iter().all(|seen| seen.verified)
    }
}

fn key() -> Secret<String> {
    Secret::new("partner-key".to_owned())
}

fn plan(orders: usize, duplicates: f64) -> Plan {
    let base_time = "2026-03-01T00:00:00Z".parse().unwrap();
    Plan::new(&Options {
        scenario: Scenario::Success,
        duplicates,
        ..Options::new(orders, base_time)
    })
}

async fn send(plan: &Plan, options: &SendOptions) -> Summary {
    run(plan, options, CancellationToken::new()).await.unwrap()
}

fn recorded(nth: usize) -> Response {
    let status = if nth == 1 { "recorded" } else { "duplicate" };
    format!(r#"{{"status":"{status}","position":{nth},"stream":"order-X"}}"#).into_response()
}

fn away(_: usize) -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

#[tokio::test]
async fn every_webhook_is_signed_and_acknowledged() {
    for scheme in Scheme::ALL {
        let (receiver, url) = Receiver::start(scheme, recorded).await;
        let options = SendOptions {
            scheme,
            keep_acknowledgements: true,
            ..SendOptions::new(url, key())
        };
        let summary = send(&plan(40, 0.0), &options).await;
        assert!(receiver.all_verified(), "{scheme}");
        assert!(summary.complete());
        let counts = [
            summary.sent,
            summary.attempts,
            summary.acknowledged,
            summary.duplicates,
            summary.retried,
        ];
        assert_eq!(counts, [40, 40, 40, 0, 0]);
        assert!(summary.p50.unwrap() <= summary.p99.unwrap() && summary.p99.unwrap() <= summary.elapsed);
        let mut acknowledged: Vec<String> = summary
            .acknowledgements
            .iter()
            .map(|(id, _)| id.as_str().to_owned())
            .collect();
        let mut seen: Vec<String> = receiver.by_event().into_keys().collect();
        acknowledged.sort();
        seen.sort();
        assert_eq!(acknowledged, seen);
    }
}

#[tokio::test]
async fn repeats_are_counted_as_the_receiver_answers_them() {
    let (_receiver, url) = Receiver::start(Scheme::default(), recorded).await;
    let summary = send(&plan(25, 1.0), &SendOptions::new(url, key())).await;
    let counts = [
        summary.sent,
        summary.attempts,
        summary.acknowledged,
        summary.duplicates,
        summary.quarantined,
    ];
    assert_eq!(counts, [25, 50, 25, 25, 0]);
    assert!(summary.acknowledgements.is_empty(), "not asked for");
}

#[tokio::test]
async fn a_refusal_is_retried_on_the_providers_schedule() {
    let (receiver, url) =
        Receiver::start(Scheme::default(), |nth| if nth <= 3 { away(nth) } else { recorded(1) }).await;
    let options = SendOptions {
        retry_scale: 0.002,
        ..SendOptions::new(url, key())
    };
    let summary = send(&plan(5, 0.0), &options).await;
    assert_eq!(
        [summary.sent, summary.attempts, summary.acknowledged, summary.retried],
        [5, 20, 5, 5]
    );
    assert!(summary.complete());
    assert!(receiver.all_verified());
    let by_event = receiver.by_event();
    // The shortest gap over all events: this measures the schedule, not how busy the machine is.
    let gap = |nth: usize| {
        by_event
            .values()
            .map(|at| (at[nth + 1] - at[nth]).as_millis())
            .min()
            .unwrap()
    };
    // At once, 30 s, 5 min: scaled, 0, 60 and 600 ms.
    assert!(gap(0) < 60 && (60..600).contains(&gap(1)) && (600..3000).contains(&gap(2)));
}

#[tokio::test]
async fn after_the_last_retry_it_is_given_up() {
    let (receiver, url) = Receiver::start(Scheme::default(), away).await;
    let options = SendOptions {
        retry_scale: 0.0,
        ..SendOptions::new(url, key())
    };
    let summary = send(&plan(6, 0.0), &options).await;
    let counts = [
        summary.sent,
        summary.attempts,
        summary.acknowledged,
        summary.retried,
        summary.given_up,
    ];
    assert_eq!(counts, [6, 24, 0, 6, 6]);
    assert!(!summary.complete());
    assert_eq!(
        summary.last_failure.as_deref(),
        Some("answered 503 Service Unavailable")
    );
    assert!(
        receiver
            .by_event()
            .values()
            .all(|at| at.len() == 1 + RETRY_DELAYS.len())
    );
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_retried_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let options = SendOptions {
        retry_scale: 0.0,
        ..SendOptions::new(url, key())
    };
    let summary = send(&plan(3, 0.0), &options).await;
    assert_eq!([summary.attempts, summary.given_up], [12, 3]);
    assert_eq!(summary.last_failure.as_deref(), Some("could not connect"));
}

#[tokio::test]
async fn a_webhook_that_waits_for_its_retry_holds_up_no_other() {
    let (receiver, url) =
        Receiver::start(Scheme::default(), |nth| if nth <= 2 { away(nth) } else { recorded(1) }).await;
    let options = SendOptions {
        concurrency: 1,
        retry_scale: 0.01,
        ..SendOptions::new(url, key())
    };
    let summary = send(&plan(10, 0.0), &options).await;
    assert_eq!([summary.acknowledged, summary.attempts], [10, 30]);
    // Each waits 300 ms before its third try: one after the other it would be 3 s.
    assert!(summary.elapsed < Duration::from_secs(2), "{:?}", summary.elapsed);
    assert!(receiver.all_verified());
}

#[tokio::test]
async fn a_rate_is_kept() {
    let (_receiver, url) = Receiver::start(Scheme::default(), recorded).await;
    let options = SendOptions {
        pace: Pace::PerSecond(100.0),
        ..SendOptions::new(url, key())
    };
    let summary = send(&plan(31, 0.0), &options).await;
    assert!(
        (300..1000).contains(&summary.elapsed.as_millis()),
        "{:?}",
        summary.elapsed
    );
}

#[test]
fn the_plans_own_times_can_be_scaled() {
    let plan = plan(10, 0.0);
    let delivery = &plan.deliveries[5];
    assert_eq!(Pace::Scaled(0.5).due(5, delivery), delivery.after / 2);
    assert_eq!(Pace::PerSecond(2.0).due(5, delivery), Duration::from_millis(2500));
    for none in [
        Pace::Flood,
        Pace::PerSecond(0.0),
        Pace::PerSecond(f64::NAN),
        Pace::Scaled(-1.0),
    ] {
        assert_eq!(none.due(5, delivery), Duration::ZERO, "{none:?}");
    }
}

#[tokio::test]
async fn a_stopped_run_ends_soon_and_says_what_it_left() {
    let (_receiver, url) = Receiver::start(Scheme::default(), away).await;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let options = SendOptions {
        pace: Pace::PerSecond(50.0),
        ..SendOptions::new(url, key())
    };
    let summary = run(&plan(1000, 0.0), &options, shutdown).await.unwrap();
    assert_eq!(
        (summary.interrupted, summary.acknowledged, summary.given_up),
        (1000, 0, 0)
    );
    assert!(summary.sent < 30 && summary.elapsed < Duration::from_secs(5));
}

#[tokio::test]
async fn an_address_that_is_not_http_is_refused_at_once() {
    let options = SendOptions::new("https://example.com/".parse().unwrap(), key());
    let error = run(&plan(1, 0.0), &options, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::NotHttp(scheme) if scheme == "https"));
}

#[test]
fn the_progress_bar_can_be_drawn() {
    let options = SendOptions {
        progress: true,
        ..SendOptions::new("http://localhost/".parse().unwrap(), key())
    };
    Tally::new(3, &options).finish();
}
