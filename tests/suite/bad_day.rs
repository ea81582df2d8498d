//! A bad day: two hosts with their own data directories on one PostgreSQL, under load. Keys are rotated, a link
//! vanishes without notice, the database fails over to its standby, and each process is killed. No acknowledged webhook
//! is lost, and within seconds after each event a process records, folds and signs.

use std::time::{Duration, Instant};

use aggregates::{EventId, Position};
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan, Summary};

use crate::cli::program::Program;
use crate::crash::{caught_up, remaining, send};
use crate::postgres_killed::ready;
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::cluster::Cluster;
use crate::support::link::Link;
use crate::support::log::{live_equals_rebuilt, positions, sound_log};
use crate::vanished::goes_on;

/// Webhooks a second for each process.
const RATE: f64 = 40.0;
/// Time-out for the service to resume after each event.
const BOUND: Duration = Duration::from_secs(10);
const KEYS: [&str; 4] = ["master.key", "webhook.key", "admin.token", "ledger-signing.key"];

/// The load of each process, and the webhooks acknowledged so far.
struct Load {
    plan: Plan,
    acknowledged: Vec<(EventId, Position)>,
    enough: CancellationToken,
    sending: Vec<JoinHandle<Summary>>,
}

impl Load {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            acknowledged: Vec::new(),
            enough: CancellationToken::new(),
            sending: Vec::new(),
        }
    }

    /// Sends the remaining webhooks, every other one to each process.
    fn begin(&mut self, children: &[ChildService; 2]) {
        self.enough = CancellationToken::new();
        let rest = remaining(&self.plan, &self.acknowledged);
        for (own, child) in children.iter().enumerate() {
            let mut half = rest.clone();
            let mut turn = 0;
            half.deliveries.retain(|_| {
                turn += 1;
                turn % 2 == own
            });
            let (mut options, enough) = (child.sender(), self.enough.clone());
            options.pace = Pace::PerSecond(RATE);
            self.sending.push(tokio::spawn(async move {
                simulate::run(&half, &options, enough).await.unwrap()
            }));
        }
    }

    async fn end(&mut self) {
        self.enough.cancel();
        for sent in self.sending.drain(..) {
            self.acknowledged.extend(sent.await.unwrap().acknowledgements);
        }
    }
}

/// The command is refused while the other host lacks the new key, and succeeds once the file is there.
async fn rotate(command: &str, file: &str, from: &Database, to: &Database) {
    let program = Program::new(from);
    let refused = program.run(command).await;
    assert_eq!(refused.code, 2, "{command}: {}", refused.stderr);
    to.take_over(from, &[file]);
    let rotated = program.run(command).await;
    assert_eq!(rotated.code, 0, "{command}: {}", rotated.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_survive_rotations_a_vanished_link_a_failover_and_kills_under_load() {
    let mut primary = Cluster::start().await;
    let standby = primary.standby().await;
    // commits wait for the standby
    primary.set("synchronous_standby_names = '*'").await;
    let links = [
        Link::to(&Database::at(primary.url())).await,
        Link::to(&Database::at(standby.url())).await,
    ];
    let port = |link: &Link| link.url.split(['@', '/']).nth(3).unwrap().to_owned();
    let near = Database::at(primary.url_with(&standby));
    let far = Database::at(format!(
        "postgres://postgres@{},{}/postgres?target_session_attrs=read-write",
        port(&links[0]),
        port(&links[1])
    ));
    // the far one first, so that it holds the duties when its link vanishes
    let first = ChildService::start(&far).await;
    ready(&first).await;
    near.take_over(&far, &KEYS);
    let mut children = [first, ChildService::start(&near).await];
    let store = Database::at(primary.url()).store().await;
    let mut load = Load::new(Plan::new(&Options {
        renewals: true,
        duplicates: 0.1,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(1_500, Timestamp::now())
    }));
    load.begin(&children);
    goes_on(&*store, || children[1].log()).await;

    rotate("keys rotate --reason bad-day", "master.key", &near, &far).await;
    goes_on(&*store, || children[0].log()).await;
    rotate("keys rotate-signing", "ledger-signing.key.next", &near, &far).await;
    let took = goes_on(&*store, || children[0].log()).await;
    eprintln!("keys rotated; signed and folded {took:?} later");

    for link in &links {
        link.vanish();
    }
    let took = goes_on(&*store, || children[1].log()).await;
    eprintln!("the far host vanished; taken over within {took:?}");
    links.iter().for_each(Link::swap);
    ready(&children[0]).await;
    load.end().await;
    load.begin(&children);

    primary.kill();
    standby.promote().await;
    let promoted = Instant::now();
    let before: i64 = standby.ask("SELECT position FROM head").await;
    while standby.ask::<i64>("SELECT position FROM head").await == before {
        assert!(promoted.elapsed() < BOUND, "nothing is recorded: {}", children[1].log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!("recorded again {:?} after the promotion", promoted.elapsed());
    for child in &children {
        ready(child).await;
    }
    let store = Database::at(standby.url()).store().await;

    for (killed, database) in [(0, &far), (1, &near)] {
        load.end().await;
        load.begin(&children);
        tokio::time::sleep(Duration::from_secs(1)).await;
        children[killed].kill();
        let took = goes_on(&*store, || children[1 - killed].log()).await;
        eprintln!("killed; taken over within {took:?}");
        children[killed] = ChildService::start(database).await;
    }
    load.end().await;

    let summary = send(&children[1], &remaining(&load.plan, &load.acknowledged)).await;
    assert!(summary.complete(), "{summary}");
    assert_eq!(summary.quarantined, 0);
    load.acknowledged.extend(summary.acknowledgements);
    caught_up(&*store).await;
    for child in &mut children {
        assert!(child.terminate().await.success(), "{}", child.log());
    }
    let verified = Program::new(&near).run("verify --full").await;
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    let log = sound_log(&*store).await;
    let sent = log.iter().filter(|event| event.source.as_str() == "coldmailreseller");
    assert_eq!(sent.count(), load.plan.events(), "each webhook is recorded once");
    let positions = positions(&log);
    for (event_id, position) in &load.acknowledged {
        assert_eq!(positions.get(event_id), Some(position), "{event_id} was acknowledged");
    }
    live_equals_rebuilt(&*store).await;
    store.close().await;
}
