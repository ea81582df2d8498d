//! pgbouncer in front of the test's PostgreSQL.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::Database;
use super::cluster::{group, is_root, owner};

const PATIENCE: Duration = Duration::from_secs(20);

/// A pgbouncer for one test. Killed when dropped.
pub struct Pooler {
    /// The URL of the same database through the pooler.
    pub url: String,
    process: Child,
    // not under $TMPDIR: the path of a socket must be short
    _directory: TempDir,
}

impl Pooler {
    /// Starts it in this pool mode, otherwise with default settings.
    pub async fn start(database: &Database, mode: &str) -> Self {
        let options: PgConnectOptions = database.url.parse().unwrap();
        let directory = tempfile::Builder::new()
            .prefix("warmledger-pgb.")
            .tempdir_in("/tmp")
            .unwrap();
        let path = directory.path().display().to_string();
        let host = options
            .get_socket()
            .map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
        let (name, user) = (options.get_database().unwrap(), options.get_username());
        let named = url::Url::parse(&database.url).unwrap();
        let password = named
            .password()
            .map(|password| format!(" password={password}"))
            .unwrap_or_default();
        let mut settings = String::new();
        writeln!(
            settings,
            "[databases]\n{name} = host={host} port={} user={user}{password}",
            options.get_port()
        )
        .unwrap();
        writeln!(
            settings,
            "[pgbouncer]\nlisten_addr =\nunix_socket_dir = {path}\nlisten_port = 6432\nauth_type = any\n\
             pool_mode = {mode}\nmax_client_conn = 200\ndefault_pool_size = 60"
        )
        .unwrap();
        let file = directory.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|program| std::path::Path::new(program).exists())
            .unwrap_or("pgbouncer");
        let mut command = if is_root() {
            let given = Command::new("chown").arg("-R").arg(owner()).arg(&path).status();
            assert!(given.unwrap().success());
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", owner(), "--regid", &group(), "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = command
            .arg(&file)
            .current_dir(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let pooler = Self {
            url: format!("postgres:///{name}?host={path}&port=6432&user={user}"),
            process,
            _directory: directory,
        };
        let begun = Instant::now();
        let bare = || pooler.url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None);
        while let Err(error) = PgConnection::connect_with(&bare()).await {
            let log = std::fs::read_to_string(format!("{path}/log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "pgbouncer does not start: {error}: {log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
