//! The ledgers of released versions, frozen as SQL text under `tests/frozen/`: this version opens, migrates, verifies
//! and rebuilds them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::cli::program::Program;
use crate::erasure::{assignment, erase};
use crate::on_both_stores;
use crate::support::log::{live_equals_rebuilt, sound_log};
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores! {
    ledgers_of_released_versions_are_opened_verified_and_rebuilt,
    a_ledger_from_before_the_first_release_is_refused,
}

/// The keys of the frozen ledgers; they are public, not secret.
const KEYS: [(&str, &str); 2] = [
    (
        "master.key",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ),
    (
        "ledger-signing.key",
        "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
    ),
];
/// The webhooks of the frozen ledgers, apart from an erased user's.
const WEBHOOKS: [&str; 4] = [
    "prewarmup.order.success.json",
    "domain.order.success.json",
    "subscription.renewing.json",
    "unknown.future.event.json",
];

fn frozen() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/frozen")
}

fn file_of(database: &Database) -> &'static str {
    if database.is_postgres() {
        "postgres.sql"
    } else {
        "sqlite.sql"
    }
}

fn put_keys(database: &Database) {
    for (name, text) in KEYS {
        let path = database.dir.path().join(name);
        fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
    }
}

async fn ledgers_of_released_versions_are_opened_verified_and_rebuilt(database: Database) {
    let versions = fs::read_dir(frozen()).unwrap().map(|entry| entry.unwrap().path());
    let versions: Vec<_> = versions.filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty());
    for version in versions {
        let ledger = fs::read_to_string(version.join(file_of(&database))).unwrap();
        let fresh = match database.is_postgres() {
            true => Database::postgres().await,
            false => Database::sqlite(),
        };
        load(&fresh, &ledger).await;
        put_keys(&fresh);
        is_sound(&fresh).await;
    }
}

async fn load(database: &Database, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if database.is_postgres() {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        sql.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let url = format!("{}?mode=rwc", database.url);
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sql.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn is_sound(database: &Database) {
    let program = Program::new(database);
    for args in ["migrate", "verify --full", "projections rebuild orders"] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 0, "{args}: {}{}", ended.stdout, ended.stderr);
    }
    let store = database.store().await;
    assert_eq!(store.check_schema().await.unwrap().faults, []);
    assert!(sound_log(&*store).await.len() > WEBHOOKS.len());
    assert!(!store.consumers().await.unwrap().is_empty() && !store.tokens().await.unwrap().is_empty());
    let signed = store.latest_checkpoint().await.unwrap().unwrap();
    let service = database.service().await;
    for webhook in WEBHOOKS {
        let repeated = service.send(fixture(webhook)).await;
        assert_eq!(repeated["status"], "duplicate", "{webhook}: {repeated}");
    }
    let added = service.send(fixture("domain.expired.json")).await;
    assert_eq!(added["status"], "recorded", "{added}");
    let position = added["position"].as_u64().unwrap();
    service.caught_up(&*store, position).await;
    service.signed(&*store, position).await;
    let shown = service.get_json("/api/v1/domains/o1.example/mailboxes").await;
    assert_eq!(shown["mailboxes"][0]["erased"], true, "{shown}");
    service.stop().await;
    assert!(store.latest_checkpoint().await.unwrap().unwrap().size > signed.size);
    live_equals_rebuilt(&*store).await;
    let verified = program.run("verify --full").await;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

async fn a_ledger_from_before_the_first_release_is_refused(database: Database) {
    let program = Program::new(&database);
    assert_eq!(program.run("migrate").await.code, 0);
    let raw = Raw::connect(&database).await;
    // as it was then: another text with the same number, and later ones
    let other = if database.is_postgres() {
        "'other'::bytea"
    } else {
        "x'00'"
    };
    raw.execute(&format!(
        "UPDATE _sqlx_migrations SET checksum = {other};
         UPDATE _sqlx_migrations SET version = 56 WHERE version = (SELECT max(version) FROM _sqlx_migrations)"
    ))
    .await;
    for args in ["serve --listen 127.0.0.1:0", "migrate", "verify", "tokens list"] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 2, "{args}: {}", ended.stderr);
        for words in ["before version 0.1.0", "name an empty database"] {
            assert!(ended.stderr.contains(words), "{args}: {}", ended.stderr);
        }
    }
}

/// Writes the frozen ledgers of this version, as described in `tests/frozen/README.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes tests/frozen/ anew"]
async fn freeze() {
    for database in [Database::sqlite(), Database::postgres().await] {
        fill(&database).await;
        let text = match database.is_postgres() {
            true => dump_of_postgres(&database),
            false => dump_of_sqlite(&Raw::connect(&database).await).await,
        };
        let directory = frozen().join(env!("CARGO_PKG_VERSION"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(file_of(&database)), text).unwrap();
    }
}

async fn fill(database: &Database) {
    put_keys(database);
    let service = database.service().await;
    service.send(assignment("E1", "U1", "O1", "a password")).await;
    erase(&service, "U1").await;
    let mut last = service.send(assignment("E2", "U2", "O2", "a password")).await;
    for webhook in WEBHOOKS {
        last = service.send(fixture(webhook)).await;
    }
    let program = Program::new(database);
    for args in [
        "tokens create --name reader --scope read",
        "subjects hold U2 --reason case-4711:court-order",
    ] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 0, "{args}: {}", ended.stderr);
    }
    let put = service.client.put(format!("{}/api/v1/consumers/billing", service.base));
    let put = put
        .bearer_auth(&service.token)
        .header("content-type", "application/json");
    let made = put.body("{}").send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    let store = database.store().await;
    let position = store.head().await.unwrap().position.0;
    assert!(position >= last["position"].as_u64().unwrap());
    service.caught_up(&*store, position).await;
    service.signed(&*store, position).await;
    service.stop().await;
    store.close().await;
}

fn dump_of_postgres(database: &Database) -> String {
    let mut dump = Command::new("pg_dump");
    // leave out options of the server's build, and owners
    dump.args(["--inserts", "--no-owner", "--no-privileges", "--no-toast-compression"]);
    let dumped = dump.args(["--dbname", &database.url]).output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let text = String::from_utf8(dumped.stdout).unwrap();
    // without psql commands and pg_dump's comments
    let statements = text.lines().filter(|line| !line.starts_with(['\\', '-']));
    statements.flat_map(|line| [line, "\n"]).collect()
}

async fn dump_of_sqlite(raw: &Raw) -> String {
    let made =
        |kinds: &str| format!("SELECT sql FROM sqlite_schema WHERE type {kinds} AND sql IS NOT NULL ORDER BY rowid");
    let mut statements = raw.texts(&made("= 'table'")).await;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
    for table in raw.texts(tables).await {
        let columns = format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
        let values = raw.texts(&columns).await.join(" || ', ' || ");
        let rows = format!("SELECT 'INSERT INTO {table} VALUES (' || {values} || ')' FROM {table}");
        statements.extend(raw.texts(&rows).await);
    }
    statements.extend(raw.texts(&made("<> 'table'")).await);
    statements
        .into_iter()
        .flat_map(|statement| [statement, ";\n".to_owned()])
        .collect()
}
