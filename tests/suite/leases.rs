//! Several processes on one database: one of them folds the projections, and another takes over when it goes.

use std::time::{Duration, Instant};

use warmledger::store::Duty;

use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    one_process_at_a_time_has_the_lease,
    another_process_takes_over_when_the_first_one_stops
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
        assert!(since.elapsed() < Duration::from_secs(5), "the lease was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn another_process_takes_over_when_the_first_one_stops(database: Database) {
    let store = database.store().await;
    let first = database.service().await;
    let second = database.service().await;
    // whoever folds, what either takes in is folded
    first.send(fixture("prewarmup.order.success.json")).await;
    second.send(fixture("prewarmup.order.failed.json")).await;
    second.caught_up(&*store, 2).await;
    first.stop().await;
    second.send(fixture("subscription.renewing.json")).await;
    second.caught_up(&*store, 3).await;
    second.stop().await;
}
