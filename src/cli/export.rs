//! `warmledger export`

use std::{path::PathBuf, process::ExitCode};

use aggregates::{AccessEvent, AccessFacts, Position};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::{interrupt, meter::Meter};
use crate::{
    access::{Caller, Reason},
    service::open_store,
    settings::Settings,
};
use proof::export;
use runner::{Moment, NotAMoment};
use store::{Mode, Store, clock};

/// The arguments of `warmledger export`.
#[derive(Args)]
#[command(after_help = "\
Writes an audit bundle: the events as JSON Lines, a proof that they are in a signed checkpoint, the public keys, and check.py,
with which an auditor checks all of it offline. What is sealed is not in it: of each sealed section it has the SHA-256.
That it was written, by whom and of which events, is recorded in the ledger first; where that takes no writes, as a standby,
a warning says that it is not.
A moment is a position, an RFC 3339 time, or a date in UTC. The events at both positions are in the bundle; those of --from as
a time or date are too; those of --to as a time are not, and as a date those of the whole day are.

Examples:
  warmledger export --out bundle
  warmledger export --from 2026-01-01 --to 2026-03-31 --out first-quarter
  warmledger export --from 1000 --to 1999 --out bundle && python3 bundle/check.py")]
pub struct ExportArgs {
    /// The first event, or the earliest time [default: the first of all]
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<Moment>,
    /// The last event, or the end of the time [default: the last one under a checkpoint]
    #[arg(long, value_name = "MOMENT", value_parser = Until::parse)]
    pub to: Option<Until>,
    /// The directory of the bundle; made if it is not there, refused if it is not empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What it is for; recorded
    #[arg(long, value_name = "REASON", value_parser = Reason::given)]
    pub reason: Option<Reason>,
}

/// The end of a range: a position, which belongs to it; a time, which does not; or a day, all of which does.
#[derive(Clone)]
pub struct Until {
    text: String,
    last: Moment,
    is_day: bool,
}

impl Until {
    fn parse(text: &str) -> Result<Self, String> {
        let moment: Moment = text.parse().map_err(|error: NotAMoment| error.to_string())?;
        let is_day = text.len() == "2026-01-31".len() && text.parse::<Date>().is_ok();
        let end = match moment {
            Moment::Position(_) => None,
            Moment::Time(start) if is_day => Some(
                start
                    .checked_add(SignedDuration::from_hours(24))
                    .map_err(|error| error.to_string())?,
            ),
            Moment::Time(time) => Some(time),
        };
        let before = |end: Timestamp| end.checked_sub(SignedDuration::from_micros(1)).map(Moment::Time);
        let last = end.map_or(Ok(moment), before).map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            last,
            is_day,
        })
    }
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
        Some(ref to) => {
            let last = match to.last {
                // a day that is not over yet ends now
                Moment::Time(time) if to.is_day => Moment::Time(time.min(clock::now())),
                moment => moment,
            };
            position(&*store, last).await?.0
        }
    };
    if first > last {
        bail!(
            "no event was recorded from {} to {}: the ledger has {covered} under its checkpoint",
            args.from
                .map_or_else(|| "the beginning".to_owned(), |from| from.to_string()),
            args.to.map_or_else(|| "the end".to_owned(), |to| to.text)
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
