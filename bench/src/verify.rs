//! Verifying a large ledger, quick and full.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use warmledger::settings::DatabaseUrl;
use warmledger::store::{self, Mode};
use warmledger::verify::{self, verify};

use crate::child::{self, Server, ours};
use crate::goals::{Findings, Goal, Row, median};
use crate::options::Options;
use crate::prepared::Prepared;
use crate::progress::note;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    full: bool,
}

#[derive(Serialize, Deserialize)]
struct Check {
    rows: u64,
    checkpoints: u64,
    seconds: f64,
}

impl Check {
    fn per_second(&self) -> f64 {
        self.rows as f64 / self.seconds
    }
}

/// The process that checks, as `warmledger verify` does.
pub(crate) async fn run(args: VerifyArgs) -> anyhow::Result<()> {
    let url = DatabaseUrl::parse(&args.database_url).map_err(anyhow::Error::msg)?;
    let store = store::open(&url, Mode::Migrate).await?;
    let options = verify::Options {
        full: args.full,
        kept: Vec::new(),
        keys: Vec::new(),
    };
    let begun = Instant::now();
    let report = verify(store, &options, |_, _| {}, &CancellationToken::new()).await?;
    ensure!(report.is_sound(), "{report:?}");
    let check = Check {
        rows: report.rows,
        checkpoints: report.checkpoints,
        seconds: begun.elapsed().as_secs_f64(),
    };
    child::report(&check).await
}

pub(crate) async fn findings(options: &Options, ledger: &Prepared) -> anyhow::Result<Findings> {
    let mut details = format!(
        "## Checking a ledger of {} events on PostgreSQL\n\n\
         | check | run | rows | checkpoints | s | events/s |\n|---|--:|--:|--:|--:|--:|\n",
        ledger.events
    );
    let mut rates = Vec::new();
    for (full, title) in [(false, "quick"), (true, "full")] {
        for run in 1..=options.rounds() {
            let check = measure(ledger, full).await?;
            let Check {
                rows,
                checkpoints,
                seconds,
            } = check;
            let rate = check.per_second();
            note(format_args!("  {title}: {rate:.0} events/s"));
            writeln!(
                details,
                "| {title} | {run} | {rows} | {checkpoints} | {seconds:.2} | {rate:.0} |"
            )?;
            if full {
                rates.push(rate);
            }
        }
    }
    let goal = Goal::AtLeast(80_000.0);
    Ok(Findings {
        rows: vec![Row::absolute("`verify --full`", median(rates), "events/s", goal)],
        details,
    })
}

async fn measure(ledger: &Prepared, full: bool) -> anyhow::Result<Check> {
    let dir = ledger.database.dir.path();
    let mut arguments = ours(&ledger.database.url, dir);
    if full {
        arguments.push("--full".to_owned());
    }
    let mut server = Server::start("verify", &arguments, dir)?;
    let check = server.result().await?;
    server.stop().await?;
    Ok(check)
}
