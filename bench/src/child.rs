//! The process of a server: this program, started by itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use warmledger::metrics::Metrics;
use warmledger::secret::Secret;
use warmledger::service::Service;
use warmledger::settings::{Flags, Settings};

use crate::payloads;

#[derive(Args)]
pub(crate) struct ServiceArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    data_dir: PathBuf,
}

/// The settings of our service: production's, but for the key and a free port.
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

/// Our service, as `warmledger serve` starts it, until the parent is gone.
pub(crate) async fn service(args: ServiceArgs) -> anyhow::Result<()> {
    let settings = settings(&args.database_url, &args.data_dir)?;
    warmledger::logging::start(&settings)?;
    let service = Service::start(&settings, Metrics::install()?).await?;
    announce(service.address())?;
    parent_gone().await;
    service.stop().await
}

/// Tells the parent where to connect.
pub(crate) fn announce(address: SocketAddr) -> anyhow::Result<()> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{address}")?)
}

/// Waits until the parent closes our stdin, on purpose or by dying.
pub(crate) async fn parent_gone() {
    let mut nothing = Vec::new();
    // an error means the same as the end
    let _ = tokio::io::stdin().read_to_end(&mut nothing).await;
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts this program with arguments. Its log goes to a file in `dir`.
    pub(crate) fn start(arguments: &[String], dir: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(dir.join("server.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("the server has no stdout")?;
        Ok(Self {
            child,
            stdout: BufReader::new(stdout).lines(),
        })
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        self.stdout
            .next_line()
            .await?
            .context("the server ended before it was ready")
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}
