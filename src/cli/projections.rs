//! `warmledger projections`

mod compare;
mod moments;
mod parked;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aggregates::{AccessEvent, AccessFacts, Position};
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use projections::AnyProjection;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::output::ListArgs;
use super::{interrupt, meter::Meter, output};
use crate::{access::Caller, service::open_store, settings::Settings};
use compare::Differing;
use ledger::record_access;
use moments::{AsOfArgs, DiffArgs};
use runner::{LISTED, Progress, Status};
use store::{Mode, Store};

/// How long the rates are measured.
const MEASURED: Duration = Duration::from_secs(1);

/// The arguments of `warmledger projections`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  warmledger projections list
  warmledger projections status --json
  warmledger projections retry orders
  warmledger projections rebuild --all --check
  warmledger projections diff orders WR3N4JEW3D76N6KGRQSG36SSHBXK --from 2025-11-01")]
pub struct ProjectionsArgs {
    /// What to do with the projections.
    #[command(subcommand)]
    pub command: ProjectionsCommand,
}

/// What to do with the projections.
#[derive(Subcommand)]
pub enum ProjectionsCommand {
    /// List the projections that this program knows: name, version, SQL columns
    #[command(after_help = "Example:\n  warmledger projections list --json | jq -r '.[].name'")]
    List(ListArgs),
    /// Show how far each projection is: state, version, position, lag, rate, rows, parked rows
    #[command(after_help = "\
It takes a second, in which the rate is measured: events folded a second, whichever process folds them. A version reads
CODE when the rows are of this program's version, and CODE (live N) while those of version N are served.

Examples:
  warmledger projections status
  warmledger projections status --json")]
    Status(ListArgs),
    /// Show the parked rows: an event could not be folded into them
    #[command(after_help = "Examples:\n  warmledger projections parked\n  warmledger projections parked orders --json")]
    Parked {
        /// The projection's name; all of them without one
        #[arg(value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Try parked rows again: fold each anew from all of its events
    #[command(after_help = "\
To be run after a fix. Rows that still fail stay parked and are listed, and the exit code is 1 if one does. Works beside
a running service, and needs none of its keys. For very many rows a rebuild is faster.

Examples:
  warmledger projections retry orders
  warmledger projections retry orders --key WR3N4JEW3D76N6KGRQSG36SSHBXK")]
    Retry {
        /// The projection's name
        #[arg(value_name = "NAME")]
        name: String,
        /// Only the row with this key
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Print {"mended": […], "parked": […]} instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Fold all events anew, beside the live rows, and switch over atomically
    #[command(after_help = "\
Readers are not disturbed. With --check nothing is switched: rows that differ from the live ones are reported, at most
100 of each projection, and the exit code is 1 if one does. Ctrl-C is safe: the next rebuild resumes where it stopped.
Works beside a running service, and needs none of its keys.

Examples:
  warmledger projections rebuild orders
  warmledger projections rebuild --all --check")]
    Rebuild {
        /// The projection's name
        #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// Every projection
        #[arg(long)]
        all: bool,
        /// Only compare with the live rows
        #[arg(long)]
        check: bool,
        /// Print the result as JSON: an array of statuses; with --check, one line for each projection
        #[arg(long)]
        json: bool,
    },
    /// Show one row as it stood at an earlier moment, folded from its own events
    #[command(after_help = "\
Examples:
  warmledger projections as-of orders WR3N4JEW3D76N6KGRQSG36SSHBXK --at 2025-11-01
  warmledger projections as-of mailboxes example.com --at 4711 --json")]
    AsOf(AsOfArgs),
    /// Show what changed in one row between two moments, and by which events
    #[command(after_help = "\
Examples:
  warmledger projections diff orders WR3N4JEW3D76N6KGRQSG36SSHBXK --from 2025-11-01 --to 2025-12-01
  warmledger projections diff renewals KX9V77PVMFMZH4PTPF2Y99PKYAT2 --from 0 --json")]
    Diff(DiffArgs),
}

/// Lists, shows or rebuilds projections.
///
/// # Errors
/// If the store can't be reached, or a name is unknown.
pub async fn run(args: ProjectionsArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    match args.command {
        ProjectionsCommand::List(args) => list(args)?,
        ProjectionsCommand::Status(args) => {
            let store = open_store(&settings, Mode::ReadOnly).await?;
            let mut statuses = runner::statuses_with_rates(&*store, MEASURED).await?;
            statuses.truncate(args.limit());
            print_statuses(&statuses, args.json)?;
        }
        ProjectionsCommand::AsOf(args) => {
            let projection = one(&args.name)?;
            moments::as_of(&*open_store(&settings, Mode::ReadOnly).await?, projection, &args).await?;
        }
        ProjectionsCommand::Diff(args) => {
            let projection = one(&args.name)?;
            moments::diff(&*open_store(&settings, Mode::ReadOnly).await?, projection, &args).await?;
        }
        ProjectionsCommand::Parked { name, list } => {
            let chosen = name.as_deref().map(one).transpose()?;
            let store = open_store(&settings, Mode::ReadOnly).await?;
            parked::list(&*store, chosen, list).await?;
        }
        ProjectionsCommand::Retry { name, key, json } => {
            let projection = one(&name)?;
            let store = open_store(&settings, Mode::Existing).await?;
            return parked::retry(&*store, projection, key.as_deref(), json).await;
        }
        ProjectionsCommand::Rebuild { name, check, json, .. } => {
            let chosen = chosen(name.as_deref())?;
            let stop = interrupt::token()?;
            let store = open_store(&settings, Mode::Existing).await?;
            return match check {
                true => compare(&*store, &chosen, json, &stop).await,
                false => rebuild(&store, &chosen, json, &stop).await,
            };
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The projection of this name; all without one.
fn chosen(name: Option<&str>) -> anyhow::Result<Vec<&'static dyn AnyProjection>> {
    match name {
        Some(name) => one(name).map(|found| vec![found]),
        None => Ok(projections::all().to_vec()),
    }
}

fn one(name: &str) -> anyhow::Result<&'static dyn AnyProjection> {
    projections::by_name(name).ok_or_else(|| {
        let known: Vec<_> = projections::all().iter().map(|known| known.name()).collect();
        anyhow!("there is no projection {name:?}; known are {}", known.join(", "))
    })
}

fn list(args: ListArgs) -> anyhow::Result<()> {
    let known = projections::all().iter().map(|known| Known {
        name: known.name(),
        version: known.version(),
        columns: known.columns().iter().map(|column| column.name).collect(),
    });
    args.print(known.collect(), ["name", "version", "columns"], |known| {
        [
            known.name.to_owned(),
            known.version.to_string(),
            known.columns.join(", "),
        ]
    })
}

/// A projection as it is printed.
#[derive(Serialize)]
struct Known {
    name: &'static str,
    version: u32,
    columns: Vec<&'static str>,
}

fn print_statuses(statuses: &[Status], json: bool) -> anyhow::Result<()> {
    if json {
        return output::print_json(&statuses);
    }
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let rows: Vec<_> = statuses
        .iter()
        .map(|status| {
            let state = match status.rebuilt_to {
                Some(position) => format!("{} (at {position})", status.state),
                None => status.state.to_owned(),
            };
            let version = match status.live_version {
                Some(live) if live != status.version => format!("{} (live {live})", status.version),
                _ => status.version.to_string(),
            };
            [
                status.name.to_owned(),
                state,
                version,
                or_none(status.generation.map(|generation| generation.to_string())),
                status.position.to_string(),
                status.lag.to_string(),
                format!("{:.1} s", status.lag_seconds),
                or_none(status.rate.map(|rate| format!("{rate:.0}/s"))),
                status.rows.to_string(),
                status.parked.to_string(),
            ]
        })
        .collect();
    let heading = [
        "name",
        "state",
        "version",
        "generation",
        "position",
        "lag",
        "waiting",
        "rate",
        "rows",
        "parked",
    ];
    Ok(output::print(&output::table(heading, &rows))?)
}

/// Facts of an access event about a projection.
fn about(projection: &dyn AnyProjection) -> AccessFacts {
    AccessFacts {
        projection: Some(projection.name().to_owned()),
        ..Caller::cli().facts()
    }
}

/// A label for the rebuild of these projections.
fn label(projections: &[&'static dyn AnyProjection]) -> String {
    match projections {
        [one] => one.name().to_owned(),
        many => format!("{} projections", many.len()),
    }
}

async fn rebuild(
    store: &Arc<dyn Store>,
    chosen: &[&'static dyn AnyProjection],
    json: bool,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    for projection in chosen {
        let facts = about(*projection);
        record_access(&**store, AccessEvent::RebuildRequested(facts)).await?;
    }
    let mut meter = Meter::events(label(chosen));
    let progress = |at: Progress| meter.events_at(at.position.0, at.head.0);
    runner::rebuild(store, chosen, progress, stop).await?;
    let elapsed = meter.elapsed();
    drop(meter);
    let mut statuses = runner::statuses(&**store).await?;
    statuses.retain(|status| chosen.iter().any(|projection| projection.name() == status.name));
    eprintln!("rebuilt and switched over in {:.1} s", elapsed.as_secs_f64());
    print_statuses(&statuses, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The result of a check, as `--json` prints it, one projection a line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    projection: &'static str,
    position: Position,
    /// How many rows the rebuild has.
    rows: u64,
    /// At most 100.
    differences: Vec<Differing>,
}

async fn compare(
    store: &dyn Store,
    chosen: &[&'static dyn AnyProjection],
    json: bool,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let statuses = runner::statuses(store).await?;
    let is_missing = |name: &str| {
        statuses
            .iter()
            .any(|status| status.name == name && status.generation.is_none())
    };
    if let Some(missing) = chosen.iter().find(|projection| is_missing(projection.name())) {
        bail!(
            "projection {} has no rows yet, so there is nothing to compare: rebuild it, or start the service",
            missing.name()
        );
    }
    let mut found = Vec::new();
    for projection in chosen {
        let mut meter = Meter::events(projection.name());
        let progress = |at: Progress| meter.events_at(at.position.0, at.head.0);
        let checked = runner::check(store, *projection, progress, stop).await?;
        let differences = checked.differences.iter();
        let one = Found {
            projection: checked.projection,
            position: checked.position,
            rows: checked.rows,
            differences: differences
                .map(|difference| Differing::new(difference, projection.columns()))
                .collect(),
        };
        drop(meter);
        let facts = AccessFacts {
            last_position: Some(one.position),
            passed: Some(one.differences.is_empty()),
            ..about(*projection)
        };
        record_access(store, AccessEvent::ProjectionChecked(facts)).await?;
        if json {
            output::print_line(&one)?;
        }
        found.push(one);
    }
    if !json {
        output::print(&report(&found))?;
    }
    Ok(match found.iter().all(|one| one.differences.is_empty()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(super::CHECK_FAILED),
    })
}

fn report(found: &[Found]) -> String {
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            let differences = match one.differences.len() {
                LISTED.. => format!("{LISTED} or more"),
                fewer => fewer.to_string(),
            };
            [
                one.projection.to_owned(),
                one.position.to_string(),
                one.rows.to_string(),
                differences,
            ]
        })
        .collect();
    let mut text = output::table(["name", "position", "rows", "differences"], &rows);
    for one in found {
        for difference in &one.differences {
            text += &format!("\n{} {}", one.projection, difference.to_text());
        }
    }
    text
}
