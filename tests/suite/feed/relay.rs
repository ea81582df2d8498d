//! The relay to NATS JetStream: whatever is killed, a consumer gets each event once and in order.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use warmledger::settings::NatsUrl;
use warmledger::simulate::{self, Options, Plan};
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
);

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

/// Waits until the relay's checkpoint has come to a position.
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

/// The stream holds each event of the log once, in order.
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
    // two processes, one of which publishes; and NATS comes up after them
    let (service, other) = (with_relay(&database, &nats).await, with_relay(&database, &nats).await);
    let store = database.store().await;
    let plan = plan(300);
    let (load, options) = (plan.clone(), sender(&service.base, &service.key));
    let sending = tokio::spawn(async move { simulate::run(&load, &options, CancellationToken::new()).await });
    for _ in 0..4 {
        nats.start().await;
        relayed(&*store, position(&*store).await + 1).await;
        sleep(Duration::from_millis(rand::random_range(0..60))).await;
        nats.kill();
        if position(&*store).await + 200 > plan.events() as u64 {
            break;
        }
    }
    let summary = sending.await.unwrap().unwrap();
    assert!(summary.complete(), "webhooks don't mind: {summary}");
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
    let plan = plan(300);
    for _ in 0..4 {
        let mut child = ChildService::start(&database).await;
        let (load, options) = (plan.clone(), child.sender());
        let sending = tokio::spawn(async move { simulate::run(&load, &options, CancellationToken::new()).await });
        relayed(&*store, (position(&*store).await + 1).min(plan.events() as u64)).await;
        sleep(Duration::from_millis(rand::random_range(0..60))).await;
        child.kill();
        sending.await.unwrap().unwrap();
    }
    let mut child = ChildService::start(&database).await;
    let summary = simulate::run(&plan, &child.sender(), CancellationToken::new()).await;
    assert!(summary.unwrap().complete());
    let log = sound_log(&*store).await;
    assert_eq!(log.len(), plan.events());
    relayed(&*store, log.len() as u64).await;
    holds(&nats, &log).await;
    assert!(child.terminate().await.success(), "{}", child.log());
    assert!(!child.log().contains("async_nats"), "{}", child.log());
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
