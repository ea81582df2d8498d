//! Two processes on one database: positions stay total and gap-free, and every webhook is recorded once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{Event, EventId, OrderEvent, Position};
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Plan, Summary};
use warmledger::store::{EventQuery, Store};

use crate::on_both_stores;
use crate::support::child::{ChildService, sender};
use crate::support::log::{live_equals_rebuilt, positions, sound_log};
use crate::support::{Database, fixture};

on_both_stores!(
    writers_in_two_processes_make_one_order_without_gaps,
    webhooks_sent_to_two_processes_at_once_are_recorded_once,
    one_event_id_with_two_contents_is_recorded_once_and_quarantined_once,
    processes_that_start_at_once_agree_on_the_schema_and_the_keys,
);

fn plan(orders: usize, seed: u64) -> Plan {
    Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        seed,
        ..Options::new(orders, Timestamp::now())
    })
}

/// Sends a plan with 16 writers.
async fn send(base: String, key: warmledger::secret::Secret<String>, plan: Plan) -> Summary {
    let summary = simulate::run(&plan, &sender(&base, &key), CancellationToken::new()).await;
    summary.unwrap()
}

/// Follows the log until `until` and checks that it misses and repeats no position.
async fn tail(store: Arc<dyn Store>, until: u64) {
    let (mut seen, begun) = (Position(0), Instant::now());
    while seen.0 < until {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the log does not get to {until}"
        );
        let query = EventQuery {
            after: seen,
            limit: 7,
            ..EventQuery::default()
        };
        for event in store.events(&query).await.unwrap() {
            assert_eq!(
                event.position.0,
                seen.0 + 1,
                "a reader that tails sees every position once"
            );
            seen = event.position;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn writers_in_two_processes_make_one_order_without_gaps(database: Database) {
    let (here, there) = (database.service().await, ChildService::start(&database).await);
    let store = database.store().await;
    let plan = plan(120, rand::random());
    let (events, deliveries) = (plan.events() as u64, plan.deliveries.len());
    // every order's webhooks alternate between both processes
    let mut halves = [plan.clone(), plan];
    for (own, half) in halves.iter_mut().enumerate() {
        let mut turn = 0;
        half.deliveries.retain(|_| {
            turn += 1;
            turn % 2 == own
        });
    }
    let [first, second] = halves;
    assert_eq!(first.deliveries.len() + second.deliveries.len(), deliveries);
    let reader = tokio::spawn(tail(Arc::clone(&store), events));
    let (first, second) = tokio::join!(
        send(here.base.clone(), here.key.clone(), first),
        send(there.base.clone(), there.key.clone(), second)
    );
    for summary in [&first, &second] {
        assert!(summary.complete(), "{summary}");
        assert_eq!((summary.quarantined, summary.retried), (0, 0), "{summary}");
    }
    let log = sound_log(&*store).await;
    assert_eq!(log.len() as u64, events);
    let positions = positions(&log);
    for (event_id, position) in first.acknowledgements.iter().chain(&second.acknowledgements) {
        assert_eq!(positions[event_id], *position);
    }
    reader.await.unwrap();

    // both have folded meanwhile: each event counts once
    here.caught_up(&*store, events).await;
    live_equals_rebuilt(&*store).await;
    here.stop().await;
}

async fn webhooks_sent_to_two_processes_at_once_are_recorded_once(database: Database) {
    let (here, there) = (database.service().await, ChildService::start(&database).await);
    let plan = plan(60, rand::random());
    let (here_sent, there_sent) = tokio::join!(
        send(here.base.clone(), here.key.clone(), plan.clone()),
        send(there.base.clone(), there.key.clone(), plan.clone())
    );
    assert!(
        here_sent.complete() && there_sent.complete(),
        "{here_sent}\n{there_sent}"
    );
    let (events, deliveries) = (plan.events() as u64, plan.deliveries.len() as u64);
    assert_eq!(here_sent.duplicates + there_sent.duplicates, 2 * deliveries - events);
    assert_eq!(here_sent.quarantined + there_sent.quarantined, 0);

    let log = sound_log(&*database.store().await).await;
    assert_eq!(log.len() as u64, events);
    let positions = positions(&log);
    for (event_id, position) in here_sent.acknowledgements.iter().chain(&there_sent.acknowledgements) {
        assert_eq!(
            positions[event_id], *position,
            "a duplicate is answered with the first position"
        );
    }
    here.stop().await;
}

async fn one_event_id_with_two_contents_is_recorded_once_and_quarantined_once(database: Database) {
    let (here, there) = (database.service().await, ChildService::start(&database).await);
    let client = crate::support::api::Client::new();
    let webhook = |base: &str, id: usize, status: &str| {
        let data = json!({"subscriptionId": format!("S{}", id % 5), "subscriptionStatus": status, "userId": "U1"});
        let body = json!({"event": "subscription.updated", "eventId": format!("E{id}"), "data": data}).to_string();
        let timestamp = Timestamp::now().as_second().to_string();
        let scheme = warmledger::ingest::signature::Scheme::default();
        let signature = warmledger::ingest::signature::sign(&here.key, scheme, &timestamp, body.as_bytes());
        let request = client
            .post(format!("{base}/webhooks/coldmailreseller"))
            .header("content-type", "application/json")
            .header("cmr-x-timestamp", timestamp)
            .header("cmr-x-signature", signature)
            .body(body);
        async move {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            let answer: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
            (id, answer)
        }
    };
    let mut answers: HashMap<usize, Vec<serde_json::Value>> = HashMap::new();
    for round in 0..8 {
        let ids = round * 10..round * 10 + 10;
        let sent = ids.flat_map(|id| {
            [
                webhook(&here.base, id, "ACTIVE"),
                webhook(&there.base, id, "PAST_DUE"),
                webhook(&there.base, id, "ACTIVE"),
                webhook(&here.base, id, "PAST_DUE"),
            ]
        });
        for (id, answer) in futures_util::future::join_all(sent).await {
            answers.entry(id).or_default().push(answer);
        }
    }
    let log = sound_log(&*database.store().await).await;
    assert_eq!(log.len(), 2 * 80, "each of the two contents is one event");
    let positions = positions(&log);
    for (id, answers) in answers {
        let taken = positions[&EventId::parse(&format!("E{id}")).unwrap()];
        let with = |status: &str| answers.iter().filter(|answer| answer["status"] == status).count();
        assert_eq!(
            (with("recorded"), with("quarantined"), with("duplicate")),
            (1, 1, 2),
            "{answers:?}"
        );
        let quarantined = answers.iter().find(|answer| answer["status"] == "quarantined").unwrap();
        let event = &log[usize::try_from(quarantined["position"].as_u64().unwrap() - 1).unwrap()];
        let Event::Order(OrderEvent::WebhookQuarantined(facts)) = event.to_recorded().unwrap().event else {
            panic!("{} is not quarantined", event.type_name)
        };
        assert_eq!(facts.conflicts_with, Some(taken), "it names the event that has the id");
        assert!(
            facts.detail.ends_with(&format!("at position {taken}")),
            "{}",
            facts.detail
        );
    }
    here.stop().await;
}

async fn processes_that_start_at_once_agree_on_the_schema_and_the_keys(database: Database) {
    let start = || ChildService::start(&database);
    let children = futures_util::future::join_all([start(), start(), start(), start()]).await;
    let plan = plan(6, 1);
    let events = plan.events();
    for child in &children {
        let summary = send(child.base.clone(), child.key.clone(), plan.clone()).await;
        assert!(summary.complete(), "{summary}");
        assert_eq!(
            summary.quarantined, 0,
            "all processes use one fingerprint key: {summary}"
        );
    }
    let store = database.store().await;
    assert_eq!(sound_log(&*store).await.len(), events);
    let generations = store.generations().await.unwrap();
    assert_eq!(
        generations.len(),
        projections::all().len(),
        "each projection has one generation"
    );
}

/// A process that believes to be the last one on the file removes the write-ahead log when it ends. The services' file
/// locks prevent that; closing any other handle to the file would drop them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_does_not_take_the_write_ahead_log_of_a_service_that_opened_its_file_twice() {
    let database = Database::sqlite();
    let service = database.service().await;
    // as `demo` does, to read its own views
    let looking = database.store().await;
    for (webhook, position) in [("prewarmup.order.success.json", 1), ("prewarmup.order.failed.json", 2)] {
        assert_eq!(service.send(fixture(webhook)).await["position"], position);
        let backup = "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); other = sqlite3.connect(':memory:')
one.backup(other); print(*other.execute('SELECT count(*) FROM events').fetchone()); one.close()";
        let file = database.dir.path().join("warmledger.db");
        let mut command = tokio::process::Command::new("python3");
        let ended = command.args(["-c", backup]).arg(file).output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stdout).trim(), position.to_string());
        assert_eq!(looking.head().await.unwrap().position, Position(position));
    }
    service.stop().await;
    drop(looking);
    assert_eq!(sound_log(&*database.store().await).await.len(), 2);
}
