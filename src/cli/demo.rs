//! `warmledger demo`

mod look;

use std::{
    fs::DirBuilder,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use aggregates::Position;
use anyhow::{Context, bail};
use clap::Args;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use reqwest::Url;
use tokio_util::sync::CancellationToken;

use super::{interrupt, output};
use crate::{
    metrics::Metrics,
    service::{MAIN_SOURCE, Service, open_store},
    settings::{Origin, Settings},
};
use look::Look;
use secret::Secret;
use secret::data_dir::{self, SecretFile};
use simulate::{Options, Pace, Plan, SendOptions};
use store::clock;
use store::{Mode, Store};

/// The share of webhooks that are delivered twice.
const DUPLICATES: f64 = 0.05;
/// The share of webhooks with values in other forms than usual.
const ODD: f64 = 0.02;
/// How many webhooks cannot be used, and how many are signed with a wrong key.
const FAULTY: usize = 2;
/// How many times each subscription comes up for renewal, a month apart, the last time about now.
const MONTHS: u32 = 3;
/// The file that marks a data directory as a demo's.
const MARK: &str = "demo.txt";
/// Time-out for the projections to fold all that was played.
const CATCH_UP: Duration = Duration::from_secs(60);

/// The arguments of `warmledger demo`. `--data-dir` is global.
#[derive(Args)]
#[command(after_help = "\
A demo never touches a real ledger: of the settings in warmledger.toml and the environment it takes only listen, log and
log_format, and a --data-dir has to be new, empty, or that of an earlier demo. Without --data-dir it works in a new temporary
directory, which is removed at the end. Calls to try are printed on stdout, with the throwaway ledger's token; the story is
told on stderr. Ctrl-C ends it.

Examples:
  warmledger demo
  warmledger demo --orders 1000 --seed 7 --listen 127.0.0.1:9000
  warmledger demo --data-dir ./demo        keep what was played")]
pub struct DemoArgs {
    /// How many orders to play
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = output::number)]
    pub orders: u64,
    /// Seed of everything that is made up: on a fresh ledger the same seed plays the same orders
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = output::number)]
    pub seed: u64,
    /// How long the hour takes
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Address to listen on, IP:PORT [default: 127.0.0.1:8080, or a free port if that one is taken]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// Serves a fresh ledger, plays webhooks into it, then serves until it is stopped.
///
/// # Errors
/// If the service can't start, or can't go on.
pub async fn run(args: DemoArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let named = |key: &str| matches!(settings.origin(key), Origin::Flag(_));
    if named("database_url") && !named("data_dir") {
        bail!(
            "a demo on a database of yours needs a --data-dir too: its keys are kept there, and go with a temporary one"
        );
    }
    let stop = interrupt::token()?;
    let mut fresh = None;
    let mut settings = settings
        .isolated(|| {
            let dir = fresh_dir()?;
            fresh = Some(FreshDir(dir.clone()));
            Ok(dir)
        })
        .context("cannot make a temporary directory")?;
    if *settings.origin("listen") == Origin::Default && is_taken(settings.listen) {
        settings.listen.set_port(0);
    }
    claim(&settings.data_dir)?;
    let service = Service::start(&settings, Metrics::install()?).await?;
    let base = Url::parse(&format!("http://{}", service.address()))?;
    let kept = if fresh.is_some() { "removed at the end" } else { "kept" };
    eprintln!(
        "A demo ledger in {} ({kept}), served at {base}",
        settings.data_dir.display()
    );

    play(&args, &settings, &base, &stop).await?;
    stop.cancelled().await;
    eprintln!("Stopping.");
    service.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Plays the hour and prints the results.
async fn play(args: &DemoArgs, settings: &Settings, base: &Url, stop: &CancellationToken) -> anyhow::Result<()> {
    let store = open_store(settings, Mode::Existing).await?;
    let head = store.head().await?.position;
    let now = clock::now();
    let begun = now
        .to_zoned(TimeZone::UTC)
        .checked_sub((i64::from(MONTHS) - 1).months())?;
    let plan = Plan::new(&Options {
        renewals: true,
        months: MONTHS,
        families: true,
        odd: ODD,
        duplicates: DUPLICATES,
        // a ledger with an earlier demo needs other orders: the same ones would count as forgeries
        seed: args.seed.wrapping_add(head.0),
        ..Options::new(usize::try_from(args.orders)?, begun.timestamp())
    });
    let keys = crate::settings::read_webhook_keys(&settings.data_dir)?;
    let key = keys.into_iter().next().context("the demo has no webhook key")?;
    let last = plan.deliveries.last().map_or(0.0, |last| last.after.as_secs_f64());
    let options = SendOptions {
        pace: Pace::Scaled(args.seconds as f64 / last.max(1.0)),
        retry_scale: 0.01,
        progress: true,
        ..SendOptions::new(base.join(&format!("webhooks/{MAIN_SOURCE}"))?, key)
    };
    eprintln!(
        "Playing an hour of a reseller's life in {} s: {} webhooks about {} orders, some of them sent twice.",
        args.seconds,
        plan.deliveries.len(),
        args.orders
    );
    let summary = simulate::run(&plan, &options, stop.clone()).await?;
    eprintln!("\nSent, as the provider does:\n{}", indented(&summary.to_string()));
    if stop.is_cancelled() {
        return Ok(());
    }
    let others = super::simulate::faulty_plan(FAULTY, args.seed.wrapping_add(head.0), now);
    let faulty = simulate::run_faulty(&others, &options).await?;
    eprintln!(
        "{}  (cannot be used; signed with a wrong key)",
        indented(&super::simulate::faulty_line(&faulty)).trim_end()
    );

    let head = store.head().await?.position;
    caught_up(&*store, head, stop).await?;
    if stop.is_cancelled() {
        return Ok(());
    }
    let token = data_dir::read_secret_file(&SecretFile::AdminToken.path(&settings.data_dir))?;
    let look = Look::new(base.clone(), Secret::new(token.to_string()))?;
    match look.views().await {
        Ok(views) => eprintln!("\nShown by the views, read back over HTTP:\n{views}"),
        Err(error) => tracing::warn!("the views could not be read back: {error:#}"),
    }
    eprintln!("Look for yourself; everything that can be called is in {base}openapi.json. Ctrl-C ends the demo.\n");
    output::print(&look.calls(&plan))?;
    Ok(())
}

/// Waits until every projection has folded up to the position.
async fn caught_up(store: &dyn Store, position: Position, stop: &CancellationToken) -> anyhow::Result<()> {
    let wait = async {
        loop {
            let statuses = runner::statuses(store).await?;
            if statuses.iter().all(|status| status.position >= position.0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        waited = tokio::time::timeout(CATCH_UP, wait) => match waited {
            Ok(caught_up) => caught_up,
            Err(_) => {
                tracing::warn!("the views are not up to date yet; `/api/v1/projections` tells how far they are");
                Ok(())
            }
        },
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn is_taken(address: SocketAddr) -> bool {
    matches!(TcpListener::bind(address), Err(error) if error.kind() == ErrorKind::AddrInUse)
}

/// Marks the data directory as a demo's; refuses one with files that no demo has made.
fn claim(dir: &Path) -> anyhow::Result<()> {
    let mark = dir.join(MARK);
    let is_empty = match dir.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot look into {}", dir.display())),
    };
    if !is_empty && !mark.exists() {
        bail!(
            "{} holds something that no demo has made, and a demo plays invented orders into a ledger for good: name a directory that is \
             new or empty",
            dir.display()
        );
    }
    data_dir::create_dir(dir)?;
    std::fs::write(
        &mark,
        "A demo has played invented orders into the ledger of this directory.\n",
    )
    .with_context(|| format!("cannot write {}", mark.display()))
}

/// A new private directory for temporary files.
fn fresh_dir() -> io::Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("warmledger-demo-{:016x}", rand::random::<u64>()));
    // not recursive: a directory that exists already is an error
    DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}

/// A directory that is removed when this is dropped.
struct FreshDir(PathBuf);

impl Drop for FreshDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("{} could not be removed: {error}", self.0.display());
        }
    }
}
