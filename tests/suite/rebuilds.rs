//! Rebuilds under readers and writers: readers see no change, no event is lost, a killed rebuild leaves nothing behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::api::Client;
use jiff::Timestamp;
use projections::testing::failed;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use warmledger::data_dir::SecretFile;
use warmledger::runner::{self, LiveRunner, statuses};
use warmledger::simulate::{self, Options, Pace, Plan};
use warmledger::store::{GenerationState, Store};

use crate::cli::program::Program;
use crate::conformance::projections::{events, fill, run_until_caught_up};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::log::{live_equals_rebuilt, positions, sound_log};
use crate::support::raw::Raw;

on_both_stores!(
    three_rebuilds_under_load_change_no_answer_and_cause_no_error,
    a_reader_of_the_sql_view_sees_one_whole_generation_at_any_time,
    a_killed_rebuild_resumes,
    projections_that_were_left_apart_are_rebuilt_together,
    an_abandoned_rebuild_is_cleaned_up,
    a_rebuild_asked_for_over_http_goes_on_after_a_kill,
    a_reader_with_an_open_transaction_holds_up_a_switch_and_nobody_else,
);

/// The least time that webhooks come in.
const LOAD: Duration = Duration::from_secs(10);

/// Reads answers over HTTP until `stop` is set; they may only grow. Returns the number of reads.
async fn read_over_http(base: String, token: String, stop: Arc<AtomicBool>) -> u32 {
    let client = Client::new();
    let get = async |path: &str| -> Value {
        let call = client.get(format!("{base}{path}")).bearer_auth(&token);
        let response = call.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    let (mut last, mut seen, mut rounds) = (Vec::new(), BTreeSet::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        let list = get("/api/v1/projections").await;
        let now: Vec<(u64, u64)> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["position"].as_u64().unwrap(), item["rows"].as_u64().unwrap()))
            .collect();
        for ((was, is), projection) in std::iter::zip(&last, &now).zip(projections::all()) {
            let (was, is): (&(u64, u64), &(u64, u64)) = (was, is);
            let name = projection.name();
            assert!(is.0 >= was.0, "{name} went back from position {} to {}", was.0, is.0);
            assert!(is.1 >= was.1, "{name} shrank from {} rows to {}", was.1, is.1);
        }
        last = now;
        let newest = get("/api/v1/orders?limit=20").await;
        let ids = newest["items"].as_array().unwrap().iter();
        seen.extend(ids.map(|order| order["orderId"].as_str().unwrap().to_owned()));
        for id in seen.iter().step_by(seen.len() / 10 + 1) {
            assert_eq!(get(&format!("/api/v1/orders/{id}")).await["orderId"], id.as_str());
        }
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rounds
}

