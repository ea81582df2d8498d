//! The relay to NATS JetStream: whichever side is killed, a consumer gets each event once and in order.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use warmledger::settings::NatsUrl;
use warmledger::simulate::{self, Options, Pace, Plan};
use warmledger::store::{ConsumerName, Store, StoredEvent};

use crate::on_both_stores;
use crate::support::child::{ChildService, sender};
use crate::support::log::sound_log;
use crate::support::nats::NatsServer;
use crate::support::{Database, TestService};

on_both_stores!(
    nats_is_killed_under_load,
    the_service_is_killed_under_load,
    a_stream_that_lost_everything_is_filled_again,
    an_event_that_is_larger_than_nats_takes_goes_without_its_data,
);

/// How often NATS or the service is killed.
const KILLS: usize = 4;
/// Webhooks a second meanwhile.
const RATE: f64 = 100.0;

fn plan(orders: usize) -> Plan {
    Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(orders, Timestamp::now())
    })
}

async fn position(store: &dyn Store) -> u64 {
    let consumer = store.consumer(&ConsumerName::nats()).await.unwrap();
    consumer.map_or(0, |consumer| consumer.position.0)
}

/// Waits until the relay's checkpoint has reached a position.
async fn relayed(store: &dyn Store, to: u64) {
    let begun = Instant::now();
    while position(store).await < to {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the relay is at {} of {to}",
            position(store).await
        );
        sleep(Duration::from_millis(10)).await;
    }
}

/// Checks that the stream holds each event of the log once, in order.
async fn holds(nats: &NatsServer, log: &[StoredEvent]) {
    let messages = nats.messages(log.len()).await;
    for (message, event) in messages.iter().zip(log) {
        assert_eq!(message.event["position"], event.position.0, "in order");
        assert_eq!(message.event["id"], event.event_id.as_str());
        assert_eq!(message.id, format!("{}/{}", event.source, event.event_id));
        let subject = format!("warmledger.{}.{}", event.stream.category(), event.type_name);
        assert_eq!(message.subject, subject);
    }
}

async fn with_relay(database: &Database, nats: &NatsServer) -> TestService {
    let url = NatsUrl::parse(&nats.url()).unwrap();
    database.service_with(|settings| settings.nats_url = Some(url)).await
}

async fn nats_is_killed_under_load(database: Database) {
    let mut nats = NatsServer::new();
    // two processes, one of which publishes; NATS starts after them
    let (service, other) = (with_relay(&database, &nats).await, with_relay(&database, &nats).await);
    let store = database.store().await;
    // more than can be sent before the last kill
    let (load, enough) = (plan(4_000), CancellationToken::new());
    let mut options = sender(&service.base, &service.key);
    options.pace = Pace::PerSecond(RATE);
    let ended = enough.clone();
    let sending = tokio::spawn(async move { simulate::run(&load, &options, ended).await });
    for _ in 0..KILLS {
        nats.start().await;
        relayed(&*store, position(&*store).await + 1).await;
        sleep(Duration::from_millis(rand::random_range(0..60))).await;
        nats.kill();
        let killed_at = store.head().await.unwrap().position.0;
        assert!(!sending.is_finished(), "the kill came under load");
        while store.head().await.unwrap().position.0 <= killed_at {
            assert!(!sending.is_finished(), "webhooks came in after the kill");
            sleep(Duration::from_millis(5)).await;
        }
    }
    enough.cancel();
    let summary = sending.await.unwrap().unwrap();
    assert_eq!(
        (summary.given_up, summary.retried),
        (0, 0),
        "webhooks don't mind: {summary}"
    );
    assert_eq!(service.get("/readyz").await.status(), 200, "nor does readiness");
    nats.start().await;
    let log = sound_log(&*store).await;
    relayed(&*store, log.len() as u64).await;
    holds(&nats, &log).await;
    let consumer = service.get_json("/api/v1/consumers/nats").await;
    assert_eq!(consumer["lag"], 0);
    assert!(consumer["lastSeenAt"].is_string());
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("warmledger_consumer_lag_events{consumer=\"nats\"} 0"),
        "{metrics}"
    );
    service.stop().await;
    other.stop().await;
}

