//! Several processes: an erasure by one clears the others' caches, while all of them take webhooks about the user.

use std::time::{Duration, Instant};

use serde_json::json;
use warmledger::store::EventQuery;

use super::{assignment, erase};
use crate::on_both_stores;
use crate::support::log::{all_events, sound_log};
use crate::support::{Database, TestService};

on_both_stores!(
    another_process_forgets_within_seconds,
    an_erasure_under_load_loses_nothing_and_what_came_after_can_be_opened,
);

/// Processes check for erasures of others every second.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(3);

async fn email(service: &TestService) -> serde_json::Value {
    let shown = service.get_json("/api/v1/domains/o1.example/mailboxes").await;
    shown["mailboxes"][0]["email"].clone()
}

async fn another_process_forgets_within_seconds(database: Database) {
    let (one, other) = (database.service().await, database.service().await);
    let store = database.store().await;
    one.send(assignment("E1", "U1", "O1", "secret")).await;
    one.caught_up(&*store, 1).await;
    for service in [&one, &other] {
        assert_eq!(email(service).await, "box@O1.example");
    }
    erase(&one, "U1").await;
    assert!(email(&one).await.is_null());
    let since = Instant::now();
    while !email(&other).await.is_null() {
        assert!(since.elapsed() < FORGOTTEN_WITHIN, "it still shows what was erased");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    one.stop().await;
    other.stop().await;
}

async fn an_erasure_under_load_loses_nothing_and_what_came_after_can_be_opened(database: Database) {
    let services = [database.service().await, database.service().await];
    let store = database.store().await;
    services[0].send(assignment("E", "U1", "O", "first")).await;
    let send = |service: usize, n: usize| {
        let body = assignment(&format!("E{service}-{n}"), "U1", &format!("O{service}-{n}"), "secret");
        services[service].send(body)
    };
    let load = async |service: usize| {
        for n in 0..12 {
            futures_util::future::join_all((0..4).map(|m| send(service, 4 * n + m))).await;
        }
    };
    let erasures = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            erase(&services[1], "U1").await;
        }
    };
    tokio::join!(load(0), load(1), erasures);
    let log = sound_log(&*store).await;
    let recorded = log.iter().filter(|event| event.type_name == "MailboxesAssigned");
    assert_eq!(recorded.count(), 97, "every webhook is recorded");
    let erased = log.iter().rev().find(|event| event.type_name == "SubjectErased");
    let erased = erased.expect("an erasure").position;
    services[0].caught_up(&*store, log.len() as u64).await;
    services[1].caught_up(&*store, log.len() as u64).await;
    for [service, n] in (0..2).flat_map(|service| (0..48).map(move |n| [service, n])) {
        let position = log
            .iter()
            .find(|event| event.event_id.as_str() == format!("E{service}-{n}"));
        let is_erased = position.unwrap().position < erased;
        // read from the process that did not record it
        let path = format!("/api/v1/domains/o{service}-{n}.example/mailboxes");
        let since = Instant::now();
        loop {
            let shown = services[1 - service].get_json(&path).await;
            if shown["mailboxes"][0]["erased"] == json!(is_erased) {
                break;
            }
            // this process may not have seen the newest erasure yet
            assert!(since.elapsed() < FORGOTTEN_WITHIN, "{path}: {shown}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let query = EventQuery {
        limit: 1,
        ..EventQuery::default()
    };
    assert_eq!(store.events(&query).await.unwrap().len(), 1);
    assert_eq!(all_events(&*store).await.len(), log.len());
    let [one, other] = services;
    one.stop().await;
    other.stop().await;
}
