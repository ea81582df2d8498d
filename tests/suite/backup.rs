//! `warmledger backup`: the copy finishes under load, is complete, and holds no key.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Pace, Plan};

use crate::cli::program::Program;
use crate::support::Database;
use crate::support::child::ChildService;

/// Webhooks a second during the backup.
const RATE: f64 = 60.0;
/// Time-out for the copy of 100 MB on a busy machine; alone it takes a second or two.
const PATIENCE: Duration = Duration::from_secs(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_ledger_is_copied_under_load_and_the_copy_holds() {
    let database = Database::sqlite();
    let store = database.store().await;
    // rows to copy that no one reads
    database
        .execute(
            "CREATE TABLE ballast (bytes BLOB);
             INSERT INTO ballast (bytes) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             SELECT randomblob(100000) FROM n",
        )
        .await;
    let service = ChildService::start(&database).await;
    let (load, enough) = (
        Plan::new(&Options {
            renewals: true,
            seed: rand::random(),
            ..Options::new(20_000, Timestamp::now())
        }),
        CancellationToken::new(),
    );
    let mut options = service.sender();
    options.pace = Pace::PerSecond(RATE);
    let ended = enough.clone();
    let sending = tokio::spawn(async move { simulate::run(&load, &options, ended).await });
    let head = async || store.head().await.unwrap().position.0;
    let begun = Instant::now();
    while head().await < 50 {
        assert!(begun.elapsed() < PATIENCE, "webhooks come in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let places = tempfile::tempdir().unwrap();
    let out = places.path().join("copy.db");
    let command = format!("backup --json --out {}", out.display());
    let before = head().await;
    let program = Program::new(&database);
    let made = timeout(PATIENCE, program.run(&command))
        .await
        .expect("it ends under load");
    let after = head().await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(!sending.is_finished() && after > before, "webhooks came in meanwhile");
    let told = made.json();
    let copied = told["head"].as_u64().unwrap();
    assert!((before..=after).contains(&copied), "{before} {copied} {after}");
    let found = out.metadata().unwrap();
    assert!(found.len() > 96_000_000 && told["bytes"] == found.len(), "{told}");
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(places.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
    let kept: Vec<&str> = told["keepApart"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|file| file.as_str())
        .collect();
    let secrets = ["master.key", "ledger-signing.key", "webhook.key", "admin.token"];
    let bytes = std::fs::read(&out).unwrap();
    for secret in secrets {
        assert!(kept.iter().any(|file| file.ends_with(secret)), "{told}");
        let text = std::fs::read_to_string(database.dir.path().join(secret)).unwrap();
        let holds = |wanted: &[u8]| memchr::memmem::find(&bytes, wanted).is_some();
        assert!(!holds(text.trim().as_bytes()), "{secret} is not in the copy");
        assert!(
            !hex::decode(text.trim()).is_ok_and(|raw| holds(&raw)),
            "{secret} is not in the copy"
        );
    }
    enough.cancel();
    let summary = sending.await.unwrap().unwrap();
    assert_eq!(summary.given_up, 0, "{summary}");

    let again = program.run(&command).await;
    assert!(
        again.code == 2 && again.stderr.contains("exists already"),
        "{}",
        again.stderr
    );
    assert_eq!(std::fs::read(&out).unwrap().len(), bytes.len(), "it is as it was");

    let copy = Database::at(format!("sqlite:{}", out.display()));
    copy.take_over(&database, &secrets);
    let checked = Program::new(&copy).run("verify --full --json").await;
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert_eq!(checked.json()["head"].as_u64(), Some(copied));
    let restored = copy.service().await;
    assert_eq!(restored.get("/readyz").await.status(), 200);
    restored.stop().await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_says_what_to_do() {
    let database = Database::sqlite();
    let program = Program::new(&database);
    let missing = program.run("backup --out copy.db").await;
    assert!(
        missing.code == 2 && missing.stderr.contains("there is no ledger at"),
        "{}",
        missing.stderr
    );
    drop(database.store().await);
    let nowhere = program.run("backup --out no/such/place.db").await;
    assert!(
        nowhere.code == 2 && nowhere.stderr.contains("cannot write no/such/"),
        "{}",
        nowhere.stderr
    );
    let postgres = Program::bare()
        .env("WARMLEDGER_DATABASE_URL", "postgres://me:planted@127.0.0.1:1/ledger")
        .run("backup --out copy.db")
        .await;
    assert!(
        postgres.code == 2 && postgres.stderr.contains("pg_dump"),
        "{}",
        postgres.stderr
    );
    assert!(!postgres.stderr.contains("planted"));
    assert_eq!(
        std::fs::read_dir(program.directory.path()).unwrap().count(),
        0,
        "nothing is left"
    );
}
