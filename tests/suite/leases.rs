//! Several processes on one database: one of them holds each duty, and another takes over, however it ends.

use std::time::{Duration, Instant};

use aggregates::Position;
use jiff::Timestamp;
use serde_json::Value;
use warmledger::runner::LiveRunner;
use warmledger::store::{
    Advance, ConsumerName, Duty, EventFilter, Fence, GenerationState, Lease, NewCheckpoint, Store, StoreError,
};

use crate::on_both_stores;
use crate::support::child::ChildService;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(
    one_process_at_a_time_has_the_lease,
    another_process_takes_over_when_the_first_one_stops,
    a_lease_of_a_process_that_has_vanished_ends_by_itself,
    a_clock_that_was_set_back_keeps_nobody_from_a_lease,
    a_lease_is_held_for_as_long_as_its_process_is_there,
    what_is_written_by_one_who_was_overtaken_is_refused,
    nobody_who_folds_is_said_and_makes_the_service_unready,
);

async fn one_process_at_a_time_has_the_lease(database: Database) {
    let (one, other) = (database.store().await, database.store().await);
    let mut held = one.lease(Duty::Projections).await.unwrap().expect("a free lease");
    assert!(held.is_held().await);
    assert!(other.lease(Duty::Projections).await.unwrap().is_none());
    assert!(
        other.lease(Duty::Relay).await.unwrap().is_some(),
        "each duty has its own"
    );
    drop(held);
    let since = Instant::now();
    while other.lease(Duty::Projections).await.unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(3), "the lease was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn another_process_takes_over_when_the_first_one_stops(database: Database) {
    let store = database.store().await;
    let first = database.service().await;
    let second = database.service().await;
    // whichever process folds, webhooks of both are folded
    first.send(fixture("prewarmup.order.success.json")).await;
    second.send(fixture("prewarmup.order.failed.json")).await;
    second.caught_up(&*store, 2).await;
    first.stop().await;
    second.send(fixture("subscription.renewing.json")).await;
    second.caught_up(&*store, 3).await;
    second.stop().await;
}

/// An ended process holds the lease for this many more seconds.
async fn left_behind(database: &Database, seconds: i64) {
    let until = if database.is_postgres() {
        format!("clock_timestamp() + interval '{seconds} s'")
    } else {
        format!("(unixepoch() + {seconds}) * 1000")
    };
    let sql = format!("INSERT INTO leases (duty, holder, epoch, until) VALUES ('projections', 'a ghost', 7, {until})");
    database.execute(&sql).await;
}

