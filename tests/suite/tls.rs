//! Encrypted connections to real servers: PostgreSQL here, NATS and the transit engine in `others`.

mod nodelay;
mod others;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use warmledger::settings::DatabaseUrl;
use warmledger::store::{self, Store};

use crate::cli::program::Program;
use crate::support::Database;
use crate::support::certificates::{Authority, Pair, write};
use crate::support::cluster::Cluster;

/// A password that neither libpq's parser nor the driver's accepts unencoded.
const PASSWORD: &str = "/pl?anted#%@1";
const ENCODED: &str = "%2Fpl%3Fanted%23%25%401";
/// Only encrypted, only with the password.
const ENCRYPTED: &str = "hostssl all all all scram-sha-256";

/// A server, and the files of its clients.
struct Server {
    cluster: Cluster,
    port: u16,
    files: TempDir,
}

impl Server {
    /// With a certificate for `localhost` by the authority in `ca.pem`; `other.pem` holds another authority.
    async fn start(authority: &Authority) -> Self {
        let mut server = Self {
            cluster: Cluster::start().await,
            port: 0,
            files: tempfile::tempdir().unwrap(),
        };
        write(server.files.path(), "ca.pem", &authority.pem());
        write(server.files.path(), "other.pem", &Authority::new("other").pem());
        server
            .sql(&format!("CREATE ROLE me LOGIN SUPERUSER PASSWORD '{PASSWORD}'"))
            .await;
        server.uses(&authority.server(&["localhost"]), ENCRYPTED).await;
        server
    }

    async fn uses(&mut self, pair: &Pair, hba: &str) {
        self.cluster.put("server.crt", &pair.certificate);
        self.cluster.put("server.key", &pair.key);
        let ca = std::fs::read_to_string(self.path("ca.pem")).unwrap();
        self.cluster.put("ca.crt", &ca);
        self.port = self.cluster.listen(hba, "ssl = on\nssl_ca_file = 'ca.crt'").await;
    }

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    fn url(&self, host: &str, query: &str) -> String {
        let query = query.replace('~', &self.files.path().display().to_string());
        format!("postgres://me:{ENCODED}@{host}:{}/postgres?{query}", self.port)
    }

    async fn sql(&self, sql: &str) {
        let mut admin = PgConnection::connect(&self.cluster.url()).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut admin)
            .await
            .unwrap();
    }

    /// Opens the ledger, and returns whether its connections are encrypted.
    async fn opens(&self, host: &str, query: &str) -> bool {
        let store = match open(&self.url(host, query)).await {
            Ok(store) => store,
            Err(error) => panic!("{host} {query}: {error}"),
        };
        let mut admin = PgConnection::connect(&self.cluster.url()).await.unwrap();
        let encrypted: Vec<bool> = sqlx::query_scalar(
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'me'",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        store.close().await;
        assert_eq!(encrypted.len(), 1, "all alike");
        encrypted[0]
    }

    /// Is refused, with these words in the error.
    async fn refuses(&self, host: &str, query: &str, words: &[&str]) {
        let error = match open(&self.url(host, query)).await {
            Ok(_) => panic!("{host} {query} was let in"),
            Err(error) => error,
        };
        for word in words {
            assert!(error.contains(word), "{host} {query}: {error}");
        }
        assert!(!error.contains("anted"), "{error}");
    }
}

