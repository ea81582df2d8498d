//! A PostgreSQL server for one test, which can be killed and restarted.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// Time-out for a start with recovery.
const PATIENCE: Duration = Duration::from_secs(60);

/// A private cluster, reached by socket unless [`Cluster::listen`] is called. Killed and removed when dropped.
pub struct Cluster {
    // not under $TMPDIR: the path of a socket must be short
    directory: TempDir,
    programs: PathBuf,
    server: Option<Child>,
    /// Its TCP port, if it listens on loopback.
    port: Option<u16>,
}

impl Cluster {
    /// Makes a cluster and starts it.
    pub async fn start() -> Self {
        let mut cluster = Self::directory();
        let made = cluster
            .command("initdb")
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(cluster.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.restart().await;
        cluster
    }

    /// An empty directory for a cluster.
    fn directory() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("warmledger-pg.")
            .tempdir_in("/tmp")
            .unwrap();
        let cluster = Self {
            programs: programs(),
            directory,
            server: None,
            port: None,
        };
        if is_root() {
            let given = Command::new("chown")
                .arg(owner())
                .arg(cluster.directory.path())
                .status();
            assert!(given.unwrap().success());
        }
        cluster
    }

    /// A standby that streams from this cluster; it can be read, and promoted.
    pub async fn standby(&self) -> Self {
        let mut standby = Self::directory();
        let copied = self
            .command("pg_basebackup")
            .args(["-U", "postgres", "-c", "fast", "-X", "stream", "-R", "--no-sync", "-h"])
            .arg(self.directory.path())
            .arg("-D")
            .arg(standby.data())
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        standby.restart().await;
        standby
    }

    /// Ends recovery: it takes writes from now on.
    pub async fn promote(&self) {
        let promoted: bool = self.ask("SELECT pg_promote()").await;
        assert!(promoted);
    }

    /// Changes a setting of the server while it runs.
    pub async fn set(&self, setting: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        for sql in [&format!("ALTER SYSTEM SET {setting}"), "SELECT pg_reload_conf()"] {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }

    /// The single value of a query.
    pub async fn ask<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }

    /// A URL of both clusters; the driver picks the one that takes writes.
    pub fn url_with(&self, other: &Self) -> String {
        let own = self.directory.path().display().to_string();
        let both = format!("{own},{}", other.directory.path().display());
        self.url().replace(&own, &both) + "&target_session_attrs=read-write"
    }

    pub fn url(&self) -> String {
        format!(
            "postgres:///postgres?host={}&user=postgres{}",
            self.directory.path().display(),
            self.port.map(|port| format!("&port={port}")).unwrap_or_default()
        )
    }

    /// Makes it listen on loopback, with these lines in `pg_hba.conf` (after one for the socket) and these settings.
    /// Returns the port.
    pub async fn listen(&mut self, hba: &str, settings: &str) -> u16 {
        let port = match self.port {
            Some(port) => port,
            None => TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
        };
        self.port = Some(port);
        self.put("pg_hba.conf", &format!("local all all trust\n{hba}\n"));
        self.put("postgresql.auto.conf", &format!("{settings}\n"));
        self.kill();
        self.restart().await;
        port
    }

    /// Writes a file of mode 0600 into the data directory, owned by the server's user.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            assert!(
                Command::new("chown")
                    .arg(owner())
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
        }
    }

    /// Starts the server and waits until it has recovered and answers.
    pub async fn restart(&mut self) {
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(match self.port {
                Some(port) => [
                    "-c".to_owned(),
                    "listen_addresses=localhost".to_owned(),
                    format!("--port={port}"),
                ]
                .to_vec(),
                None => ["-c".to_owned(), "listen_addresses=".to_owned()].to_vec(),
            })
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.directory.path().display()))
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        let begun = Instant::now();
        while PgConnection::connect(&self.url()).await.is_err() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills the server and its child processes (SIGKILL).
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let children = children_of(server.id());
        server.kill().unwrap();
        for child in children {
            // the child may have ended already
            let _ = Command::new("kill")
                .args(["-KILL", &child])
                .stderr(Stdio::null())
                .status();
        }
        server.wait().unwrap();
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A command for one of the server's programs, which refuse to run as root. Its process id is the program's own.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", owner(), "--regid", &group(), "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The programs of the newest installed server; distributions do not put them in the PATH.
fn programs() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .filter_map(|version| {
            let path = version.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path.join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    versions.sort_unstable();
    if let Some((_, newest)) = versions.pop() {
        return newest;
    }
    let told = output("pg_config", &["--bindir"]);
    assert!(
        Path::new(&told).join("initdb").exists(),
        "PostgreSQL's initdb is not installed"
    );
    told.into()
}

pub fn is_root() -> bool {
    output("id", &["-u"]) == "0"
}

/// The user that the server runs as when the tests run as root.
pub fn owner() -> &'static str {
    let known = Command::new("id").arg("postgres").output();
    if known.is_ok_and(|known| known.status.success()) {
        "postgres"
    } else {
        "nobody"
    }
}

pub fn group() -> String {
    output("id", &["-g", owner()])
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The ids of a process's children.
fn children_of(parent: u32) -> Vec<String> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(path).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}
