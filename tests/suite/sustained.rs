//! A load of more than a minute, faster than a debug build folds: the views keep up, since recording slows down for
//! them, and no webhook is lost.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::runner::statuses;
use warmledger::simulate::{self, Options, Pace, Plan, Scenario};

use crate::crash::{caught_up, head};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::log::{live_equals_rebuilt, sound_log};

on_both_stores!(views_stay_close_behind_a_load_that_lasts);

/// How long webhooks come in.
const LOAD: Duration = Duration::from_secs(65);
/// The largest lag of views at any moment, in seconds; four tests share two processors.
const LATE: f64 = 10.0;

async fn views_stay_close_behind_a_load_that_lasts(database: Database) {
    let child = ChildService::start(&database).await;
    let plan = Plan::new(&Options {
        scenario: Scenario::Success,
        seed: rand::random(),
        ..Options::new(60_000, Timestamp::now())
    });
    let (mut options, enough) = (child.sender(), CancellationToken::new());
    options.concurrency = 16;
    options.pace = Pace::Flood;
    let (ended, deliveries) = (enough.clone(), plan.deliveries.len());
    let sending = tokio::spawn(async move { simulate::run(&plan, &options, ended).await });
    let store = database.store().await;
    let (begun, mut latest) = (Instant::now(), 0.0_f64);
    while begun.elapsed() < LOAD {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let statuses = statuses(&*store).await.unwrap();
        latest = statuses.iter().map(|status| status.lag_seconds).fold(latest, f64::max);
    }
    enough.cancel();
    let sent = sending.await.unwrap().unwrap().acknowledgements.len();
    let recorded = head(&*store).await;
    assert!(sent < deliveries, "the load lasted to the end");
    assert!(recorded > 5_000, "only {recorded} events in {LOAD:?}");
    assert!(latest < LATE, "a view was {latest} s late, of {recorded} events");
    caught_up(&*store).await;
    assert_eq!(sound_log(&*store).await.len() as u64, head(&*store).await);
    live_equals_rebuilt(&*store).await;
    store.close().await;
}
