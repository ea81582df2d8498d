//! Watches that some process holds each duty, and logs duties that are vacant.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use store::{Duty, LeaseState, Store};

/// How often the leases are read.
const POLL: Duration = Duration::from_secs(1);
/// Time-out for the database.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest normal vacancy: processes that can take the duty try once a second.
const VACANT_FOR: Duration = Duration::from_secs(4);
/// How often a vacancy is logged again.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// The work that is not done while the duty is vacant.
pub fn work(duty: Duty) -> &'static str {
    match duty {
        Duty::Projections => "folds the projections",
        Duty::Relay => "publishes events to NATS",
        Duty::KeyRotation => "rotates the master key",
        Duty::Checkpoints => "signs checkpoints",
    }
}

/// A vacant duty.
struct Vacancy {
    since: Instant,
    said: Option<Instant>,
}

/// Watches these duties until `shutdown`. The receiver has those that were vacant for some seconds.
pub fn watch(
    store: Arc<dyn Store>,
    duties: Vec<Duty>,
    shutdown: CancellationToken,
) -> (watch::Receiver<Vec<Duty>>, impl Future<Output = ()> + Send) {
    let (sender, receiver) = watch::channel(Vec::new());
    let task = async move {
        let mut vacancies: HashMap<Duty, Vacancy> = HashMap::new();
        while shutdown.run_until_cancelled(sleep(POLL)).await.is_some() {
            // while the store is unavailable the leases are unknown, and others report the store
            if let Ok(Ok(leases)) = timeout(PATIENCE, store.leases()).await {
                let long = duties.iter().filter(|duty| look(**duty, &leases, &mut vacancies));
                sender.send_replace(long.copied().collect());
            }
        }
    };
    (receiver, task)
}

/// Whether a duty was vacant for some seconds.
fn look(duty: Duty, leases: &[LeaseState], vacancies: &mut HashMap<Duty, Vacancy>) -> bool {
    let lease = leases.iter().find(|lease| lease.duty == duty.as_str());
    let gauge = metrics::gauge!("warmledger_duty_vacant_seconds", "duty" => duty.as_str());
    if lease.is_some_and(|lease| !lease.is_vacant()) {
        vacancies.remove(&duty);
        gauge.set(0.0);
        return false;
    }
    let now = Instant::now();
    let vacancy = vacancies.entry(duty).or_insert(Vacancy { since: now, said: None });
    let vacant = now.duration_since(vacancy.since);
    gauge.set(vacant.as_secs_f64());
    let long = vacant >= VACANT_FOR;
    if long && vacancy.said.is_none_or(|said| now.duration_since(said) >= SAID_AGAIN) {
        vacancy.said = Some(now);
        let last = lease.map_or("nobody", |lease| lease.holder.as_str());
        tracing::warn!(
            seconds = vacant.as_secs(),
            last,
            "no process {}: look in the logs of all processes for why none can",
            work(duty)
        );
    }
    long
}
