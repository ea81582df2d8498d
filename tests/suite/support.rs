//! Databases and services for one test.
//!
//! Layout
//! - `child`, `cluster`, `nats`, `pooler`, `link`: processes and links that can be killed
//! - `api`, `sse`: clients; `raw`, `log`: the database and the log, without the service
//! - `faulty`, `transit`, `certificates`: stand-ins for a store that fails, a transit engine, authorities

pub mod api;
pub mod certificates;
pub mod child;
pub mod cluster;
pub mod faulty;
pub mod link;
pub mod log;
pub mod nats;
pub mod pooler;
pub mod raw;
pub mod sse;
pub mod transit;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use api::{Client, RequestBuilder};
use jiff::Timestamp;
use reqwest::Response;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use warmledger::data_dir::SecretFile;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::metrics::Metrics;
use warmledger::secret::Secret;
use warmledger::service::{Service, master_keys};
use warmledger::settings::{DatabaseUrl, Flags, Settings};
use warmledger::store::{self, Mode, Store};
use warmledger::vault::Vault;

/// Turns an async function that takes a [`Database`] into two tests, one per store.
#[macro_export]
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Database::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Database::postgres().await).await;
            })*
        }
    };
}

/// Waits until something is so, half a minute at most.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A fresh database and a data directory, both removed at the end of the test.
pub struct Database {
    pub url: String,
    pub dir: TempDir,
    /// The name of the database to drop at the end.
    postgres: Option<String>,
}

impl Database {
    /// SQLite in a temporary directory.
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("warmledger.db").display());
        Self {
            url,
            dir,
            postgres: None,
        }
    }

    /// A new database on the test server.
    pub async fn postgres() -> Self {
        let server = std::env::var("WARMLEDGER_TEST_POSTGRES_URL")
            .expect("WARMLEDGER_TEST_POSTGRES_URL has to name a PostgreSQL server for tests; ./test sets it");
        let (base, query) = server
            .split_once('?')
            .map_or((server.as_str(), None), |(base, query)| (base, Some(query)));
        let (authority, own) = base.rsplit_once('/').unwrap();
        let name = format!("{own}_{:016x}", rand::random::<u64>());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{authority}/{name}{query}");
        Self {
            url,
            dir: tempfile::tempdir().unwrap(),
            postgres: Some(name),
        }
    }

    /// A copy of the current database, as a backup would have it, with an empty data directory. No connection may be
    /// open.
    pub async fn copy(&self) -> Self {
        let Some(name) = &self.postgres else {
            let copy = Self::sqlite();
            let path = |database: &Self| database.dir.path().join("warmledger.db");
            std::fs::copy(path(self), path(&copy)).unwrap();
            return copy;
        };
        let copy = format!("{name}_copy");
        let server = std::env::var("WARMLEDGER_TEST_POSTGRES_URL").unwrap();
        let mut connection = PgConnection::connect(&server).await.unwrap();
        // connections closed a moment ago may still be ending
        let sql = format!("CREATE DATABASE {copy} TEMPLATE {name}");
        for attempt in 0.. {
            match sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut connection).await {
                Ok(_) => break,
                Err(error) => assert!(attempt < 50, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Self {
            url: self.url.replacen(name.as_str(), &copy, 1),
            dir: tempfile::tempdir().unwrap(),
            postgres: Some(copy),
        }
    }

    /// Copies files of another data directory.
    pub fn take_over(&self, other: &Self, names: &[&str]) {
        for name in names {
            std::fs::copy(other.dir.path().join(name), self.dir.path().join(name)).unwrap();
        }
    }

    /// A database that the test makes and removes by other means.
    pub fn at(url: String) -> Self {
        Self {
            url,
            dir: tempfile::tempdir().unwrap(),
            postgres: None,
        }
    }

    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:")
    }

    /// Settings of a service on this database, on a free port.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::from_flags(&Flags {
            data_dir: Some(self.dir.path().display().to_string()),
            database_url: Some(Secret::new(self.url.clone())),
            listen: Some("127.0.0.1:0".to_owned()),
            ..Flags::default()
        })
        .unwrap();
        // tests call over loopback, without a proxy
        settings.reveal_over_loopback = true;
        settings
    }

    /// The store alone.
    pub async fn store(&self) -> Arc<dyn Store> {
        store::open(&DatabaseUrl::parse(&self.url).unwrap(), Mode::Migrate)
            .await
            .unwrap()
    }

    /// The store, with the master key of the data directory's service.
    pub async fn store_with_keys(&self) -> Arc<dyn Store> {
        let store = self.store().await;
        let masters = master_keys(&self.settings()).unwrap();
        Vault::open(masters, &*store).await.unwrap();
        store
    }

    /// Changes the database without the service.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }

    /// The production service.
    pub async fn service(&self) -> TestService {
        self.service_with(|_| {}).await
    }

    /// The production service with changed settings.
    pub async fn service_with(&self, change: impl FnOnce(&mut Settings)) -> TestService {
        let mut settings = self.settings();
        change(&mut settings);
        let service = Service::start(&settings, metrics()).await.unwrap();
        let secret = |file: SecretFile| read(&file.path(self.dir.path()));
        TestService {
            base: format!("http://{}", service.address()),
            key: Secret::new(secret(SecretFile::WebhookKey)),
            token: secret(SecretFile::AdminToken),
            client: Client::new(),
            service,
        }
    }
}

