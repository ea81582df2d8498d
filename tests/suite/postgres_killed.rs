//! PostgreSQL itself is killed under load and restarted: no acknowledged webhook is lost, and the service recovers
//! without a restart.

use std::time::{Duration, Instant};

use aggregates::{EventId, Position};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan};

use crate::crash::{caught_up, head, holds, remaining, send};
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::cluster::Cluster;

const KILLS: usize = 3;
/// Time-out, much longer than it takes.
const BOUND: Duration = Duration::from_secs(20);

/// Waits until the service says that it is ready.
pub async fn ready(child: &ChildService) {
    let begun = Instant::now();
    let client = crate::support::api::Client::new();
    loop {
        let answer = client.get(format!("{}/readyz", child.base)).send().await.unwrap();
        if answer.status() == 200 {
            return;
        }
        let detail = answer.text().await.unwrap();
        assert!(begun.elapsed() < BOUND, "{detail}: {}", child.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_the_service_goes_on_when_postgresql_is_killed() {
    let mut cluster = Cluster::start().await;
    let database = Database::at(cluster.url());
    let child = ChildService::start(&database).await;
    let plan = Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(1_000, Timestamp::now())
    });
    let mut acknowledged: Vec<(EventId, Position)> = Vec::new();
    let mut longest = Duration::ZERO;
    for _ in 0..KILLS {
        let rest = remaining(&plan, &acknowledged);
        let (mut options, enough) = (child.sender(), CancellationToken::new());
        options.pace = Pace::PerSecond(200.0);
        let ended = enough.clone();
        let sending = tokio::spawn(async move { simulate::run(&rest, &options, ended).await });
        tokio::time::sleep(Duration::from_millis(rand::random_range(500..1_500))).await;
        cluster.kill();
        tokio::time::sleep(Duration::from_millis(rand::random_range(100..600))).await;
        cluster.restart().await;
        let back = Instant::now();
        ready(&child).await;
        longest = longest.max(back.elapsed());
        enough.cancel();
        let summary = sending.await.unwrap().unwrap();
        // webhooks sent meanwhile either waited for the store or were refused
        let waited = summary.p99 > Some(Duration::from_millis(100));
        assert!(waited || summary.given_up > 0, "the kill came under load: {summary}");
        acknowledged.extend(summary.acknowledgements);
    }
    eprintln!("ready again within {longest:?} of PostgreSQL");
    let summary = send(&child, &remaining(&plan, &acknowledged)).await;
    assert!(summary.complete(), "{summary}");
    acknowledged.extend(summary.acknowledgements);
    let store = database.store().await;
    assert_eq!(head(&*store).await, plan.events() as u64);
    caught_up(&*store).await;
    holds(&*store, &plan, &acknowledged).await;
    store.close().await;
}
