//! How each command opens a database: which commands create a ledger, which need one, and which only read it.
//!
//! Layout
//! - `fitness`: unsuitable databases, and ledgers of another version
//! - `reading`: read-only ledgers

mod fitness;
mod reading;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::raw::Raw;

on_both_stores! {
    where_there_is_no_ledger_every_command_says_so_and_makes_none,
    migrate_makes_a_ledger_and_may_be_run_again,
}

/// Every command but `serve`, `demo` and `migrate` that works on a ledger.
const COMMANDS: [&str; 25] = [
    "verify",
    "verify --full",
    "export --out bundle",
    "events list",
    "events show 1",
    "events tail",
    "events evidence 1 --reason reason-enough",
    "projections status",
    "projections as-of orders O1 --at 1",
    "projections diff orders O1 --from 1",
    "projections parked",
    "projections retry orders",
    "projections rebuild --all",
    "projections rebuild --all --check",
    "consumers list",
    "subjects list",
    "subjects show U1",
    "subjects erase U1 --reason reason-enough",
    "quarantine list",
    "quarantine replay --all",
    "keys list",
    "keys rotate",
    "tokens list",
    "tokens create --name N --scope read",
    "ingest -",
];

async fn where_there_is_no_ledger_every_command_says_so_and_makes_none(database: Database) {
    let program = Program::new(&database);
    let path = database.dir.path().join("warmledger.db");
    for made in [false, true] {
        if made && !database.is_postgres() {
            // an existing, empty file
            std::fs::write(&path, "").unwrap();
        }
        for args in COMMANDS {
            let ended = program.run(args).await;
            assert_eq!(ended.code, 2, "{args}: {}{}", ended.stdout, ended.stderr);
            assert!(
                ended.stderr.contains("there is no ledger at") && ended.stderr.contains("warmledger migrate"),
                "{args}: {}",
                ended.stderr
            );
            assert_eq!(ended.stdout, "", "{args}");
        }
    }
    if database.is_postgres() {
        assert_eq!(tables(&database).await, 0);
        assert_eq!(std::fs::read_dir(database.dir.path()).unwrap().count(), 0);
    } else {
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(std::fs::read_dir(database.dir.path()).unwrap().count(), 1);
    }
}

async fn migrate_makes_a_ledger_and_may_be_run_again(database: Database) {
    let program = Program::new(&database);
    for _ in 0..2 {
        let ended = program.run("migrate").await;
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("is up to date, with 0 events"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(program.run("tokens create --name N --scope read").await.code, 0);
    let service = database.service().await;
    service.stop().await;
}

/// How many tables there are in a PostgreSQL database.
async fn tables(database: &Database) -> usize {
    let raw = Raw::connect(database).await;
    let all = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    raw.texts(all).await.len()
}