/// The process's metrics: all its services share one recorder.
pub fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| Metrics::install().unwrap()).clone()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(name) = self.postgres.take() else { return };
        let server = std::env::var("WARMLEDGER_TEST_POSTGRES_URL").unwrap();
        // a test's runtime may be ending here, so use a new one
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test's database could not be dropped: {error}");
        }
    }
}

/// A running service, with what a test needs to call it.
pub struct TestService {
    pub base: String,
    pub key: Secret<String>,
    pub token: String,
    pub client: Client,
    service: Service,
}

impl TestService {
    /// A signed webhook, not sent yet.
    pub fn webhook(&self, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.webhook_at(body, Timestamp::now().as_second())
    }

    /// A signed webhook with this Unix time.
    pub fn webhook_at(&self, body: impl Into<Vec<u8>>, second: i64) -> RequestBuilder {
        let body = body.into();
        let timestamp = second.to_string();
        let signature = sign(&self.key, Scheme::TimestampDotBody, &timestamp, &body);
        self.client
            .post(format!("{}/webhooks/coldmailreseller", self.base))
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, signature)
            .header(TIMESTAMP_HEADER, timestamp)
            .body(body)
    }

    /// Sends a signed webhook; the answer has to be 200.
    pub async fn send(&self, body: impl Into<Vec<u8>>) -> Value {
        let response = self.webhook(body).send().await.unwrap();
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// A call with the admin token.
    pub async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap()
    }

    /// A call with the admin token whose answer is 200 and JSON.
    #[allow(dead_code, reason = "for the tests of what is read over HTTP")]
    pub async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Waits until every projection has folded up to the position.
    pub async fn caught_up(&self, store: &dyn Store, position: u64) {
        for _ in 0..600 {
            let statuses = warmledger::runner::statuses(store).await.unwrap();
            if statuses.iter().all(|status| status.position >= position) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the projections did not catch up with position {position} within 30 s");
    }

    /// Waits until a checkpoint over this many events is signed.
    pub async fn signed(&self, store: &dyn Store, size: u64) {
        for _ in 0..600 {
            let latest = store.latest_checkpoint().await.unwrap();
            if latest.is_some_and(|checkpoint| checkpoint.size >= size) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no checkpoint over {size} events was signed within 30 s");
    }

    /// Stops it as a signal would.
    pub async fn stop(self) {
        self.service.stop().await.unwrap();
    }
}

/// A fixture's exact bytes.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/webhooks")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
