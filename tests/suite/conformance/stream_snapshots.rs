//! Snapshots of long streams: a process with an empty cache reads streams from there, and decides as if it had read
//! them whole, even when snapshots are lost or altered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{OrderEvent, StreamId};
use serde_json::json;
use warmledger::store::{Append, Store, StreamSnapshot, UpkeepStore};

use super::append::{append, order};
use super::batches::Process;
use crate::on_both_stores;
use crate::support::log::{all_events, sound_log};
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(
    a_stream_is_resumed_from_its_snapshot,
    a_process_that_is_started_decides_as_the_one_before,
    a_snapshot_that_is_of_no_use_is_replaced,
    a_store_that_keeps_no_snapshots_records_all_the_same,
    two_processes_go_on_from_each_others_snapshots,
);

/// The subscription of the fixture's order, and its domain.
const SUBSCRIPTION: &str = "KX9V77PVMFMZH4PTPF2Y99PKYAT2";
const ORDER: &str = "order-WR3N4JEW3D76N6KGRQSG36SSHBXK";

fn stream(name: &str) -> StreamId {
    StreamId::parse(name).unwrap()
}

fn snapshot(name: &str, version: u32, state: &[u8]) -> StreamSnapshot {
    StreamSnapshot {
        stream: stream(name),
        version,
        state: state.to_vec(),
    }
}

/// Streams, versions and snapshots, as a store resumes them.
async fn resumed(store: &dyn Store, names: &[&str]) -> Vec<(String, u32, Option<Vec<u8>>)> {
    let names: Vec<StreamId> = names.iter().copied().map(stream).collect();
    let resumed = store.resume(&names).await.unwrap().into_iter();
    resumed
        .map(|(event, snapshot)| (event.stream.as_str().to_owned(), event.version, snapshot))
        .collect()
}

async fn a_stream_is_resumed_from_its_snapshot(database: Database) {
    let store = database.store().await;
    let events: Vec<_> = (1..=4)
        .flat_map(|version| ["order-1", "order-2"].map(|stream| order(stream, version, &format!("{stream}-{version}"))))
        .collect();
    let head = store.head().await.unwrap();
    assert_eq!(append(&*store, head, &events, &[]).await, Append::Done);
    let whole = |name: &str| {
        (1..=4)
            .map(|version| (name.to_owned(), version, None))
            .collect::<Vec<_>>()
    };
    assert_eq!(resumed(&*store, &["order-1"]).await, whole("order-1"));
    assert_eq!(resumed(&*store, &[]).await, []);
    assert_eq!(resumed(&*store, &["order-3"]).await, []);

    store.keep_snapshots(&[]).await.unwrap();
    let kept = [snapshot("order-1", 3, b"three"), snapshot("order-3", 1, b"nothing")];
    store.keep_snapshots(&kept).await.unwrap();
    let from_three = [
        ("order-1".to_owned(), 3, Some(b"three".to_vec())),
        ("order-1".to_owned(), 4, None),
    ];
    assert_eq!(resumed(&*store, &["order-1", "order-1"]).await, from_three);
    assert_eq!(resumed(&*store, &["order-3"]).await, []);
    let both: Vec<_> = resumed(&*store, &["order-2", "order-1"]).await;
    assert_eq!(both.len(), 6, "{both:?}");
    let versions: Vec<_> = both
        .iter()
        .map(|(stream, version, _)| (stream.as_str(), *version))
        .collect();
    assert_eq!(
        versions,
        [
            ("order-2", 1),
            ("order-2", 2),
            ("order-1", 3),
            ("order-2", 3),
            ("order-1", 4),
            ("order-2", 4)
        ],
        "in the order of their positions"
    );

    // the last stored one counts
    for version in [4, 2] {
        let kept = snapshot("order-1", version, b"again");
        store.keep_snapshots(&[kept]).await.unwrap();
        let resumed = resumed(&*store, &["order-1"]).await;
        assert_eq!(resumed[0], ("order-1".to_owned(), version, Some(b"again".to_vec())));
        assert_eq!(resumed.len(), 5 - version as usize);
    }
    // a snapshot at none of the stream's versions is ignored
    for version in [0, 5, 1_000] {
        let kept = snapshot("order-1", version, b"never");
        store.keep_snapshots(&[kept]).await.unwrap();
        assert_eq!(resumed(&*store, &["order-1"]).await, whole("order-1"));
    }
}

/// A webhook that names nothing but its subscription.
fn renewed(event_id: &str) -> String {
    let data = json!({"subscriptionId": SUBSCRIPTION, "status": "active"});
    json!({"event": "subscription.renewal.success", "eventId": event_id, "data": data}).to_string()
}

/// Waits until the order's snapshot has this version.
async fn kept_at(raw: &Raw, version: u32) {
    let sql = format!("SELECT CAST(version AS text) FROM stream_snapshots WHERE stream = '{ORDER}'");
    for _ in 0..500 {
        if raw.texts(&sql).await == [version.to_string()] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "the snapshot at version {version} was not kept: {:?}",
        raw.texts(&sql).await
    );
}

/// An order with this many events, recorded by a process that has ended.
async fn recorded(database: &Database, events: u32) {
    let process = Process::start(database, 1_000, 100).await;
    let order = String::from_utf8(fixture("prewarmup.order.success.json")).unwrap();
    process.record(order).await;
    for number in 2..=events {
        process.record(renewed(&format!("E{number}"))).await;
    }
}

