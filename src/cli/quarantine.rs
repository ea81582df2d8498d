//! `warmledger quarantine`

use std::process::ExitCode;
use std::sync::Arc;

use aggregates::{AccessFacts, EventId, Position, QuarantineReason};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::ListArgs;
use super::{CHECK_FAILED, output};
use crate::access::{Caller, Reason};
use crate::service::{Core, open_store};
use crate::settings::Settings;
use ledger::Reader;
use ledger::quarantine::{self, Quarantined, Replayed};
use store::Mode;
use store::clock::rfc3339_micros;

/// The arguments of `warmledger quarantine`.
#[derive(Args)]
#[command(after_help = "\
An authentic webhook that cannot be used is kept all the same, sealed and with the reason. When a newer version
understands it, it can be replayed.

Examples:
  warmledger quarantine list
  warmledger quarantine replay 1042 1043
  warmledger quarantine replay --all --reason 'after the update'")]
pub struct QuarantineArgs {
    /// What to do with quarantined webhooks.
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

/// What to do with quarantined webhooks.
#[derive(Subcommand)]
pub enum QuarantineCommand {
    /// Print quarantined webhooks, oldest first, with the reason of each
    #[command(after_help = "\
Examples:
  warmledger quarantine list
  warmledger quarantine list --after 1000 --json | jq -r '.[] | [.position, .reason, .detail] | @tsv'")]
    List {
        /// Start after this position
        #[arg(long, value_name = "POSITION", default_value_t = 0, value_parser = output::position)]
        after: u64,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Read quarantined webhooks again; those that can be used now are recorded as what they are
    #[command(after_help = "\
Prints a JSON line for each. What was replayed before is found again and not repeated. Exit code 1 if one of those named
can still not be used; with --all that is no failure.

Examples:
  warmledger quarantine replay 1042
  warmledger quarantine replay --all")]
    Replay {
        /// Which
        #[arg(value_name = "POSITION", required_unless_present = "all", conflicts_with = "all",
              value_parser = output::position_of_an_event)]
        positions: Vec<u64>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
    },
}

/// Webhooks per read.
const PAGE: u32 = 200;

/// Lists or replays quarantined webhooks.
///
/// # Errors
/// If the store can't be reached, or there is no quarantined webhook at a position.
pub async fn run(args: QuarantineArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    match args.command {
        QuarantineCommand::List { after, list: args } => list(&settings, Position(after), args).await,
        QuarantineCommand::Replay { positions, all, reason } => {
            let core = Core::open(&settings, Mode::Existing).await?;
            let facts = AccessFacts {
                reason: reason.map(String::from),
                ..Caller::cli().facts()
            };
            let replayed = if all {
                replay_all(&core, &facts).await
            } else {
                replay(&core, positions.into_iter().map(Position), &facts).await
            };
            core.close().await;
            match replayed? {
                unusable if unusable > 0 && !all => Ok(ExitCode::from(CHECK_FAILED)),
                _ => Ok(ExitCode::SUCCESS),
            }
        }
    }
}

/// A quarantined webhook as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    position: Position,
    recorded_at: String,
    reason: QuarantineReason,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts_with: Option<Position>,
    size: u64,
}

impl From<Quarantined> for Listed {
    fn from(quarantined: Quarantined) -> Self {
        let Quarantined { event, facts } = quarantined;
        Self {
            position: event.position,
            recorded_at: rfc3339_micros(event.recorded_at),
            reason: facts.reason,
            detail: facts.detail,
            name: facts.name,
            event_id: facts.event_id,
            conflicts_with: facts.conflicts_with,
            size: facts.size,
        }
    }
}

async fn list(settings: &Settings, mut after: Position, args: ListArgs) -> anyhow::Result<ExitCode> {
    let store = open_store(settings, Mode::ReadOnly).await?;
    let mut listed = Vec::new();
    while listed.len() < args.limit() {
        let page = quarantine::list(&*store, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.event.position;
        listed.extend(page.into_iter().map(Listed::from));
    }
    args.print(
        listed,
        ["position", "recorded at", "reason", "name", "detail"],
        |found| {
            let reason = serde_json::to_value(found.reason).ok();
            [
                found.position.to_string(),
                found.recorded_at.clone(),
                reason
                    .and_then(|reason| reason.as_str().map(str::to_owned))
                    .unwrap_or_default(),
                found.name.clone().unwrap_or_else(|| "-".to_owned()),
                found.detail.clone(),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn replay_all(core: &Core, facts: &AccessFacts) -> anyhow::Result<usize> {
    let (mut after, mut unusable) = (Position(0), 0);
    let until = core.store.head().await?.position;
    loop {
        let page = quarantine::list(&*core.store, after, PAGE).await?;
        let positions: Vec<Position> = page.iter().map(|found| found.event.position).collect();
        let positions = positions.into_iter().filter(|position| *position <= until);
        let positions: Vec<Position> = positions.collect();
        let Some(last) = positions.last() else {
            return Ok(unusable);
        };
        after = *last;
        unusable += replay(core, positions.into_iter(), facts).await?;
    }
}

/// Returns how many are still unusable.
async fn replay(core: &Core, positions: impl Iterator<Item = Position>, facts: &AccessFacts) -> anyhow::Result<usize> {
    let reader = Reader::new(Arc::clone(&core.store), Arc::clone(&core.vault));
    let mut unusable = 0;
    for position in positions {
        let ingest = |source: &str| core.ingests.get(source);
        let replayed = quarantine::replay(&*core.store, &reader, ingest, position, facts).await;
        let replayed = replayed.with_context(|| format!("cannot replay position {position}"))?;
        let (result, now_at, detail) = match &replayed {
            Replayed::Recorded(now_at) => ("recorded", Some(*now_at), None),
            Replayed::AlreadyThere(now_at) => ("alreadyThere", Some(*now_at), None),
            Replayed::Unusable(detail) => ("unusable", None, Some(detail.as_str())),
            Replayed::Erased => ("erased", None, None),
        };
        unusable += usize::from(now_at.is_none());
        output::print_line(&Line {
            position,
            result,
            now_at,
            detail,
        })?;
    }
    Ok(unusable)
}

/// The result of replaying a webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'d> {
    position: Position,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    now_at: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'d str>,
}
