//! A host or a link vanishes without notice: no process waits for its sessions, which stay on the server.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan, Summary};
use warmledger::store::Store;

use crate::crash::{caught_up, head, holds};
use crate::support::child::ChildService;
use crate::support::link::Link;
use crate::support::{Database, until};

/// Time-out for another process, or another connection, to take over.
const BOUND: Duration = Duration::from_secs(10);
/// Time-out for a process whose own session stays on the server, behind a proxy that keeps it, in the middle of a step:
/// 7 s on an idle machine, more than twice as much beside other builds.
const OWN: Duration = Duration::from_secs(30);

fn plan(orders: usize) -> Plan {
    Plan::new(&Options {
        renewals: true,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(orders, Timestamp::now())
    })
}

/// Sends a plan at a steady pace until `enough` is cancelled; returns the summary.
fn send(child: &ChildService, plan: &Plan, enough: &CancellationToken) -> tokio::task::JoinHandle<Summary> {
    let (mut options, plan, enough) = (child.sender(), plan.clone(), enough.clone());
    options.pace = Pace::PerSecond(60.0);
    tokio::spawn(async move { simulate::run(&plan, &options, enough).await.unwrap() })
}

/// The positions of the views and of the newest checkpoint.
async fn done(store: &dyn Store) -> (u64, u64) {
    let statuses = warmledger::runner::statuses(store).await.unwrap();
    let folded = statuses.iter().map(|status| status.position).min().unwrap();
    let signed = store.latest_checkpoint().await.unwrap().map_or(0, |signed| signed.size);
    (folded, signed)
}

/// Waits until all recorded events, and a later one, are folded and signed; returns the time it took.
pub async fn goes_on(store: &dyn Store, log: impl Fn() -> String) -> Duration {
    goes_on_within(BOUND, store, log).await
}

async fn goes_on_within(bound: Duration, store: &dyn Store, log: impl Fn() -> String) -> Duration {
    let (begun, at) = (Instant::now(), head(store).await);
    loop {
        let (folded, signed) = done(store).await;
        if folded > at && signed > at {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < bound,
            "after {:?} {folded} are folded and {signed} signed, not more than {at}, of {}: {}",
            begun.elapsed(),
            head(store).await,
            log()
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// A database behind a link, with the data directory's keys, and the link.
async fn far(database: &Database) -> (Database, Link) {
    let link = Link::to(database).await;
    (Database::at(link.url.clone()), link)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_takes_over_from_one_whose_link_has_vanished() {
    let database = Database::postgres().await;
    let (far, link) = far(&database).await;
    let first = ChildService::start(&far).await;
    let folds = async || first.log().contains("this process folds the projections");
    until("the first one folds", folds).await;
    database.take_over(
        &far,
        &["master.key", "webhook.key", "admin.token", "ledger-signing.key"],
    );
    let second = ChildService::start(&database).await;
    let store = database.store().await;
    let (plan, enough) = (plan(2_000), CancellationToken::new());
    let (mut to_first, mut to_second) = (plan.clone(), plan.clone());
    let half = plan.deliveries.len() / 2;
    to_first.deliveries.truncate(half);
    to_second.deliveries.drain(..half);
    let sending = [send(&first, &to_first, &enough), send(&second, &to_second, &enough)];
    sleep(Duration::from_secs(2)).await;
    assert!(head(&*store).await > 50);
    link.vanish();
    let took = goes_on(&*store, || second.log()).await;
    eprintln!("taken over within {took:?}");
    assert!(
        second.log().contains("this process folds the projections"),
        "{}",
        second.log()
    );
    enough.cancel();
    let [_, healthy] = futures_util::future::join_all(sending).await.try_into().unwrap();
    let healthy = healthy.unwrap();
    // every webhook sent to the healthy process is recorded, and none waited long for the other's sessions
    assert_eq!(healthy.given_up, 0, "{healthy}");
    let acknowledged = healthy.acknowledgements;
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    // the cut-off process has given up its leases
    let begun = Instant::now();
    while !first.log().contains("the lease on the projections is lost") && !first.log().contains("held up") {
        assert!(begun.elapsed() < BOUND * 2, "{}", first.log());
        sleep(Duration::from_millis(50)).await;
    }
    caught_up(&*store).await;
    holds(&*store, &plan, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_process_does_not_wait_for_its_own_sessions_that_have_vanished() {
    let database = Database::postgres().await;
    let (far, link) = far(&database).await;
    let child = ChildService::start(&far).await;
    let store = database.store().await;
    let (plan, enough) = (plan(2_000), CancellationToken::new());
    let sending = send(&child, &plan, &enough);
    for _ in 0..3 {
        sleep(Duration::from_secs(2)).await;
        link.swap();
        let took = goes_on_within(OWN, &*store, || child.log()).await;
        eprintln!("goes on after {took:?}");
    }
    enough.cancel();
    let sent = sending.await.unwrap();
    assert_eq!(sent.given_up, 0, "{sent}");
    caught_up(&*store).await;
    holds(&*store, &plan, &sent.acknowledgements).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_has_vanished_is_away_within_seconds_for_every_call() {
    let database = Database::postgres().await;
    let (far, link) = far(&database).await;
    let store = far.store().await;
    // with open connections, and one to be opened
    futures_util::future::join_all((0..8).map(|_| store.head())).await;
    link.vanish();
    // bytes in flight in the link still pass
    sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    let calls = futures_util::future::join_all((0..12).map(|_| store.head())).await;
    for answer in calls {
        let error = answer.err().unwrap();
        assert!(error.is_transient(), "{error}");
    }
    let error = store.outline().await.err().unwrap();
    assert!(error.is_transient(), "{error}");
    assert!(store.lease(warmledger::store::Duty::Relay).await.is_err());
    assert!(store.append_lock(aggregates::Position(0), 10).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    // and it is closed in time
    tokio::time::timeout(Duration::from_secs(20), store.close())
        .await
        .unwrap();
}
