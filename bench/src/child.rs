//! The measured processes: this program, started by itself in one of its [roles](crate::role), or a peer.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use warmledger::secret::Secret;
use warmledger::settings::{Flags, Settings};

use crate::payloads;

/// The first argument of this program as a child process.
pub(crate) const CHILD: &str = "child";

/// The settings of our service: production's, except for the key and a free port.
pub(crate) fn settings(database_url: &str, data_dir: &Path) -> anyhow::Result<Settings> {
    let mut settings = Settings::from_flags(&Flags {
        database_url: Some(Secret::new(database_url.to_owned())),
        data_dir: Some(data_dir.display().to_string()),
        listen: Some("127.0.0.1:0".to_owned()),
        ..Flags::default()
    })?;
    settings.webhook_key = Some(vec![payloads::key()]);
    Ok(settings)
}

/// Prints the address for the parent.
pub(crate) fn announce(address: SocketAddr) -> anyhow::Result<()> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{address}")?)
}

/// Prints a result for the parent, and waits until the parent has read this process's memory.
pub(crate) async fn report(result: &impl serde::Serialize) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(result)?)?;
    parent_gone().await;
    Ok(())
}

/// Waits until the parent closes our stdin, on purpose or by dying.
pub(crate) async fn parent_gone() {
    let mut nothing = Vec::new();
    // an error counts as the end
    let _ = tokio::io::stdin().read_to_end(&mut nothing).await;
}

/// A running process.
pub(crate) struct Server {
    child: tokio::process::Child,
    stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Server {
    /// Starts this program in one of its roles. Logs to a file in `dir`.
    pub(crate) fn start(role: &str, arguments: &[String], dir: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([CHILD, role]).args(arguments);
        Self::spawn(command, dir)
    }

    /// Our service on a database, with its data directory in `dir`.
    pub(crate) fn service(database_url: &str, dir: &Path) -> anyhow::Result<Self> {
        Self::start("service", &ours(database_url, dir), dir)
    }

    /// Starts a program.
    pub(crate) fn spawn(mut command: Command, dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("server.log");
        let log = std::fs::File::create(&path)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the process has no stdout")?;
        Ok(Self {
            child,
            stdout: BufReader::new(stdout).lines(),
            log: path,
        })
    }

    /// The next line of its stdout.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        let line = self.stdout.next_line().await?;
        line.with_context(|| {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            format!("the process ended before it had an answer; its log: {log}")
        })
    }

    /// The address that it prints.
    pub(crate) async fn address(&mut self) -> anyhow::Result<SocketAddr> {
        Ok(self.line().await?.parse()?)
    }

    /// The next line, as JSON.
    pub(crate) async fn result<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        Ok(serde_json::from_str(&self.line().await?)?)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "the process ended with {status}");
        Ok(())
    }
}

/// The arguments of all our roles.
pub(crate) fn ours(database_url: &str, data_dir: &Path) -> Vec<String> {
    vec![
        format!("--database-url={database_url}"),
        format!("--data-dir={}", data_dir.display()),
    ]
}
