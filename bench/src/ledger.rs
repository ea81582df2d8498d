//! Our ledger without HTTP: signed webhooks go to the main source's ingest, as the HTTP handler passes them on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use jiff::Timestamp;
use warmledger::ingest::Ingest;
use warmledger::ledger::Outcome;
use warmledger::service::{Core, MAIN_SOURCE};
use warmledger::store::Mode;

use crate::child;
use crate::load::{Tally, Window};
use crate::payloads::Payloads;

#[derive(Args)]
pub(crate) struct LedgerArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    senders: usize,
    #[arg(long)]
    seconds: f64,
    #[arg(long)]
    warm_up: f64,
    #[arg(long)]
    webhooks: usize,
    #[arg(long)]
    seed: u64,
}

/// Runs one round and prints its outcome as a line of JSON.
pub(crate) async fn run(args: LedgerArgs) -> anyhow::Result<()> {
    use std::io::Write;
    let settings = child::settings(&args.database_url, &args.data_dir)?;
    let mut core = Core::open(&settings, Mode::Migrate).await?;
    let ingest = Arc::new(core.ingests.remove(MAIN_SOURCE).context("there is no main source")?);
    let payloads = Payloads::new(args.webhooks, args.seed);
    let window = Window::starting_now(
        Duration::from_secs_f64(args.warm_up),
        Duration::from_secs_f64(args.seconds),
    );
    writeln!(std::io::stdout(), "started")?;
    let tasks: Vec<_> = (0..args.senders)
        .map(|_| tokio::spawn(sender(Arc::clone(&ingest), Arc::clone(&payloads), window)))
        .collect();
    let mut tallies = Vec::with_capacity(args.senders);
    for task in tasks {
        tallies.push(task.await??);
    }
    drop(ingest);
    let outcome = Tally::merge(tallies).outcome(window);
    child::report(&outcome).await?;
    core.close().await;
    Ok(())
}

async fn sender(ingest: Arc<Ingest>, payloads: Arc<Payloads>, window: Window) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let sent = Instant::now();
        if sent >= window.to {
            return Ok(tally);
        }
        let signed = payloads.take().context("there were too few webhooks for the round")?;
        let receipt = ingest
            .receive(|name| signed.header(name), signed.body.as_bytes(), Timestamp::now())
            .await?;
        ensure!(
            receipt.outcome == Outcome::Recorded,
            "a webhook was not recorded: {:?}",
            receipt.outcome
        );
        tally.add(window, (sent, Instant::now()), true);
    }
}
