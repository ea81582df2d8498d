//! `warmledger verify`

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use aggregates::{AccessEvent, AccessFacts, Position};
use anyhow::Context;
use clap::Args;

use super::{interrupt, meter::Meter, output};
use crate::{access::Caller, service, settings::Settings};
use proof::checkpoints::Witness;
use proof::verify::{self, Coverage, Finding, Options, Report};
use store::Mode;
use tlog::{NoteVerifier, SignedNote};
use vault::MasterKeySource;

/// The arguments of `warmledger verify`.
#[derive(Args)]
#[command(after_help = "\
Without --full: the stored tree in itself, the newest checkpoints, the newest events and a sample of the others, which takes a
moment however long the ledger is. With --full: every event, every node, every checkpoint that was ever signed, and what the events
tell of references, legal holds, erasures, tokens and keys; where the master key is at hand, each data key is opened with it, and
a warning says so where it is not. Either may be run beside the service. Exit code 1 if anything was altered, removed, put in or
rolled back.

A checkpoint kept elsewhere shows what the database alone cannot: that it was cut off, or replaced by an older copy.
It says nothing of the events that were recorded since, and one over 0 events of none: how far each one reaches is printed, and a
checkpoint over 0 events is warned of; the exit code does not change for that.
The one that the service keeps in the data directory is always compared, if it is there. That all was well, and who checked it, is
recorded in the ledger. A check that finds something writes nothing to it: what was found stays as it is.

Examples:
  warmledger verify
  warmledger verify --full
  warmledger verify --full --checkpoint kept-by-the-auditor.txt --key 'ledger.example.com+1f2e3d4c+AQ…'")]
pub struct VerifyArgs {
    /// Check everything
    #[arg(long)]
    pub full: bool,
    /// A signed checkpoint that was kept elsewhere, and has to hold; may be given several times
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The public key that checkpoints are signed with, NAME+HASH+KEY [default: those that the ledger names]; may be given
    /// several times, one for each key that there ever was
    #[arg(long, value_name = "KEY", value_parser = NoteVerifier::parse)]
    pub key: Vec<NoteVerifier>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Checks the ledger.
///
/// # Errors
/// If the ledger can't be read, or a file is not a checkpoint.
pub async fn run(args: VerifyArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut kept = Vec::new();
    for path in &args.checkpoint {
        let name = path.display().to_string();
        let note = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        SignedNote::parse(&note).with_context(|| name.clone())?;
        kept.push((name, note));
    }
    let stop = interrupt::token()?;
    let store = service::open_store(&settings, Mode::ReadOnly).await?;
    let witness = Witness::in_dir(&settings.data_dir);
    kept.extend(witness.note()?.map(|note| (witness.path().display().to_string(), note)));
    let options = Options {
        full: args.full,
        kept,
        keys: args.key,
    };
    let masters = if args.full { masters(&settings) } else { None };
    let mut meter = Meter::events("verify");
    let progress = |done, total| meter.events_at(done, total);
    let recorder = Arc::clone(&store);
    let report = verify::verify_with(store, &options, masters, progress, &stop).await?;
    let elapsed = meter.elapsed();
    drop(meter);
    // not after a failure: an event moves the head, and so the next check would find the ledger sound
    if report.is_sound() {
        let facts = AccessFacts {
            passed: Some(true),
            last_position: Some(Position(report.head)),
            ..Caller::cli().facts()
        };
        // the verdict counts even where the database takes no writes, as on a copy
        let what = "that the ledger was checked";
        if let Err(error) = super::record_reading(&*recorder, AccessEvent::Verified(facts), what).await {
            eprintln!("warning: {what} could not be recorded in it: {error}");
        }
    }
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&text(&report))?;
        if report.head > 0 && report.checkpoints == 0 {
            eprintln!(
                "warning: there is no signed checkpoint to compare with: nothing shows that the log was not made anew as a whole; \
                 see --checkpoint"
            );
        }
        eprintln!(
            "{:.1} s, {:.0} events/s",
            elapsed.as_secs_f64(),
            report.rows as f64 / elapsed.as_secs_f64()
        );
    }
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::CHECK_FAILED)
    })
}

/// The source of the master keys, as the service has it.
fn masters(settings: &Settings) -> Option<Arc<dyn MasterKeySource>> {
    match service::master_keys(settings) {
        Ok(source) => Some(source),
        Err(error) => {
            eprintln!("warning: the master keys cannot be asked for: {error:#}");
            None
        }
    }
}

fn text(report: &Report) -> String {
    let Report {
        head,
        rows,
        checkpoints,
        ..
    } = report;
    let verdict = if report.is_sound() { "OK" } else { "FAILED" };
    let scope = if report.full { "all" } else { "quick check of" };
    let mut text = format!(
        "{verdict}: {scope} {rows} of {head} events, {checkpoints} checkpoints, root {}\n",
        report.root
    );
    if report.is_sound() {
        for Coverage { name, size, since } in &report.kept {
            text += &match size {
                0 => format!("the checkpoint {name} covers no event; {since} since\n"),
                _ => format!("the checkpoint {name} covers events 1..{size}; {since} since\n"),
            };
        }
    }
    for finding in &report.findings {
        text += &line(finding);
    }
    let listed = report.findings.len() as u64;
    if report.found > listed {
        text += &format!("and {} more\n", report.found - listed);
    }
    text
}

fn line(finding: &Finding) -> String {
    let place = match (finding.position, finding.until) {
        (Some(first), Some(last)) if first == last => format!("position {first}: "),
        (Some(first), Some(last)) => format!("positions {first} to {last}: "),
        _ => String::new(),
    };
    format!("{} {place}{}\n", finding.kind, finding.detail)
}
