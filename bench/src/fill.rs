//! A process that fills a ledger without HTTP, as fast as possible, and signs checkpoints from time to time.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use tokio::sync::mpsc;
use warmledger::checkpoints::CheckpointSigner;
use warmledger::ingest::Ingest;
use warmledger::service::{Core, MAIN_SOURCE};
use warmledger::store::Mode;

use crate::child;
use crate::payloads::{LedgerKind, Payloads};

/// Enough for large batches.
const SENDERS: usize = 512;
/// Webhooks signed at a time. For orders, they are those of one plan: many, since domains are unique within a plan, and
/// so nearly unique in the ledger.
const PART: u64 = 50_000;
pub(crate) const SEED: u64 = 7_000_000;

#[derive(Args)]
pub(crate) struct FillArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    events: u64,
    /// What its webhooks tell
    #[arg(long, value_enum)]
    told: LedgerKind,
    /// So many more webhooks are planned, and left for others to send
    #[arg(long, default_value_t = 0)]
    more: u64,
}

/// Records this many webhooks, and prints their number from time to time.
pub(crate) async fn run(args: FillArgs) -> anyhow::Result<()> {
    let settings = child::settings(&args.database_url, &args.data_dir)?;
    let mut core = Core::open(&settings, Mode::Migrate).await?;
    let signer = CheckpointSigner::open(Arc::clone(&core.store), args.data_dir, None).await?;
    let ingest = Arc::new(core.ingests.remove(MAIN_SOURCE).context("there is no main source")?);
    let (made, mut parts_made) = mpsc::channel(1);
    // the next part is generated while one is recorded
    tokio::task::spawn_blocking(move || {
        parts(args.told, args.events, args.more).try_for_each(|part| made.blocking_send(part))
    });
    let mut events = 0;
    while let Some(payloads) = parts_made.recv().await {
        let tasks: Vec<_> = (0..SENDERS)
            .map(|_| tokio::spawn(sender(Arc::clone(&ingest), Arc::clone(&payloads))))
            .collect();
        for task in tasks {
            events += task.await??;
        }
        signer.sign().await?;
        writeln!(std::io::stdout(), "{events}")?;
    }
    drop(ingest);
    core.close().await;
    Ok(())
}

/// All webhooks; each part is signed when it is requested.
fn parts(told: LedgerKind, events: u64, more: u64) -> Box<dyn Iterator<Item = Arc<Payloads>>> {
    match told {
        LedgerKind::Orders => Box::new(
            (0..events)
                .step_by(PART as usize)
                .zip(SEED..)
                .map(move |(begin, seed)| {
                    let count = PART.min(events - begin) as usize;
                    Payloads::of_plans(count, count, seed)
                }),
        ),
        LedgerKind::Renewals => {
            let (events, more) = (events as usize, more as usize);
            Box::new(Payloads::renewals(events + more, 0..events, PART as usize, SEED))
        }
    }
}

async fn sender(ingest: Arc<Ingest>, payloads: Arc<Payloads>) -> anyhow::Result<u64> {
    let mut recorded = 0;
    while let Some(signed) = payloads.take() {
        ingest
            .receive(|name| signed.header(name), signed.body.as_bytes(), Timestamp::now())
            .await?;
        recorded += 1;
    }
    Ok(recorded)
}
