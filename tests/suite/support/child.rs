//! The `warmledger` program as a separate process, which can be killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Url;
use warmledger::secret::Secret;
use warmledger::settings::read_webhook_keys;
use warmledger::simulate::SendOptions;

use super::Database;

/// Time-out for a start or an orderly stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// `warmledger serve` on a test's database and data directory. Killed when dropped.
pub struct ChildService {
    pub base: String,
    pub key: Secret<String>,
    process: Child,
    log: Arc<Mutex<String>>,
}

impl ChildService {
    /// Starts it on a free port; returns once it listens.
    pub async fn start(database: &Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// The same with more arguments.
    pub async fn start_with(database: &Database, arguments: &[&str]) -> Self {
        Self::started(spawn(database, arguments, None), database).await
    }

    /// The same with a limit on open file descriptors.
    pub async fn start_with_descriptors(database: &Database, descriptors: u32) -> Self {
        Self::started(spawn(database, &[], Some(descriptors)), database).await
    }

    async fn started((mut process, log): (Child, Arc<Mutex<String>>), database: &Database) -> Self {
        let begun = Instant::now();
        let address = loop {
            if let Some(address) = address_in(&log.lock().unwrap()) {
                break address;
            }
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "the service does not start: {}",
                log.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let key = read_webhook_keys(database.dir.path()).unwrap().remove(0);
        Self {
            base: format!("http://{address}"),
            key,
            process,
            log,
        }
    }

    /// Options for a simulator that sends to it as fast as possible.
    pub fn sender(&self) -> SendOptions {
        sender(&self.base, &self.key)
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Kills it (SIGKILL), as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the service does not stop: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for ChildService {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Options for a simulator that sends as fast as possible, and retries at once.
pub fn sender(base: &str, key: &Secret<String>) -> SendOptions {
    let url = Url::parse(&format!("{base}/webhooks/coldmailreseller")).unwrap();
    SendOptions {
        keep_acknowledgements: true,
        retry_scale: 0.0,
        ..SendOptions::new(url, key.clone())
    }
}

fn spawn(database: &Database, arguments: &[&str], descriptors: Option<u32>) -> (Child, Arc<Mutex<String>>) {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_warmledger");
    let mut command = match descriptors {
        None => Command::new(PROGRAM),
        Some(number) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {number} && exec \"$0\" \"$@\""), PROGRAM]);
            shell
        }
    };
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("WARMLEDGER_")) {
        command.env_remove(name);
    }
    let mut process = command
        .arg("serve")
        .args(["--listen", "127.0.0.1:0", "--database-url", &database.url, "--data-dir"])
        .arg(database.dir.path())
        .args(arguments)
        .env("WARMLEDGER_REVEAL_OVER_LOOPBACK", "true")
        .current_dir(database.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let (stderr, kept) = (process.stderr.take().unwrap(), Arc::clone(&log));
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let mut log = kept.lock().unwrap();
            log.push_str(&String::from_utf8_lossy(&line));
            log.push('\n');
        }
    });
    (process, log)
}

fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')))?;
    Some(rest[..end].to_owned())
}
