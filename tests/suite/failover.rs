//! PostgreSQL fails over to its standby under load: the service recovers without a restart, and no acknowledged webhook
//! is lost.

use std::time::{Duration, Instant};

use aggregates::{EventId, Position};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan};

use crate::crash::{caught_up, head, holds, remaining, send};
use crate::postgres_killed::ready;
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::cluster::Cluster;

/// From the promotion to the next recorded webhook.
const BOUND: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_the_service_goes_on_when_postgresql_fails_over() {
    let mut primary = Cluster::start().await;
    let standby = primary.standby().await;
    // commits wait for the standby
    primary.set("synchronous_standby_names = '*'").await;
    let database = Database::at(primary.url_with(&standby));
    let mut children = [
        ChildService::start(&database).await,
        ChildService::start(&database).await,
    ];
    let plan = Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(600, Timestamp::now())
    });
    let enough = CancellationToken::new();
    let sending = children.iter().map(|child| {
        let (mut options, rest, ended) = (child.sender(), plan.clone(), enough.clone());
        options.pace = Pace::PerSecond(100.0);
        tokio::spawn(async move { simulate::run(&rest, &options, ended).await })
    });
    let sending: Vec<_> = sending.collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    primary.kill();
    standby.promote().await;
    let promoted = Instant::now();
    let before: i64 = standby.ask("SELECT position FROM head").await;
    assert!(before > 0, "the failover came under load");
    while standby.ask::<i64>("SELECT position FROM head").await == before {
        assert!(promoted.elapsed() < BOUND, "nothing is recorded: {}", children[0].log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!("recorded again {:?} after the promotion", promoted.elapsed());
    for child in &children {
        ready(child).await;
    }
    eprintln!("both ready {:?} after the promotion", promoted.elapsed());
    assert!(promoted.elapsed() < BOUND);
    enough.cancel();
    let mut acknowledged: Vec<(EventId, Position)> = Vec::new();
    for sent in sending {
        acknowledged.extend(sent.await.unwrap().unwrap().acknowledgements);
    }
    let summary = send(&children[0], &remaining(&plan, &acknowledged)).await;
    assert!(summary.complete(), "{summary}");
    acknowledged.extend(summary.acknowledgements);
    let store = Database::at(standby.url()).store().await;
    caught_up(&*store).await;
    for child in &mut children {
        assert!(child.terminate().await.success());
        assert!(
            child.log().contains("writes go to the database's server"),
            "{}",
            child.log()
        );
    }
    assert_eq!(head(&*store).await, plan.events() as u64);
    holds(&*store, &plan, &acknowledged).await;
    store.close().await;
}