/// Reads the SQL view until `stop` is set: orders may not disappear. Returns the number of reads.
async fn read_sql(raw: Raw, stop: Arc<AtomicBool>) -> u32 {
    let (mut last, mut rounds) = (BTreeSet::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        let now: BTreeSet<String> = raw.texts("SELECT key FROM orders").await.into_iter().collect();
        let gone: Vec<_> = last.difference(&now).take(3).collect();
        assert!(gone.is_empty(), "{gone:?} are gone");
        last = now;
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rounds
}

async fn three_rebuilds_under_load_change_no_answer_and_cause_no_error(database: Database) {
    let child = ChildService::start(&database).await;
    // SQLite has one writer, which the rebuilds need too
    let rate = if database.is_postgres() { 500.0 } else { 150.0 };
    let plan = Plan::new(&Options {
        renewals: true,
        duplicates: 0.05,
        shuffle: true,
        seed: rand::random(),
        ..Options::new(4_000, Timestamp::now())
    });
    let mut options = child.sender();
    options.pace = Pace::PerSecond(rate);
    options.concurrency = 64;
    let (enough, stop) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
    let ended = enough.clone();
    let sending = tokio::spawn(async move { simulate::run(&plan, &options, ended).await });
    let token = std::fs::read_to_string(SecretFile::AdminToken.path(database.dir.path())).unwrap();
    let over_http = read_over_http(child.base.clone(), token.trim().to_owned(), Arc::clone(&stop));
    let over_http = tokio::spawn(over_http);
    let by_sql = tokio::spawn(read_sql(Raw::connect(&database).await, Arc::clone(&stop)));

    let (begun, program) = (Instant::now(), Program::new(&database));
    tokio::time::sleep(LOAD / 4).await;
    for _ in 0..3 {
        let rebuilt = program.run("projections rebuild --all --json").await;
        assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(LOAD.saturating_sub(begun.elapsed())).await;
    enough.cancel();
    let summary = sending.await.unwrap().unwrap();
    eprintln!("{summary}");
    assert_eq!((summary.given_up, summary.retried), (0, 0), "{summary}");
    stop.store(true, Ordering::SeqCst);
    let (read, polled) = (over_http.await.unwrap(), by_sql.await.unwrap());
    eprintln!("read {read} times over HTTP, {polled} times by SQL");
    assert!(read > 10 && polled > 10);

    let checked = program.run("projections rebuild --all --check").await;
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    let store = database.store().await;
    let log = sound_log(&*store).await;
    let positions = positions(&log);
    for (event_id, position) in &summary.acknowledgements {
        assert_eq!(positions.get(event_id), Some(position), "{event_id} was acknowledged");
    }
    for status in statuses(&*store).await.unwrap() {
        assert_eq!((status.generation, status.state), (Some(4), "live"), "{}", status.name);
    }
    assert!(!child.log().contains("ERROR"), "{}", child.log());
}

async fn a_reader_of_the_sql_view_sees_one_whole_generation_at_any_time(database: Database) {
    let store = database.store().await;
    fill(&*store, events(900)).await;
    run_until_caught_up(&store).await;
    let raw = Raw::connect(&database).await;
    let rows = raw.texts("SELECT CAST(count(*) AS text) FROM orders").await[0].clone();
    let stop = Arc::new(AtomicBool::new(false));
    let (reader, ended, whole) = (Raw::connect(&database).await, Arc::clone(&stop), rows.clone());
    let reading = tokio::spawn(async move {
        let (mut of_old, mut of_new) = (0, 0);
        while !ended.load(Ordering::SeqCst) {
            let sql = "SELECT CAST(count(*) AS text) || ' ' ||
                              CAST(count(CASE WHEN status = 'old' THEN 1 END) AS text) FROM orders";
            let seen = reader.texts(sql).await[0].clone();
            match seen.split_once(' ') {
                Some((all, old)) if all == whole && old == whole => of_old += 1,
                Some((all, "0")) if all == whole => of_new += 1,
                _ => panic!("neither the old rows nor the new: {seen}"),
            }
            tokio::task::yield_now().await;
        }
        (of_old, of_new)
    });
    for generation in 1..=5 {
        raw.execute(&format!("UPDATE orders_g{generation} SET status = 'old'"))
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        runner::rebuild(&store, projections::all(), |_| {}, &CancellationToken::new())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::SeqCst);
    let (of_old, of_new) = reading.await.unwrap();
    assert!(of_old > 0 && of_new > 0, "{of_old} {of_new}");
    live_equals_rebuilt(&*store).await;
}

/// Kills a rebuild of the whole log (SIGKILL) half way, and returns its position.
async fn killed_midway(database: &Database, store: &Arc<dyn Store>) -> u64 {
    fill(&**store, events(14_000)).await;
    run_until_caught_up(store).await;
    let killed = Program::new(database).start("projections rebuild --all");
    let begun = Instant::now();
    let midway = loop {
        let building = building(&**store).await;
        // the kill may have come between writes of different projections: the rebuild's position is the least of theirs
        if let Some(position) = building.into_iter().min().filter(|position| *position > 0) {
            break position;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the rebuild does not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(killed.signal("KILL").await.0, None, "it has not come to its end");
    midway
}

/// The positions of the generations that are being built.
async fn building(store: &dyn Store) -> Vec<u64> {
    let generations = store.generations().await.unwrap();
    let building = generations
        .into_iter()
        .filter(|found| found.state == GenerationState::Building);
    building.map(|found| found.position.0).collect()
}

async fn a_killed_rebuild_resumes(database: Database) {
    let store = database.store().await;
    let midway = killed_midway(&database, &store).await;
    live_equals_before_and_after(&store, midway).await;
    let mut begun_at = None;
    let progress = |at: runner::Progress| begun_at = begun_at.or(Some(at.position.0));
    runner::rebuild(&store, projections::all(), progress, &CancellationToken::new())
        .await
        .unwrap();
    assert!(begun_at > Some(midway), "{begun_at:?}: what was done is not done again");
    assert_eq!(building(&*store).await, Vec::<u64>::new());
    live_equals_rebuilt(&*store).await;
}

async fn projections_that_were_left_apart_are_rebuilt_together(database: Database) {
    let store = database.store().await;
    fill(&*store, events(14_000)).await;
    run_until_caught_up(&store).await;
    let ahead: Vec<_> = projections::all().iter().copied().step_by(2).collect();
    let enough = CancellationToken::new();
    let cut_short = runner::rebuild(&store, &ahead, |_| enough.cancel(), &enough).await;
    assert!(matches!(cut_short, Err(runner::RunError::Cancelled)), "{cut_short:?}");
    let apart = building(&*store).await;
    assert!(
        apart.len() == ahead.len() && apart.iter().all(|at| (1..14_000).contains(at)),
        "{apart:?}"
    );

    runner::rebuild(&store, projections::all(), |_| {}, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(building(&*store).await, Vec::<u64>::new());
    for status in statuses(&*store).await.unwrap() {
        assert_eq!(
            (status.generation, status.position),
            (Some(2), 14_000),
            "{}",
            status.name
        );
    }
    live_equals_rebuilt(&*store).await;
}

/// A killed rebuild has not changed the live rows.
async fn live_equals_before_and_after(store: &Arc<dyn Store>, midway: u64) {
    assert!(midway < 14_000);
    for status in statuses(&**store).await.unwrap() {
        assert_eq!(
            (status.generation, status.position),
            (Some(1), 14_000),
            "{}",
            status.name
        );
        // this ledger has no access events, and no event of a registration
        let empty = ["access", "domains"].contains(&status.name);
        assert_eq!(status.rows == 0, empty, "{}", status.name);
    }
}

async fn an_abandoned_rebuild_is_cleaned_up(database: Database) {
    let store = database.store().await;
    fill(&*store, events(50)).await;
    run_until_caught_up(&store).await;
    let orders = projections::by_name("orders").unwrap();
    let begin = async || {
        store
            .create_generation(orders.name(), orders.version(), orders.columns())
            .await
            .unwrap()
    };
    assert_eq!(begin().await.state, GenerationState::Building);
    // a recent one, which a command may resume, is left alone
    age(&database, "building", 1).await;
    run_until_caught_up(&store).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(building(&*store).await, [0]);
    age(&database, "building", 11).await;
    let live = LiveRunner::new(Arc::clone(&store));
    let (shutdown, tail) = (
        CancellationToken::new(),
        tokio::sync::watch::channel(aggregates::Position(0)),
    );
    let running = tokio::spawn(live.run(tail.1, shutdown.clone()));
    let begun = Instant::now();
    while !building(&*store).await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it was not cleaned up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
    let raw = Raw::connect(&database).await;
    assert!(
        raw.try_execute("SELECT 1 FROM orders_g2").await.is_err(),
        "its table is gone"
    );
    live_equals_rebuilt(&*store).await;
}

/// Ages generations, as if they had not been written for this many minutes.
async fn age(database: &Database, state: &str, minutes: u32) {
    let long_ago = if database.is_postgres() {
        format!("now() - interval '{minutes} minutes'")
    } else {
        format!("strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-{minutes} minutes')")
    };
    let sql = format!("UPDATE projection_generations SET updated_at = {long_ago} WHERE state = '{state}'");
    database.execute(&sql).await;
}

async fn a_rebuild_asked_for_over_http_goes_on_after_a_kill(database: Database) {
    let store = database.store().await;
    fill(&*store, events(14_000)).await;
    run_until_caught_up(&store).await;
    let mut child = ChildService::start(&database).await;
    let token = std::fs::read_to_string(SecretFile::AdminToken.path(database.dir.path())).unwrap();
    let rebuild = Client::new().post(format!("{}/api/v1/projections/orders/rebuild", child.base));
    let begun = rebuild.bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(begun.status(), 202);
    // it is stored before it is answered
    child.kill();
    let left = building(&*store).await;
    assert!(left.len() == 1 && left[0] < 14_000, "{left:?}");
    age(&database, "building", 1).await;

    let mut child = ChildService::start(&database).await;
    let begun = Instant::now();
    loop {
        let statuses = statuses(&*store).await.unwrap();
        let orders = statuses.iter().find(|status| status.name == "orders").unwrap();
        if (orders.generation, orders.state) == (Some(2), "live") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{orders:?}: {}", child.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(child.terminate().await.success());
    live_equals_rebuilt(&*store).await;
}

async fn a_reader_with_an_open_transaction_holds_up_a_switch_and_nobody_else(database: Database) {
    let store = database.store().await;
    fill(&*store, events(60)).await;
    run_until_caught_up(&store).await;
    let analyst = Raw::connect(&database).await;
    let begin = match database.is_postgres() {
        true => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        false => "BEGIN",
    };
    analyst.execute(begin).await;
    let rows = analyst.texts("SELECT key FROM orders").await;
    let rebuilding = tokio::spawn({
        let store = Arc::clone(&store);
        let orders = [projections::by_name("orders").unwrap()];
        async move { runner::rebuild(&store, &orders, |_| {}, &CancellationToken::new()).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    // PostgreSQL cannot redefine a view while it is read; in SQLite the reader keeps its snapshot
    assert_eq!(rebuilding.is_finished(), !database.is_postgres());
    fill(&*store, failures(1)).await;
    let begun = Instant::now();
    run_until_caught_up(&store).await;
    let other = Raw::connect(&database).await;
    assert!(!other.texts("SELECT key FROM orders").await.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(5), "folding and reading go on");
    assert_eq!(analyst.texts("SELECT key FROM orders").await, rows);
    analyst.execute("COMMIT").await;
    rebuilding.await.unwrap().unwrap();

    // a reader of the old rows delays nothing but their removal
    analyst.execute(begin).await;
    analyst.texts("SELECT key FROM orders_g1").await;
    age(&database, "retired", 2).await;
    fill(&*store, failures(2)).await;
    let begun = Instant::now();
    run_until_caught_up(&store).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "folding goes on");
    assert!(statuses(&*store).await.unwrap().iter().all(|status| status.lag == 0));
    analyst.execute("COMMIT").await;
    age(&database, "retired", 2).await;
    let begun = Instant::now();
    while analyst.try_execute("SELECT 1 FROM orders_g1").await.is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the old rows are not dropped"
        );
        run_until_caught_up(&store).await;
    }
    live_equals_rebuilt(&*store).await;
}

/// One order that fails.
fn failures(number: u32) -> Vec<aggregates::Recorded> {
    let event = failed(&format!("AFTER{number}"), &format!("AFTER{number}")).fails("after.com", "No");
    vec![event.at(aggregates::Position(0))]
}
