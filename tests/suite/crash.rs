//! Unplanned ends: the process killed under load, the database's connections cut, a stop in the middle.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use aggregates::{EventId, Position};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::runner::statuses;
use warmledger::simulate::{self, Options, Plan, Summary};
use warmledger::store::Store;

use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::{ChildService, sender};
use crate::support::log::{live_equals_rebuilt, positions, sound_log};
use crate::support::raw::Raw;

on_both_stores!(
    nothing_acknowledged_is_lost_when_the_process_is_killed_under_load,
    a_stop_under_load_loses_nothing_and_exits_with_0,
);

/// How often the process is killed.
const KILLS: usize = 4;

fn plan(orders: usize) -> Plan {
    Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(orders, Timestamp::now())
    })
}

pub async fn head(store: &dyn Store) -> u64 {
    store.head().await.unwrap().position.0
}

/// Waits until the log has grown by this many events.
async fn grown(store: &dyn Store, by: u64) {
    let (from, begun) = (head(store).await, Instant::now());
    while head(store).await < from + by && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn send(child: &ChildService, plan: &Plan) -> Summary {
    simulate::run(plan, &child.sender(), CancellationToken::new())
        .await
        .unwrap()
}

/// The unacknowledged webhooks, and some acknowledged ones, as a provider resends without an answer.
pub fn remaining(plan: &Plan, acknowledged: &[(EventId, Position)]) -> Plan {
    let acknowledged: HashSet<&EventId> = acknowledged.iter().map(|(event_id, _)| event_id).collect();
    let mut rest = plan.clone();
    rest.deliveries
        .retain(|delivery| !acknowledged.contains(&delivery.event_id) || rand::random_ratio(1, 10));
    rest
}

/// Every acknowledged webhook is at its answered position, the log is sound, and the live rows equal a rebuild's.
pub async fn holds(store: &dyn Store, plan: &Plan, acknowledged: &[(EventId, Position)]) {
    let log = sound_log(store).await;
    let positions = positions(&log);
    for (event_id, position) in acknowledged {
        assert_eq!(positions.get(event_id), Some(position), "{event_id} was acknowledged");
    }
    assert!(log.len() <= plan.events(), "nothing is recorded twice");
    live_equals_rebuilt(store).await;
}

pub async fn caught_up(store: &dyn Store) {
    let begun = Instant::now();
    while statuses(store).await.unwrap().iter().any(|status| status.lag > 0) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the projections do not catch up"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn nothing_acknowledged_is_lost_when_the_process_is_killed_under_load(database: Database) {
    let plan = plan(500);
    let mut acknowledged: Vec<(EventId, Position)> = Vec::new();
    let mut cut_off = 0;
    for _ in 0..KILLS {
        let mut child = ChildService::start(&database).await;
        let store = database.store().await;
        let rest = remaining(&plan, &acknowledged);
        let options = child.sender();
        let sending = tokio::spawn(async move { simulate::run(&rest, &options, CancellationToken::new()).await });
        grown(&*store, rand::random_range(20..140)).await;
        child.kill();
        let summary = sending.await.unwrap().unwrap();
        cut_off += summary.given_up;
        acknowledged.extend(summary.acknowledgements);
        // right after a crash, before a restart repairs anything
        let positions = positions(&sound_log(&*store).await);
        assert!(
            acknowledged
                .iter()
                .all(|(id, position)| positions.get(id) == Some(position))
        );
    }
    assert!(cut_off > 0, "the kills came under load");

    let mut child = ChildService::start(&database).await;
    let summary = send(&child, &remaining(&plan, &acknowledged)).await;
    assert!(summary.complete(), "{summary}");
    assert_eq!(summary.quarantined, 0);
    acknowledged.extend(summary.acknowledgements);
    let store = database.store().await;
    caught_up(&*store).await;
    assert!(child.terminate().await.success());
    assert_eq!(
        head(&*store).await,
        plan.events() as u64,
        "everything is recorded in the end"
    );
    holds(&*store, &plan, &acknowledged).await;
}

async fn a_stop_under_load_loses_nothing_and_exits_with_0(database: Database) {
    let plan = plan(300);
    let mut child = ChildService::start(&database).await;
    let store = database.store().await;
    let (rest, options) = (plan.clone(), child.sender());
    let sending = tokio::spawn(async move { simulate::run(&rest, &options, CancellationToken::new()).await });
    grown(&*store, 100).await;
    let status = child.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", child.log());
    let summary = sending.await.unwrap().unwrap();
    assert!(summary.given_up > 0, "the stop came under load: {summary}");
    holds(&*store, &plan, &summary.acknowledgements).await;
    assert!(!child.log().contains("ERROR"), "{}", child.log());
}

#[tokio::test]
async fn a_sender_that_stalls_does_not_hold_up_a_stop() {
    let database = Database::sqlite();
    let mut child = ChildService::start(&database).await;
    let address = child.base.strip_prefix("http://").unwrap();
    let mut stalled = tokio::net::TcpStream::connect(address).await.unwrap();
    let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /webhooks/coldmailreseller HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let half = format!("{head}content-length: 100\r\n\r\n{{");
    tokio::io::AsyncWriteExt::write_all(&mut stalled, half.as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(child.terminate().await.code(), Some(0));
}

mod postgres_only {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_or_repeated_when_connections_are_cut_under_load() {
        let database = Database::postgres().await;
        let service = database.service().await;
        let raw = Raw::connect(&database).await;
        let plan = plan(800);
        let (rest, options) = (plan.clone(), sender(&service.base, &service.key));
        let sending = tokio::spawn(async move { simulate::run(&rest, &options, CancellationToken::new()).await });
        let mut cut = 0;
        while !sending.is_finished() {
            // in turn: the appending session, or all sessions
            let whom = if cut % 3 == 2 {
                "true"
            } else {
                "query LIKE '%append_batch%' AND state = 'active'"
            };
            let sql = format!(
                "SELECT CAST(count(pg_terminate_backend(pid)) AS text) FROM pg_stat_activity
                 WHERE application_name LIKE 'warmledger %' AND datname = current_database() AND {whom}"
            );
            cut += raw.texts(&sql).await[0].parse::<usize>().unwrap();
            tokio::time::sleep(Duration::from_millis(rand::random_range(5..40))).await;
        }
        let summary = sending.await.unwrap().unwrap();
        assert!(cut >= 10, "{cut} connections were cut");
        assert!(summary.complete(), "the sender notices nothing: {summary}");
        assert_eq!(summary.quarantined, 0);
        let repeats = plan.deliveries.len() - plan.events();
        assert_eq!(
            summary.duplicates, repeats as u64,
            "an append whose answer was lost is no duplicate"
        );
        let store = database.store().await;
        assert_eq!(head(&*store).await, plan.events() as u64);
        caught_up(&*store).await;
        holds(&*store, &plan, &summary.acknowledgements).await;
        service.stop().await;
    }
}
