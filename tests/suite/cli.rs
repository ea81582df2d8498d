//! The real binary: its exit codes, stdout and stderr.
//!
//! Layout
//! - `program`: running the binary
//! - `play`: `serve`, `simulate` and `demo`
//! - `records`: `ingest`, `events` and `projections`

mod play;
pub mod program;
mod records;

use aggregates::Position;
use warmledger::store::{ConsumerName, EventFilter};

use crate::support::Database;
use program::Program;

#[tokio::test]
async fn wrong_use_ends_with_2_and_says_what_is_wrong() {
    let database = Database::sqlite();
    let program = Program::new(&database);
    for (args, expected) in [
        ("nonsense", "unrecognized subcommand"),
        ("projections rebuild nonsense", "known are orders,"),
        ("projections rebuild", "NAME"),
        ("projections as-of orders O1 --at tomorrow", "a moment is a position"),
        ("projections as-of orders O1", "--at"),
        ("events list --stream a/\u{7}", "--stream"),
        ("events tail --category a-b", "--category"),
        ("simulate --url nonsense --orders 1", "--url"),
        ("simulate --url https://h --orders 1", "plain http"),
        ("simulate --url http://127.0.0.1:1 --orders 1", "--key-file"),
        ("ingest nowhere.jsonl", "cannot read nowhere.jsonl"),
        ("ingest --source nobody nowhere.jsonl", "known are coldmailreseller"),
        ("--config nowhere.toml config", "nowhere.toml"),
        ("--log-format loud config", "log_format"),
    ] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 2, "{args}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{args}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args}");
    }
}

#[tokio::test]
async fn a_command_that_only_reads_leaves_nothing_behind() {
    let database = Database::sqlite();
    let program = Program::new(&database);
    for args in [
        "events list",
        "events tail",
        "projections status",
        "projections as-of orders O1 --at 1",
        "projections diff orders O1 --from 1",
        "projections rebuild --all",
        "consumers list",
    ] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains("there is no ledger at"), "{}", ended.stderr);
    }
    assert_eq!(std::fs::read_dir(database.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn config_tells_what_is_in_effect_and_why() {
    let database = Database::sqlite();
    let ended = Program::new(&database)
        .env("WARMLEDGER_WEBHOOK_KEY", "planted-planted-planted")
        .run("config --json")
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows = ended.json();
    let row = |key: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(row("webhook_key")["origin"], "environment");
    assert_eq!(row("data_dir")["from"], "--data-dir");
    assert!(!ended.stdout.contains("planted"));
}

#[tokio::test]
async fn consumers_are_listed_with_their_lag() {
    let database = Database::sqlite();
    let store = database.store().await;
    let name = ConsumerName::try_from("billing".to_owned()).unwrap();
    let filter = EventFilter::default();
    assert!(store.put_consumer(&name, &filter, Position(0), None).await.unwrap());
    let program = Program::new(&database);
    let table = program.run("consumers list").await;
    assert_eq!(table.code, 0, "{}", table.stderr);
    let rows: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NAME", "POSITION", "LAG", "SECONDS", "LAST", "SEEN"]);
    assert_eq!(rows[1], ["billing", "0", "0", "0.0", "never"]);
    let json = program.run("consumers list --json").await.json();
    assert_eq!((&json[0]["name"], &json[0]["lag"]), (&"billing".into(), &0.into()));
}
