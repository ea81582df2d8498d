//! `warmledger export`

use std::{path::PathBuf, process::ExitCode};

use aggregates::{AccessEvent, AccessFacts, Position};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use jiff::SignedDuration;

use super::{interrupt, meter::Meter};
use crate::{
    access::{Caller, Reason},
    service::open_store,
    settings::Settings,
};
use proof::export;
use runner::Moment;
use store::{Mode, Store};

/// The arguments of `warmledger export`.
#[derive(Args)]
#[command(after_help = "\
Writes an audit bundle: the events as JSON Lines, a proof that they are in a signed checkpoint, the public keys, and check.py,
with which an auditor checks all of it offline. What is sealed is not in it: of each sealed section it has the SHA-256.
That it was written, by whom and of which events, is recorded in the ledger first; where that takes no writes, as a standby,
a warning says that it is not.
A moment is a position, an RFC 3339 time, or a date (its start in UTC); the events of both moments are in the bundle.

Examples:
  warmledger export --out bundle
  warmledger export --from 2026-01-01 --to 2026-04-01 --out first-quarter
  warmledger export --from 1000 --to 1999 --out bundle && python3 bundle/check.py")]
pub struct ExportArgs {
    /// The first event, or the earliest time [default: the first of all]
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<Moment>,
    /// The last event, or the latest time [default: the last one under a checkpoint]
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<Moment>,
    /// The directory of the bundle; made if it is not there, refused if it is not empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What it is for; recorded
    #[arg(long, value_name = "REASON", value_parser = Reason::given)]
    pub reason: Option<Reason>,
}

/// Writes a bundle.
///
/// # Errors
/// If the ledger can't be read, no checkpoint covers the range yet, the range is empty, or a file can't be written.
pub async fn run(args: ExportArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let stop = interrupt::token()?;
    let store = open_store(&settings, Mode::ReadOnly).await?;
    let checkpoint = store.latest_checkpoint().await?;
    let checkpoint = checkpoint.context("the ledger has no checkpoint yet: `warmledger serve` signs them")?;
    let covered = checkpoint.size;
    let first = match args.from {
        None => 1,
        Some(Moment::Position(position)) => position.0.max(1),
        // the first event recorded at this time or later
        Some(Moment::Time(time)) => {
            let before = time.saturating_sub(SignedDuration::from_micros(1))?;
            position(&*store, Moment::Time(before)).await?.0 + 1
        }
    };
    let last = match args.to {
        None => covered,
        Some(to) => position(&*store, to).await?.0,
    };
    if first > last {
        let given = |moment: Option<Moment>, open: &str| moment.map_or(open.to_owned(), |moment| moment.to_string());
        bail!(
            "no event was recorded from {} to {}: the ledger has {covered} under its checkpoint",
            given(args.from, "the beginning"),
            given(args.to, "the end")
        );
    }
    if last > covered {
        bail!(
            "the newest checkpoint covers the events up to {covered}, and --to is position {last}; the service signs one each \
             second while there is traffic"
        );
    }
    let facts = AccessFacts {
        first_position: Some(Position(first)),
        last_position: Some(Position(last)),
        reason: args.reason.map(String::from),
        ..Caller::cli().facts()
    };
    export::prepare(&args.out)?;
    // recorded before any data is written
    super::record_reading(&*store, AccessEvent::Exported(facts), "that the bundle was written").await?;
    let count = last + 1 - first;
    let mut meter = Meter::events("export");
    let progress = |done| meter.events_at(done, count);
    export::write(&*store, first..last + 1, &checkpoint, &args.out, progress, &stop).await?;
    drop(meter);
    let out = args.out.display();
    eprintln!(
        "{count} events, {first} to {last}, under a checkpoint over {covered}, in {out}; check it with: python3 {out}/check.py"
    );
    Ok(ExitCode::SUCCESS)
}

async fn position(store: &dyn Store, moment: Moment) -> anyhow::Result<Position> {
    let instant = runner::as_of_point(store, moment).await;
    Ok(instant.map_err(|error| anyhow!(error))?.position)
}