async fn open(url: &str) -> Result<std::sync::Arc<dyn Store>, String> {
    let url = DatabaseUrl::parse(url).map_err(|error| format!("{url}: {error}"))?;
    store::open(&url, store::Mode::Migrate)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_and_sslrootcert_mean_what_they_mean_to_libpq() {
    let authority = Authority::new("a test's authority");
    let mut server = Server::start(&authority).await;
    for (host, query) in [
        ("localhost", ""),
        ("localhost", "sslmode=prefer"),
        ("localhost", "sslmode=require"),
        ("127.0.0.1", "sslmode=require"),
        ("localhost", "sslmode=require&sslrootcert=~/ca.pem"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=~/ca.pem"),
        ("localhost", "sslmode=verify-full&sslrootcert=~/ca.pem"),
    ] {
        assert!(server.opens(host, query).await, "{host} {query} is encrypted");
    }
    let full = "sslmode=verify-full&sslrootcert=~/ca.pem";
    server
        .refuses("localhost", "sslmode=disable", &["the server wants TLS", "verify-full"])
        .await;
    server
        .refuses("127.0.0.1", full, &["is for localhost, and not for 127.0.0.1"])
        .await;
    for query in [
        "sslmode=verify-full&sslrootcert=~/other.pem",
        "sslmode=verify-ca&sslrootcert=~/other.pem",
        // as in libpq: with a root, the certificate is checked
        "sslmode=require&sslrootcert=~/other.pem",
        "sslmode=verify-full",
        "sslrootcert=system",
    ] {
        server
            .refuses("localhost", query, &["not trusted here", "sslrootcert"])
            .await;
    }
    let missing = "sslmode=verify-full&sslrootcert=~/none.pem";
    server.refuses("localhost", missing, &["cannot read", "none.pem"]).await;

    server.uses(&authority.expired(&["localhost"]), ENCRYPTED).await;
    server.refuses("localhost", full, &["has expired", "renewed"]).await;
    assert!(server.opens("localhost", "sslmode=require").await, "nothing is checked");

    // without TLS there
    server.port = server.cluster.listen("host all all all scram-sha-256", "").await;
    server
        .refuses(
            "localhost",
            "sslmode=require",
            &["does not offer TLS", "sslmode=disable"],
        )
        .await;
    server.refuses("localhost", full, &["does not offer TLS"]).await;
    assert!(!server.opens("localhost", "sslmode=prefer").await);
    assert!(!server.opens("localhost", "sslmode=disable").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_shows_its_certificate_where_the_server_asks_for_one() {
    let authority = Authority::new("a test's authority");
    let mut server = Server::start(&authority).await;
    server
        .uses(&authority.server(&["localhost"]), "hostssl all all all cert")
        .await;
    let files = server.files.path();
    for (name, pair) in [
        ("me", authority.client("me")),
        ("you", authority.client("you")),
        ("other", Authority::new("other").client("me")),
    ] {
        write(files, &format!("{name}.pem"), &pair.certificate);
        write(files, &format!("{name}.key"), &pair.key);
    }
    let with = |name: &str, key: &str| {
        format!("sslmode=verify-full&sslrootcert=~/ca.pem&sslcert=~/{name}.pem&sslkey=~/{key}.key")
    };
    assert!(server.opens("localhost", &with("me", "me")).await);
    server
        .refuses(
            "localhost",
            "sslmode=require",
            &["client certificate", "sslcert and sslkey"],
        )
        .await;
    server
        .refuses(
            "localhost",
            &with("other", "other"),
            &["refused this client's certificate", "sslcert"],
        )
        .await;
    server
        .refuses("localhost", &with("you", "you"), &["certificate authentication failed"])
        .await;
    server
        .refuses("localhost", &with("me", "you"), &["me.pem does not fit its key"])
        .await;
    let key = files.join("me.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    server
        .refuses("localhost", &with("me", "me"), &["me.key can be read by", "chmod 600"])
        .await;
    write(
        files,
        "me.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    server
        .refuses("localhost", &with("me", "me"), &["passphrase", "openssl pkey"])
        .await;
}

/// Output and the loudest log hold no password, whatever its shape and the failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_output_and_no_log_holds_the_database_password() {
    let mut server = Server::start(&Authority::new("a test's authority")).await;
    server.port = server.cluster.listen("host all all all scram-sha-256", "").await;
    let run = async |url: &str, command: &str| {
        let database = Database::at(url.to_owned());
        let ended = Program::new(&database)
            .env("WARMLEDGER_LOG", "trace")
            .run(command)
            .await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        for part in ["anted", ENCODED] {
            assert!(!said.contains(part), "{command}: {said}");
        }
        (ended.code, said)
    };
    let good = server.url("localhost", "application_name=t");
    drop(open(&good).await.unwrap());
    let (code, shown) = run(&good, "config").await;
    assert!(code == 0 && shown.contains("postgres://me:***@localhost"), "{shown}");
    let (code, said) = run(&good, "projections status").await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("TRACE") || said.contains("DEBUG"),
        "the log is at its loudest"
    );
    let (code, said) = run(&good.replacen("%40", "%41", 1), "projections status").await;
    assert!(code == 2 && said.contains("password authentication failed"), "{said}");
    let (code, said) = run(&format!("postgres://me:{ENCODED}@127.0.0.1:1/x"), "projections status").await;
    assert!(code == 2 && said.contains("postgres://me:***@127.0.0.1:1/x"), "{said}");
    for url in [
        "postgres://me:/planted@h/x",
        "postgres://me:?planted@h/x",
        "postgres://me:#planted@h/x",
        "postgres://me:1234/planted@h/x",
        "postgres://me@h/x?pasword=planted",
        "postgres://me@h/x?sslpassword=planted",
        "postgres://me@h/x?password=a&planted",
    ] {
        let (code, said) = run(url, "config").await;
        assert!(code == 2 && said.contains("`database_url`"), "{url}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_file_is_read_unless_others_may_read_it() {
    let mut server = Server::start(&Authority::new("a test's authority")).await;
    server.port = server.cluster.listen("host all all all scram-sha-256", "").await;
    let line = format!("localhost:{}:*:me:{PASSWORD}", server.port);
    let file = write(server.files.path(), "pgpass", &line);
    let url = format!(
        "postgres://me@localhost:{}/postgres?passfile={}",
        server.port,
        file.display()
    );
    assert!(open(&url).await.is_ok());
    std::fs::set_permissions(Path::new(&file), Permissions::from_mode(0o644)).unwrap();
    assert!(open(&url).await.is_err());
}
