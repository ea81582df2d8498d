//! The folding process is killed repeatedly: another one takes over, and each event counts once.

use std::time::{Duration, Instant};

use aggregates::{EventId, Position};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::runner::statuses;
use warmledger::simulate::{self, Options, Pace, Plan};
use warmledger::store::Store;

use crate::crash::{caught_up, head, holds, remaining, send};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::ChildService;

on_both_stores!(another_process_takes_over_whenever_the_one_that_folds_is_killed);

const KILLS: usize = 4;
/// Time-out, much longer than it takes: a second between two attempts at the lease, and a busy machine.
const BOUND: Duration = Duration::from_secs(10);

/// Which of the two folds, by its log.
async fn leader(children: &[ChildService; 2]) -> usize {
    let begun = Instant::now();
    loop {
        let leads = |child: &ChildService| child.log().contains("this process folds the projections");
        if let Some(found) = children.iter().position(leads) {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "none of the processes folds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The position of the projection with the most lag.
async fn folded(store: &dyn Store) -> u64 {
    let statuses = statuses(store).await.unwrap();
    statuses.iter().map(|status| status.position).min().unwrap()
}

async fn another_process_takes_over_whenever_the_one_that_folds_is_killed(database: Database) {
    let plan = Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(600, Timestamp::now())
    });
    let mut children = [
        ChildService::start(&database).await,
        ChildService::start(&database).await,
    ];
    let store = database.store().await;
    let mut acknowledged: Vec<(EventId, Position)> = Vec::new();
    let mut longest = Duration::ZERO;
    for _ in 0..KILLS {
        let first = leader(&children).await;
        let enough = CancellationToken::new();
        // webhooks go to both, alternately
        let rest = remaining(&plan, &acknowledged);
        let sending: Vec<_> = (0..2)
            .map(|own| {
                let mut half = rest.clone();
                let mut turn = 0;
                half.deliveries.retain(|_| {
                    turn += 1;
                    turn % 2 == own
                });
                let (mut options, ended) = (children[own].sender(), enough.clone());
                options.pace = Pace::PerSecond(100.0);
                tokio::spawn(async move { simulate::run(&half, &options, ended).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(rand::random_range(500..1_200))).await;
        children[first].kill();
        let (killed, at) = (Instant::now(), head(&*store).await);
        while folded(&*store).await <= at {
            assert!(
                killed.elapsed() < BOUND,
                "nobody folds on after {at}: {}",
                children[1 - first].log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        longest = longest.max(killed.elapsed());
        children[first] = ChildService::start(&database).await;
        enough.cancel();
        for sent in sending {
            acknowledged.extend(sent.await.unwrap().unwrap().acknowledgements);
        }
    }
    eprintln!("taken over within {longest:?}");
    let summary = send(&children[0], &remaining(&plan, &acknowledged)).await;
    assert!(summary.complete(), "{summary}");
    acknowledged.extend(summary.acknowledgements);
    assert_eq!(head(&*store).await, plan.events() as u64);
    caught_up(&*store).await;
    // monthly_mailboxes counts webhooks: one that was folded twice would be a difference
    holds(&*store, &plan, &acknowledged).await;
}
