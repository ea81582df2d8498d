//! Unsuitable databases, and ledgers of another version.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::tables;
use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores! {
    an_older_ledger_is_migrated_by_serve_and_migrate_alone,
    a_newer_ledger_is_left_alone,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lacks_characters_is_refused_before_anything_is_made() {
    for encoding in ["WIN1252", "EUC_JP", "LATIN1", "SQL_ASCII"] {
        let database = Database::postgres_of(encoding).await;
        let program = Program::new(&database);
        for args in ["serve --listen 127.0.0.1:0", "migrate"] {
            let ended = program.run(args).await;
            assert_eq!(ended.code, 2, "{args}: {}", ended.stderr);
            for words in [encoding, "createdb -E UTF8 -T template0", "pg_restore"] {
                assert!(ended.stderr.contains(words), "{args}: {}", ended.stderr);
            }
        }
        assert_eq!(tables(&database).await, 0, "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_utf_16_is_refused() {
    let database = Database::sqlite();
    let raw = format!("{}?mode=rwc", database.url);
    let mut connection = sqlx::SqliteConnection::connect(&raw).await.unwrap();
    let made = sqlx::raw_sql("PRAGMA encoding = 'UTF-16le'; CREATE TABLE other (x); DROP TABLE other");
    made.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let ended = Program::new(&database).run("migrate").await;
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("UTF-16le"), "{}", ended.stderr);
}

/// A ledger from before the check of the encoding can be migrated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_in_another_encoding_can_still_be_read() {
    let database = Database::postgres().await;
    Program::new(&database).run("migrate").await;
    let old = Database::postgres_of("LATIN1").await;
    let dump = std::process::Command::new("sh")
        .args([
            "-c",
            "pg_dump -E LATIN1 --dbname \"$1\" | psql -q -v ON_ERROR_STOP=1 --dbname \"$2\"",
            "sh",
        ])
        .args([&database.url, &old.url])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let program = Program::new(&old);
    let verified = program.run("verify").await;
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    let served = program.run("serve --listen 127.0.0.1:0").await;
    assert_eq!(served.code, 2, "{}", served.stderr);
    assert!(served.stderr.contains("LATIN1"), "{}", served.stderr);
}

async fn an_older_ledger_is_migrated_by_serve_and_migrate_alone(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.stop().await;
    let raw = Raw::connect(&database).await;
    // the object that the last migration creates
    raw.execute(
        "DROP TABLE refused; DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .await;
    let program = Program::new(&database);
    for args in [
        "verify",
        "events list",
        "tokens create --name N --scope read",
        "ingest -",
        "projections status",
    ] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 2, "{args}: {}", ended.stderr);
        for words in ["earlier version", "`warmledger migrate`"] {
            assert!(ended.stderr.contains(words), "{args}: {}", ended.stderr);
        }
    }
    let migrated = program.run("migrate").await;
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    assert!(migrated.stderr.contains("of an earlier version"), "{}", migrated.stderr);
    assert_eq!(program.run("verify --full").await.code, 0);
}

async fn a_newer_ledger_is_left_alone(database: Database) {
    let program = Program::new(&database);
    program.run("migrate").await;
    let raw = Raw::connect(&database).await;
    let checksum = if database.is_postgres() { "''::bytea" } else { "x''" };
    raw.execute(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of the future', true, {checksum}, 0)"
    ))
    .await;
    for args in ["serve --listen 127.0.0.1:0", "migrate", "verify", "tokens list"] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 2, "{args}: {}", ended.stderr);
        for words in ["newer version", "9999"] {
            assert!(ended.stderr.contains(words), "{args}: {}", ended.stderr);
        }
    }
}

impl Database {
    /// A new database of another encoding on the test server.
    pub async fn postgres_of(encoding: &str) -> Self {
        let database = Self::postgres().await;
        let name = database
            .url
            .split('?')
            .next()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        let server = std::env::var("WARMLEDGER_TEST_POSTGRES_URL").unwrap();
        let mut connection = PgConnection::connect(&server).await.unwrap();
        for sql in [
            format!("DROP DATABASE {name}"),
            format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        database
    }
}
