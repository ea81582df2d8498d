//! Read-only ledgers: every command that reads works, and warns that the read is not recorded.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cli::program::Program;
use crate::support::child::ChildService;
use crate::support::cluster::Cluster;
use crate::support::{Database, fixture};

/// Commands that read, and whether they would record it.
const READERS: [(&str, bool); 16] = [
    ("verify", true),
    ("verify --full", true),
    ("export --out bundle", true),
    ("events list", true),
    ("events show 1", true),
    ("events tail", true),
    ("projections status", false),
    ("projections as-of orders ORDER --at 1", false),
    ("projections diff orders ORDER --from 0", false),
    ("projections parked", false),
    ("consumers list", false),
    ("subjects list", false),
    ("quarantine list", false),
    ("keys list", false),
    ("keys status", false),
    ("tokens list", false),
];

/// A ledger with an event and a checkpoint. Returns the id of its order.
async fn fill(database: &Database) -> String {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let store = database.store().await;
    service.signed(&*store, 1).await;
    service.caught_up(&*store, 1).await;
    store.close().await;
    service.stop().await;
    let body: Value = serde_json::from_slice(&fixture("prewarmup.order.success.json")).unwrap();
    let id = |value: &Value| value["orderId"].as_str().map(str::to_owned);
    id(&body).or_else(|| id(&body["data"])).unwrap()
}

async fn everything_reads(program: &Program, order: &str) {
    for (args, records) in READERS {
        let bundle = program.directory.path().join("bundle");
        let _ = std::fs::remove_dir_all(&bundle);
        let ended = program.run(&args.replace("ORDER", order)).await;
        assert_eq!(ended.code, 0, "{args}: {}{}", ended.stdout, ended.stderr);
        assert_eq!(
            ended.stderr.contains("is not recorded in the ledger"),
            records,
            "{args}: {}",
            ended.stderr
        );
    }
    for args in [
        "tokens create --name N --scope read",
        "events evidence 1 --reason reason-enough",
    ] {
        let ended = program.run(args).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_and_a_role_that_may_only_select_are_read() {
    let cluster = Cluster::start().await;
    let database = Database::at(cluster.url());
    let order = fill(&database).await;
    let mut admin = PgConnection::connect(&database.url).await.unwrap();
    let sql = "CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader";
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();

    let reader = Program::new(&database).env(
        "WARMLEDGER_DATABASE_URL",
        &database.url.replace("user=postgres", "user=reader"),
    );
    everything_reads(&reader, &order).await;

    let standby = cluster.standby().await;
    let program = Program::new(&database).env("WARMLEDGER_DATABASE_URL", &standby.url());
    everything_reads(&program, &order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_written_is_read() {
    let database = Database::sqlite();
    let order = fill(&database).await;
    // stopped in order: the file is complete
    everything_reads(&read_only(&database), &order).await;
    restore(&database);

    // killed: the newest events are in the write-ahead log
    let mut child = ChildService::start(&database).await;
    let sent = reqwest::Client::new()
        .get(format!("{}/healthz", child.base))
        .send()
        .await;
    sent.unwrap();
    let token = Program::new(&database).run("tokens create --name N --scope read").await;
    assert_eq!(token.code, 0, "{}", token.stderr);
    child.kill();
    let log = database.dir.path().join("warmledger.db-wal");
    assert!(log.metadata().unwrap().len() > 0);
    let program = read_only(&database);
    everything_reads(&program, &order).await;
    let listed = program.run("tokens list").await;
    assert!(listed.stdout.contains("read"), "{}", listed.stdout);
    restore(&database);

    // copied without that log's index: no events may be left out silently
    std::fs::remove_file(database.dir.path().join("warmledger.db-shm")).unwrap();
    let ended = read_only(&database).run("verify").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("warmledger.db-wal"), "{}", ended.stderr);
    restore(&database);
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}

/// The program without write access to the database's directory: for root, only a read-only mount prevents writes.
fn read_only(database: &Database) -> Program {
    let directory = database.dir.path();
    if is_root() {
        let mounted = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
        let directory = directory.to_str().unwrap();
        return Program::new(database).through(&["unshare", "--mount", "sh", "-c", mounted, directory]);
    }
    chmod(directory, "a-w");
    Program::new(database)
}

fn restore(database: &Database) {
    chmod(database.dir.path(), "u+w");
}

fn chmod(directory: &Path, mode: &str) {
    let changed = Command::new("chmod").args(["-R", mode]).arg(directory).status();
    assert!(changed.unwrap().success());
}