/// Takes the lease as soon as it is free.
async fn take(store: &dyn Store, within: Duration) -> (Box<dyn Lease>, Duration) {
    let begun = Instant::now();
    loop {
        if let Some(lease) = store.lease(Duty::Projections).await.unwrap() {
            return (lease, begun.elapsed());
        }
        assert!(begun.elapsed() < within, "nobody gets the lease");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_lease_of_a_process_that_has_vanished_ends_by_itself(database: Database) {
    let store = database.store().await;
    left_behind(&database, 4).await;
    let (lease, waited) = take(&*store, Duration::from_secs(10)).await;
    assert!(waited > Duration::from_secs(2), "it had its time: {waited:?}");
    let epoch = lease.fence().epoch;
    assert_eq!(epoch, 8, "it was taken over");
}

async fn a_clock_that_was_set_back_keeps_nobody_from_a_lease(database: Database) {
    let store = database.store().await;
    left_behind(&database, 3_600).await;
    let (_, waited) = take(&*store, Duration::from_secs(2)).await;
    assert!(waited < Duration::from_secs(2));
}

async fn a_lease_is_held_for_as_long_as_its_process_is_there(database: Database) {
    let (one, other) = (database.store().await, database.store().await);
    let mut held = one.lease(Duty::Projections).await.unwrap().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < warmledger::store::LEASE_TERM + Duration::from_secs(2) {
        assert!(other.lease(Duty::Projections).await.unwrap().is_none());
        assert!(held.is_held().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn what_is_written_by_one_who_was_overtaken_is_refused(database: Database) {
    let (store, other) = (database.store().await, database.store().await);
    LiveRunner::new(store.clone()).prepare().await.unwrap();
    let consumer = ConsumerName::nats();
    store
        .put_consumer(&consumer, &EventFilter::default(), Position(0), None)
        .await
        .unwrap();
    let (mut held, _) = take(&*store, Duration::from_secs(2)).await;
    let fence = held.fence();
    let step = async |under: Fence, to: u64| {
        let generations = store.generations().await.unwrap();
        let live =
            |found: &warmledger::store::Generation| found.name == "orders" && found.state == GenerationState::Live;
        let step = Advance {
            from: generations.into_iter().find(live).unwrap(),
            columns: projections::by_name("orders").unwrap().columns(),
            to: Position(to),
            changes: Vec::new(),
            parked: Vec::new(),
            unparked: Vec::new(),
            skipped: Vec::new(),
        };
        store.advance(&[step], Some(under)).await
    };
    let sign = async |under: Fence, size: u64| {
        let checkpoint = NewCheckpoint {
            size,
            root: [7; 32],
            note: format!("a note of {size}"),
            created_at: Timestamp::now(),
        };
        store.add_checkpoint(&checkpoint, Some(under)).await
    };
    let commit = async |under: Fence, to: u64| {
        store
            .commit(&consumer, Position(0)..=Position(9), Position(to), Some(under))
            .await
    };
    assert!(step(fence, 1).await.unwrap());
    sign(fence, 1).await.unwrap();
    assert!(commit(fence, 1).await.unwrap());
    store.rewrap(&[], Some(fence)).await.unwrap();

    // the lease was not renewed in time
    let past = if database.is_postgres() {
        "clock_timestamp()"
    } else {
        "0"
    };
    let begun = Instant::now();
    let taken = loop {
        database.execute(&format!("UPDATE leases SET until = {past}")).await;
        if let Some(taken) = other.lease(Duty::Projections).await.unwrap() {
            break taken;
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    };
    assert_eq!(taken.fence().epoch, fence.epoch + 1);
    let refused = |error: StoreError| {
        assert!(matches!(error, StoreError::Overtaken(Duty::Projections)), "{error}");
    };
    refused(step(fence, 2).await.unwrap_err());
    refused(sign(fence, 2).await.unwrap_err());
    refused(commit(fence, 2).await.unwrap_err());
    refused(store.rewrap(&[], Some(fence)).await.unwrap_err());
    // and the holder notices
    let begun = Instant::now();
    while held.is_held().await {
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // nothing was written
    assert!(step(taken.fence(), 3).await.unwrap());
    assert_eq!(store.latest_checkpoint().await.unwrap().unwrap().size, 1);
    assert_eq!(store.consumer(&consumer).await.unwrap().unwrap().position, Position(1));
    // a write without a fence is not refused
    store.rewrap(&[], None).await.unwrap();
}

async fn nobody_who_folds_is_said_and_makes_the_service_unready(database: Database) {
    let child = ChildService::start(&database).await;
    let ready = async || {
        let answer = reqwest::get(format!("{}/readyz", child.base)).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let begun = Instant::now();
    while ready().await.0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", child.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // from now on no process can take the lease
    let raw = Raw::connect(&database).await;
    raw.execute(if database.is_postgres() {
        "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER keep_out BEFORE UPDATE ON leases FOR EACH ROW WHEN (NEW.duty = 'projections')
         EXECUTE FUNCTION keep_out()"
    } else {
        "CREATE TRIGGER keep_out BEFORE UPDATE ON leases WHEN NEW.duty = 'projections'
         BEGIN SELECT RAISE(IGNORE); END"
    })
    .await;
    let begun = Instant::now();
    while !child.log().contains("no process folds the projections") {
        assert!(begun.elapsed() < Duration::from_secs(15), "{}", child.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, problem) = ready().await;
    assert_eq!(status, 503);
    assert_eq!(problem["detail"], "no process folds the projections");
    let metrics = reqwest::get(format!("{}/metrics", child.base))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let vacant = metrics
        .lines()
        .find_map(|line| line.strip_prefix("warmledger_duty_vacant_seconds{duty=\"projections\"} "));
    assert!(vacant.unwrap().parse::<f64>().unwrap() >= 4.0, "{metrics}");
    assert_eq!(
        child.log().matches("no process folds the projections").count(),
        1,
        "it is said once"
    );
    // and it resumes as soon as the lease can be taken
    raw.execute(if database.is_postgres() {
        "DROP TRIGGER keep_out ON leases"
    } else {
        "DROP TRIGGER keep_out"
    })
    .await;
    let begun = Instant::now();
    while ready().await.0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", child.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