/// Everything that a process with an empty cache records goes to the order's stream, with the order's data.
async fn goes_on(database: &Database, names: &[&str]) {
    let process = Process::start(database, 1_000, 100).await;
    for name in names {
        process.record(renewed(name)).await;
    }
    let events = sound_log(&*process.store).await;
    let first = events[0].to_recorded().unwrap();
    for (version, event) in (1..).zip(&events) {
        assert_eq!((event.stream.as_str(), event.version), (ORDER, version));
        assert_eq!(event.subject, first.subject, "sealed under its user's key");
    }
    for event in &events[1..] {
        let recorded = event.to_recorded().unwrap();
        let Some(OrderEvent::SubscriptionRenewed(facts)) = recorded.order() else {
            panic!("{}", event.type_name);
        };
        assert!(facts.order_id.is_some() && facts.domain.is_some(), "{}", event.facts);
    }
}

async fn a_process_that_is_started_decides_as_the_one_before(database: Database) {
    recorded(&database, 21).await;
    let raw = Raw::connect(&database).await;
    kept_at(&raw, 16).await;
    let resumed = resumed(&*database.store().await, &[ORDER]).await;
    let versions: Vec<u32> = resumed.iter().map(|(_, version, _)| *version).collect();
    assert_eq!(versions, [16, 17, 18, 19, 20, 21]);
    goes_on(&database, &["F1", "F2", "F3"]).await;
    kept_at(&raw, 24).await;
    goes_on(&database, &["F4"]).await;
    assert_eq!(all_events(&*database.store().await).await.len(), 25);
}

async fn a_snapshot_that_is_of_no_use_is_replaced(database: Database) {
    recorded(&database, 17).await;
    let raw = Raw::connect(&database).await;
    kept_at(&raw, 16).await;
    let bytes = if database.is_postgres() {
        ["'\\x00'", "'\\x00' || state"]
    } else {
        ["x'00'", "CAST(x'00' || state AS blob)"]
    };
    let alterations = [
        // of another version of the stream, of a version it does not have, of another order, and of nothing at all
        "UPDATE stream_snapshots SET version = 3".to_owned(),
        "UPDATE stream_snapshots SET version = 1000".to_owned(),
        format!("UPDATE stream_snapshots SET state = {}", bytes[0]),
        format!("UPDATE stream_snapshots SET state = {}", bytes[1]),
        "DELETE FROM stream_snapshots".to_owned(),
    ];
    for (version, alteration) in (18..).zip(alterations) {
        raw.execute(&alteration).await;
        goes_on(&database, &[&format!("F{version}")]).await;
        kept_at(&raw, version).await;
    }
}

async fn a_store_that_keeps_no_snapshots_records_all_the_same(database: Database) {
    recorded(&database, 7).await;
    let raw = Raw::connect(&database).await;
    raw.execute("ALTER TABLE stream_snapshots RENAME COLUMN state TO elsewhere")
        .await;
    let process = Process::start(&database, 1_000, 100).await;
    // a cached order is not read
    let order = json!({"event": "prewarmup.order.success", "eventId": "N1", "data":
        {"userId": "U1", "orderId": "N", "mailboxDetails": [{"domain": "n.com", "subscriptionId": "SN"}]}});
    process.record(order.to_string()).await;
    for number in 0..20 {
        let data = json!({"subscriptionId": "SN"});
        let renewal = json!({"event": "subscription.renewal.success", "eventId": format!("N-{number}"), "data": data});
        process.record(renewal.to_string()).await;
    }
    assert_eq!(sound_log(&*process.store).await.len(), 28);
    // a stream without a snapshot is read from the beginning
    let process = Process::start(&database, 1_000, 100).await;
    assert_eq!(process.record(renewed("F1")).await.stream.as_str(), ORDER);
    raw.execute("ALTER TABLE stream_snapshots RENAME COLUMN elsewhere TO state")
        .await;
    let process = Process::start(&database, 1_000, 100).await;
    assert_eq!(process.record(renewed("F2")).await.stream.as_str(), ORDER);
    sound_log(&*process.store).await;
}

async fn two_processes_go_on_from_each_others_snapshots(database: Database) {
    recorded(&database, 7).await;
    for round in 0..6 {
        let one = Process::start(&database, 1_000, 100).await;
        let other = Process::start(&database, 1_000, 100).await;
        for number in 0..3 {
            one.record(renewed(&format!("ONE-{round}-{number}"))).await;
            other.record(renewed(&format!("OTHER-{round}-{number}"))).await;
        }
    }
    goes_on(&database, &["LAST"]).await;
    assert_eq!(all_events(&*database.store().await).await.len(), 7 + 36 + 1);
    let raw = Raw::connect(&database).await;
    assert_eq!(raw.texts("SELECT stream FROM stream_snapshots").await, [ORDER]);
}

/// Creating an index, or locking rows in share mode, blocks writers but not readers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_locked_takes_no_connections_away() {
    let database = Database::postgres().await;
    recorded(&database, 7).await;
    let (lock, raw) = (Raw::connect(&database).await, Raw::connect(&database).await);
    lock.execute("BEGIN; LOCK TABLE stream_snapshots IN SHARE MODE").await;
    let process = Process::start(&database, 1_000, 100).await;
    let (begun, mut number, mut waited) = (Instant::now(), 0, 0);
    while begun.elapsed() < Duration::from_secs(4) {
        number += 1;
        process.record(renewed(&format!("F{number}"))).await;
        let waiting = "SELECT CAST(count(*) AS text) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting: u32 = raw.texts(waiting).await[0].parse().unwrap();
        assert!(waiting <= 1, "{waiting} connections wait for the table");
        waited += waiting;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(waited > 0, "nothing was to be kept");
    let store = Arc::clone(&process.store);
    drop(process);
    let closed = tokio::time::timeout(Duration::from_secs(6), store.close()).await;
    assert!(closed.is_ok(), "a stop waits for whoever has locked the table");
    lock.execute("ROLLBACK").await;
    assert_eq!(sound_log(&*database.store().await).await.len(), 7 + number);
}
