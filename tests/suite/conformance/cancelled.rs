//! Appends that are cancelled on the server, by an administrator or a time-out: nothing is lost, and no lock is left
//! behind.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan};

use crate::crash::{caught_up, holds, remaining, send};
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::raw::Raw;

/// The number of appends cancelled under load,
const CANCELLED: usize = 21;
/// and the time-out for it.
const LONGEST: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_are_cancelled_are_done_again_and_leave_no_lock() {
    let database = Database::postgres().await;
    let child = ChildService::start(&database).await;
    let plan = Plan::new(&Options {
        renewals: true,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(9_000, Timestamp::now())
    });
    let (mut options, enough) = (child.sender(), CancellationToken::new());
    options.concurrency = 40;
    options.pace = Pace::Flood;
    let (ended, rest) = (enough.clone(), remaining(&plan, &[]));
    let sending = tokio::spawn(async move { simulate::run(&rest, &options, ended).await });
    let raw = Raw::connect(&database).await;
    let (begun, mut cancelled) = (Instant::now(), 0);
    while cancelled < CANCELLED && begun.elapsed() < LONGEST {
        cancelled += raw
            .texts(
                "SELECT CAST(pg_cancel_backend(pid) AS text) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE '%append_batch%' AND state = 'active' AND pid <> pg_backend_pid()",
            )
            .await
            .len();
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    enough.cancel();
    let mut acknowledged = sending.await.unwrap().unwrap().acknowledgements;
    assert!(cancelled > 20, "only {cancelled} appends were cancelled");
    // the service recovers, and records the rest
    let summary = send(&child, &remaining(&plan, &acknowledged)).await;
    assert!(summary.complete(), "{summary}");
    acknowledged.extend(summary.acknowledgements);
    let held = "SELECT CAST(count(*) AS text) FROM pg_locks JOIN pg_stat_activity USING (pid)
                WHERE locktype = 'advisory' AND objsubid = 2 AND datname = current_database() AND state = 'idle'";
    assert_eq!(raw.texts(held).await, ["0"]);
    let store = database.store().await;
    caught_up(&*store).await;
    holds(&*store, &plan, &acknowledged).await;
    store.close().await;
}
