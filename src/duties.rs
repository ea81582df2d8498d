//! Watches that some process has each duty that one process does for all, and says so while none has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use store::{Duty, LeaseState, Store};

/// How often the leases are looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long the database may take to tell.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nobody has a duty for so long at most where there is a process that can: they look once a second.
const VACANT_FOR: Duration = Duration::from_secs(4);
/// How often it is said again.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// What is not done while nobody has the duty.
pub fn work(duty: Duty) -> &'static str {
    match duty {
        Duty::Projections => "folds the projections",
        Duty::Relay => "publishes events to NATS",
        Duty::KeyRotation => "rotates the master key",
        Duty::Checkpoints => "signs checkpoints",
    }
}

/// A duty that nobody has.
struct Vacancy {
    since: Instant,
    said: Option<Instant>,
}

/// Watches these duties until `shutdown`. The receiver has those that nobody has had for some seconds.
pub fn watch(
    store: Arc<dyn Store>,
    duties: Vec<Duty>,
    shutdown: CancellationToken,
) -> (watch::Receiver<Vec<Duty>>, impl Future<Output = ()> + Send) {
    let (sender, receiver) = watch::channel(Vec::new());
    let task = async move {
        let mut vacancies: HashMap<Duty, Vacancy> = HashMap::new();
        while shutdown.run_until_cancelled(sleep(POLL)).await.is_some() {
            // while the store is away nobody can tell, and others say that it is
            if let Ok(Ok(leases)) = timeout(PATIENCE, store.leases()).await {
                let long = duties.iter().filter(|duty| look(**duty, &leases, &mut vacancies));
                sender.send_replace(long.copied().collect());
            }
        }
    };
    (receiver, task)
}

/// Whether nobody has had a duty for some seconds.
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
