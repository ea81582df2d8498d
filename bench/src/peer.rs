//! postgres-es: a program of its own in `bench/peer`, since it needs another version of sqlx.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::child::Server;
use crate::database::Database;
use crate::memory::Memory;
use crate::options::Options;
use crate::pass::Pass;
use crate::payloads::{LedgerKind, Payloads};
use crate::progress::note;

/// Distinct events among the replayed ones.
const DIFFERENT: usize = 2_500;
const SEED: u64 = 0;

/// Builds it beside this program, if necessary; takes a minute the first time.
pub(crate) async fn build() -> anyhow::Result<()> {
    note("building the peer (postgres-es)");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peer/Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir()?);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.status().await.context("cargo")?;
    ensure!(status.success(), "the peer could not be built");
    Ok(())
}

/// Starts a run of appends, with or without a view. It prints a line when it begins, and its result.
pub(crate) fn append(
    database: &Database,
    senders: usize,
    payloads: &Payloads,
    view: bool,
    options: &Options,
) -> anyhow::Result<Server> {
    let bodies = database.dir.path().join("bodies");
    payloads.write_bodies(&bodies)?;
    let arguments = [
        senders.to_string(),
        options.warm_up().as_secs_f64().to_string(),
        options.seconds().as_secs_f64().to_string(),
    ];
    let role = if view { "append-and-fold" } else { "append" };
    let mut command = command(role, database, &bodies)?;
    command.args(arguments);
    Server::spawn(command, database.dir.path())
}

/// A replay by cqrs-es.
pub(crate) struct Replay {
    database: Database,
    events: u64,
}

impl Replay {
    pub(crate) async fn new(options: &Options, events: u64, told: LedgerKind) -> anyhow::Result<Self> {
        let database = Database::postgres(&options.postgres_url, &options.dir()?).await?;
        let payloads = match told {
            LedgerKind::Orders => Some(Payloads::new(DIFFERENT, SEED)),
            LedgerKind::Renewals => Payloads::renewals(DIFFERENT, 0..DIFFERENT, DIFFERENT, SEED).next(),
        };
        payloads.context("no webhooks")?.write_bodies(&bodies(&database))?;
        Ok(Self { database, events })
    }

    /// Replays all of them once; the first call writes them before.
    pub(crate) async fn measure(&self) -> anyhow::Result<(Pass, Memory)> {
        let mut command = command("replay", &self.database, &bodies(&self.database))?;
        command.arg(self.events.to_string());
        let mut server = Server::spawn(command, self.database.dir.path())?;
        server.line().await?;
        let pass = server.result().await?;
        let memory = Memory::of(server.id());
        server.stop().await?;
        Ok((pass, memory))
    }

    pub(crate) async fn drop_now(self) -> anyhow::Result<()> {
        self.database.drop_now().await
    }
}

fn bodies(database: &Database) -> PathBuf {
    database.dir.path().join("bodies")
}

fn command(role: &str, database: &Database, bodies: &Path) -> anyhow::Result<Command> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut command = Command::new(target_dir()?.join(profile).join("bench-peer"));
    command.arg(role).arg(&database.url).arg(bodies);
    Ok(command)
}

fn target_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let beside = program.parent().context("this program lies nowhere")?;
    Ok(beside.join("peer"))
}
