//! `warmledger ingest`

mod lines;

use std::{fmt, path::PathBuf, process::ExitCode, time::Duration};

use aggregates::Source;
use anyhow::{Context, bail};
use clap::Args;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{interrupt, meter::Meter, output};
use crate::{
    service::{Core, MAIN_SOURCE},
    settings::Settings,
};
use ledger::ingest::{Ingest, IngestError, signature::SIGNATURE_HEADER};
use ledger::{Outcome, Receipt, RecordError};
use lines::Delivery;
use store::Mode;
use store::clock;

/// The arguments of `warmledger ingest`.
#[derive(Args)]
#[command(after_help = "\
Each line of a file is one delivery: {\"body\": \"<exact text>\", \"headers\": {…}} as it was received, or, with --unsigned,
a bare payload, which is marked so in its event. What is recorded already is skipped: running it again does no harm.
A signature is checked against the time in its own headers. Lines that are refused or can't be read are listed as
FILE:LINE with the reason, and the exit code is then 1. Needs no running service, and gets along with one; a new ledger is
made by `warmledger migrate` first.

Examples:
  warmledger ingest captured.jsonl
  zcat 2025-*.jsonl.gz | warmledger ingest -
  warmledger ingest --unsigned --source sandbox payloads.jsonl")]
pub struct IngestArgs {
    /// JSON Lines files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Accept bare payloads that carry no signature
    #[arg(long)]
    pub unsigned: bool,
    /// The sender of the deliveries: the main source, or one of [sources.NAME]
    #[arg(long, value_name = "NAME", default_value = "coldmailreseller", value_parser = source)]
    pub source: Source,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Deliveries in flight: enough to fill the writer's batches, few enough for any memory.
const IN_FLIGHT: usize = 128;
/// Pause before retrying a delivery when the queue was full.
const PAUSE: Duration = Duration::from_millis(20);

/// Records the deliveries and prints how many were new, known already, quarantined and refused.
///
/// # Errors
/// If a file can't be read or the ledger can't be written.
pub async fn run(args: IngestArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let name = args.source.as_str();
    if name != MAIN_SOURCE && !settings.sources.contains_key(&args.source) {
        let known: Vec<&str> = [MAIN_SOURCE]
            .into_iter()
            .chain(settings.sources.keys().map(Source::as_str))
            .collect();
        bail!("--source {name:?} is not configured; known are {}", known.join(", "));
    }
    let size = lines::size(&args.files)?;
    let stop = interrupt::token()?;
    let core = Core::open(&settings, Mode::Existing).await?;
    let ingest = core
        .ingests
        .get(name)
        .context("the source has no way in: this is a bug")?;
    let mut tally = Tally {
        summary: Summary::default(),
        meter: Meter::bytes("ingest", size),
    };
    let ended = record_all(ingest, &args, &mut tally, &stop).await;
    tally.summary.elapsed_ms = tally.meter.elapsed().as_secs_f64() * 1e3;
    let summary = tally.finish();
    if args.json {
        output::print_json(&summary)?;
    } else {
        eprint!("{summary}");
    }
    // after a failure of the store, waiting for the writer would save nothing
    ended?;
    core.close().await;
    if summary.interrupted {
        bail!("stopped; run it again to go on: what is recorded already is skipped");
    }
    Ok(match summary.refused + summary.unreadable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(super::CHECK_FAILED),
    })
}

async fn record_all(
    ingest: &Ingest,
    args: &IngestArgs,
    tally: &mut Tally,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut lines = lines::read(args.files.clone());
    let mut in_flight = FuturesUnordered::new();
    let mut more = true;
    while more || !in_flight.is_empty() {
        tokio::select! {
            // offer each line before reading the next, so that their order is kept
            biased;
            Some((place, result)) = in_flight.next() => tally.add(place, result)?,
            () = stop.cancelled(), if more => {
                (more, tally.summary.interrupted) = (false, true);
            }
            line = lines.recv(), if more && in_flight.len() < IN_FLIGHT => match line {
                None => more = false,
                Some(line) => {
                    let mut line = line?;
                    let place = format!("{}:{}", line.file, line.number);
                    tally.meter.bytes_at(line.read, tally.summary.lines);
                    tally.summary.lines += 1;
                    match line.delivery() {
                        Ok(delivery) => in_flight.push(async move {
                            let result = record(ingest, &delivery, args.unsigned).await;
                            (place, result)
                        }),
                        Err(problem) => {
                            tally.summary.unreadable += 1;
                            tally.meter.say(&format!("{place}: {problem}"));
                        }
                    }
                }
            },
        }
    }
    Ok(())
}

/// Why a delivery was not recorded.
enum NotRecorded {
    Bare,
    Ingest(IngestError),
}

async fn record(ingest: &Ingest, delivery: &Delivery, unsigned: bool) -> Result<Receipt, NotRecorded> {
    loop {
        let result = match delivery {
            Delivery::Captured { body, headers } if !unsigned || headers.contains_key(SIGNATURE_HEADER) => {
                let header = |name: &str| headers.get(name).map(String::as_str);
                ingest.replay(header, body.as_bytes(), clock::now()).await
            }
            Delivery::Captured { body, .. } => ingest.record_unsigned(body.as_bytes()).await,
            Delivery::Bare(body) if unsigned => ingest.record_unsigned(body).await,
            Delivery::Bare(_) => return Err(NotRecorded::Bare),
        };
        match result {
            Err(IngestError::Record(RecordError::QueueFull)) => tokio::time::sleep(PAUSE).await,
            other => return other.map_err(NotRecorded::Ingest),
        }
    }
}

/// Running counts.
struct Tally {
    summary: Summary,
    meter: Meter,
}

impl Tally {
    /// Counts the result of a line.
    ///
    /// # Errors
    /// If the ledger can't be written: the other lines would fail too.
    fn add(&mut self, place: String, result: Result<Receipt, NotRecorded>) -> anyhow::Result<()> {
        let reason = match result {
            Ok(receipt) => {
                *match receipt.outcome {
                    Outcome::Recorded => &mut self.summary.recorded,
                    Outcome::Duplicate => &mut self.summary.duplicates,
                    Outcome::Quarantined => &mut self.summary.quarantined,
                } += 1;
                return Ok(());
            }
            Err(NotRecorded::Bare) => {
                "a bare payload carries no signature; --unsigned records it all the same".to_owned()
            }
            Err(NotRecorded::Ingest(IngestError::Refused(refusal))) => refusal.to_string(),
            Err(NotRecorded::Ingest(IngestError::TooLong(error))) => error.to_string(),
            Err(NotRecorded::Ingest(IngestError::Record(
                error @ (RecordError::Store(_) | RecordError::Closed | RecordError::Vault(_)),
            ))) => {
                return Err(anyhow::Error::new(error).context(format!(
                    "stopped at {place}; run it again to go on: what is recorded already is skipped"
                )));
            }
            Err(NotRecorded::Ingest(IngestError::Record(error))) => error.to_string(),
        };
        self.summary.refused += 1;
        self.meter.say(&format!("{place}: {reason}"));
        Ok(())
    }

    /// Clears the bar.
    fn finish(self) -> Summary {
        self.summary
    }
}

/// The result. Its `Display` is for people, its JSON for programs.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// Non-empty lines read.
    lines: u64,
    /// New events.
    recorded: u64,
    /// Recorded earlier.
    duplicates: u64,
    /// Recorded as quarantined events.
    quarantined: u64,
    /// Not authentic; not recorded.
    refused: u64,
    /// Not a delivery; not recorded.
    unreadable: u64,
    /// Whether it was stopped before the end.
    interrupted: bool,
    /// Milliseconds.
    elapsed_ms: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.lines as f64 * 1e3 / self.elapsed_ms.max(1.0);
        for (name, count) in [
            ("recorded", self.recorded),
            ("duplicates", self.duplicates),
            ("quarantined", self.quarantined),
            ("refused", self.refused),
            ("unreadable", self.unreadable),
        ] {
            writeln!(f, "{name:<14}{count:>10}")?;
        }
        writeln!(f, "{:<14}{:>10}   {rate:.0} lines/s", "lines", self.lines)
    }
}

fn source(text: &str) -> Result<Source, String> {
    Source::parse(text).map_err(|error| error.to_string())
}