async fn the_service_is_killed_under_load(database: Database) {
    let mut nats = NatsServer::new();
    nats.start().await;
    let settings = database.dir.path().join("warmledger.toml");
    std::fs::write(settings, format!("nats_url = \"{}\"\n", nats.url())).unwrap();
    let store = database.store().await;
    for _ in 0..KILLS {
        let mut child = ChildService::start(&database).await;
        // another plan each time, and more than can be sent before the kill
        let (load, enough) = (plan(1_000), CancellationToken::new());
        let (mut options, ended) = (child.sender(), enough.clone());
        options.pace = Pace::PerSecond(RATE);
        let sending = tokio::spawn(async move { simulate::run(&load, &options, ended).await });
        relayed(&*store, position(&*store).await + 1).await;
        sleep(Duration::from_millis(rand::random_range(0..60))).await;
        child.kill();
        assert!(!sending.is_finished(), "the kill came under load");
        // some webhooks stay unanswered
        sleep(Duration::from_millis(150)).await;
        enough.cancel();
        let summary = sending.await.unwrap().unwrap();
        assert!(summary.given_up > 0, "webhooks came in after the kill: {summary}");
    }
    let mut child = ChildService::start(&database).await;
    let summary = simulate::run(&plan(30), &child.sender(), CancellationToken::new()).await;
    assert!(summary.unwrap().complete());
    let log = sound_log(&*store).await;
    relayed(&*store, log.len() as u64).await;
    holds(&nats, &log).await;
    assert!(child.terminate().await.success(), "{}", child.log());
    assert!(!child.log().contains("async_nats"), "{}", child.log());
}

async fn an_event_that_is_larger_than_nats_takes_goes_without_its_data(database: Database) {
    let mut nats = NatsServer::taking(2_000);
    nats.start().await;
    let service = with_relay(&database, &nats).await;
    let store = database.store().await;
    let failed = |id: &str, reasons: usize| {
        let domains = (0..reasons).map(|number| json!({"domain": format!("d{number}.com"), "reason": "x".repeat(100)}));
        let domains: Vec<Value> = domains.collect();
        json!({"event": "prewarmup.order.failed", "eventId": id, "data": {"orderId": id, "failedOrders": domains}})
    };
    for body in [failed("SMALL", 1), failed("LARGE", 40), failed("NEXT", 1)] {
        service.send(body.to_string()).await;
    }
    relayed(&*store, 3).await;
    let messages = nats.messages(3).await;
    for (message, id) in messages.iter().zip(["SMALL", "LARGE", "NEXT"]) {
        assert_eq!(
            (&message.event["id"], &message.event["type"]),
            (&json!(id), &json!("AssignmentFailed"))
        );
        let omitted = message.header("Warmledger-Data-Omitted");
        assert_eq!(omitted.is_some(), id == "LARGE", "{omitted:?}");
        assert_eq!(message.event["data"].is_object(), id != "LARGE");
    }
    // it names where to read the whole event
    let whole = messages[1].event["dataref"].as_str().unwrap();
    let page = service.get_json(whole).await;
    let event = &page["items"][0];
    assert_eq!(
        (&event["id"], event["data"]["failures"].as_array().unwrap().len()),
        (&json!("LARGE"), 40)
    );
    let size = messages[1].header("Warmledger-Data-Omitted").unwrap();
    assert_eq!(size, event.to_string().len().to_string());
    // and the next process continues after it
    service.stop().await;
    let service = with_relay(&database, &nats).await;
    service.send(failed("LAST", 1).to_string()).await;
    // the record of the feed's read is the fourth event
    relayed(&*store, 5).await;
    assert_eq!(nats.messages(5).await[4].event["id"], "LAST");
    service.stop().await;
}

async fn a_stream_that_lost_everything_is_filled_again(database: Database) {
    let mut nats = NatsServer::new();
    nats.start().await;
    let service = with_relay(&database, &nats).await;
    let store = database.store().await;
    let plan = plan(20);
    let options = sender(&service.base, &service.key);
    let summary = simulate::run(&plan, &options, CancellationToken::new()).await;
    assert!(summary.unwrap().complete());
    let log = sound_log(&*store).await;
    relayed(&*store, log.len() as u64).await;
    nats.kill();
    let mut other = NatsServer::at(&nats);
    other.start().await;
    let begun = Instant::now();
    while other.count().await < log.len() as u64 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not filled");
        sleep(Duration::from_millis(50)).await;
    }
    holds(&other, &log).await;
    relayed(&*store, log.len() as u64).await;
    service.stop().await;
}
