//! The example consumers, each killed while events come in and restarted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan};
use warmledger::store::Store;

use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::log::sound_log;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_example_counts_every_event_once() {
    // in the folder of the examples, beside the test's own program in target/; the test runners build them
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("examples/follow_feed");
    assert!(program.exists(), "cargo build --example follow_feed");
    counts(|| Command::new(&program), "counts-rs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_example_counts_every_event_once() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/follow_feed.py");
    let program = || {
        let mut python = Command::new("python3");
        python.arg(&script);
        python
    };
    counts(program, "counts-py").await;
}

/// How often the example is killed.
const KILLS: usize = 3;

/// A run of the example, killed when dropped.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn counts(program: impl Fn() -> Command, name: &str) {
    let database = Database::sqlite();
    let store = database.store().await;
    std::fs::write(database.dir.path().join("warmledger.toml"), "heartbeat_seconds = 1\n").unwrap();
    let child = ChildService::start(&database).await;
    let token = std::fs::read_to_string(database.dir.path().join("admin.token")).unwrap();
    let file = database.dir.path().join("counts.json");
    let run = || {
        let mut command = program();
        let command = command.arg(&file).env("WARMLEDGER_URL", &child.base);
        let command = command.env("WARMLEDGER_TOKEN", token.trim()).stderr(Stdio::null());
        Run(command.spawn().unwrap())
    };
    let (load, enough) = (plan(3_000), CancellationToken::new());
    let (mut options, ended) = (child.sender(), enough.clone());
    options.pace = Pace::PerSecond(60.0);
    let sending = tokio::spawn(async move { simulate::run(&load, &options, ended).await });
    for _ in 0..KILLS {
        let (running, from) = (run(), saved(&file)["position"].as_u64());
        let begun = Instant::now();
        while saved(&file)["position"].as_u64() <= from {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is saved");
            sleep(Duration::from_millis(20)).await;
        }
        // kill it with counts not saved yet: it saves once a second
        sleep(Duration::from_millis(rand::random_range(100..700))).await;
        drop(running);
        let head = store.head().await.unwrap().position.0;
        let position = saved(&file)["position"].as_u64().unwrap();
        assert!(position < head, "it was killed at {position}, when it had caught up");
        assert!(!sending.is_finished(), "the kill came under load");
    }
    enough.cancel();
    let summary = sending.await.unwrap().unwrap();
    assert_eq!((summary.given_up, summary.retried), (0, 0), "{summary}");
    let _running = run();
    let counted = caught_up(&file, &*store).await;
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    // the record of the restarted read may come after its current count
    let by_now = counted["position"].as_u64().unwrap();
    let log = sound_log(&*store).await;
    for event in log.iter().filter(|event| event.position.0 <= by_now) {
        let day = event.recorded_at.strftime("%Y-%m-%d");
        *expected.entry(format!("{day} {}", event.type_name)).or_default() += 1;
    }
    assert_eq!(counted["counts"], serde_json::to_value(expected).unwrap());
    let begun = Instant::now();
    let lag = async || {
        let status = warmledger::feed::statuses(&*store).await.unwrap();
        status
            .iter()
            .find(|consumer| consumer.name.as_str() == name)
            .unwrap()
            .lag
    };
    while lag().await > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "its checkpoint is not stored"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

fn plan(orders: usize) -> Plan {
    Plan::new(&Options {
        seed: rand::random(),
        ..Options::new(orders, Timestamp::now())
    })
}

/// The content of the file; null if it does not exist.
fn saved(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Waits until the file has reached the newest event; returns its content.
async fn caught_up(file: &Path, store: &dyn Store) -> Value {
    let begun = Instant::now();
    loop {
        // the read of the feed is recorded too
        let head = store.head().await.unwrap().position.0;
        let counted = saved(file);
        if counted["position"] == head {
            return counted;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it is at {counted}, not at {head}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}
