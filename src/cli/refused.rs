//! `warmledger refused`

use std::process::ExitCode;

use aggregates::{AccessFacts, EventId, Position};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::CHECK_FAILED;
use super::output::{self, ListArgs};
use crate::access::{Caller, Reason};
use crate::service::{Core, open_store};
use crate::settings::Settings;
use ledger::refused::{RefusedError, Replayed, replay};
use secret::data_dir::SecretFile;
use store::clock::rfc3339_micros;
use store::{KeptRefused, Mode, Store};

/// The arguments of `warmledger refused`.
#[derive(Args)]
#[command(after_help = "\
A webhook whose signature was wrong or stale, or whose content type was wrong, is refused, and kept aside for a while, sealed
and outside of the ledger (settings refused_keep and refused_max_bytes). Once the right key, scheme or freshness window is
configured, it can be taken in.

Examples:
  warmledger refused list
  warmledger refused replay --all --reason 'the provider rotated its key'")]
pub struct RefusedArgs {
    /// What to do with refused webhooks.
    #[command(subcommand)]
    pub command: RefusedCommand,
}

/// What to do with refused webhooks.
#[derive(Subcommand)]
pub enum RefusedCommand {
    /// Print the refused webhooks that are kept, oldest first, with the cause of each
    #[command(after_help = "\
The scheme is the one under which the signature would have matched a key of that time, if there is one.

Examples:
  warmledger refused list
  warmledger refused list --json | jq -r '.[] | [.id, .cause, .scheme] | @tsv'")]
    List(ListArgs),
    /// Check refused webhooks against today's keys, as of when they came; those that pass are recorded
    #[command(after_help = "\
Prints a JSON line for each. One that passes is recorded as if it came now, and is no longer kept. Exit code 1 if one of those
named is still refused; with --all that is no failure. Works beside a running service.

Examples:
  warmledger refused replay 0f3c52a1b7d94e6c8a1b2c3d4e5f6071
  warmledger refused replay --all")]
    Replay {
        /// Which
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all", value_parser = id)]
        ids: Vec<EventId>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Of all, only those from this source
        #[arg(long, value_name = "SOURCE", requires = "all")]
        source: Option<String>,
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
    },
}

/// Webhooks per read.
const PAGE: u32 = 500;

/// Lists or replays refused webhooks.
///
/// # Errors
/// If the store can't be reached, or no webhook of a name is kept.
pub async fn run(args: RefusedArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    match args.command {
        RefusedCommand::List(list) => {
            let store = open_store(&settings, Mode::ReadOnly).await?;
            print(list, kept(&*store, list.limit()).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        RefusedCommand::Replay {
            ids,
            all,
            source,
            reason,
        } => {
            let file = SecretFile::WebhookKey.path(&settings.data_dir);
            if settings.webhook_key.is_none() && !file.exists() {
                bail!(
                    "there is no webhook key to check with: give this command the key that the service has, by WARMLEDGER_WEBHOOK_KEY or \
                     in {}",
                    file.display()
                );
            }
            let core = Core::open(&settings, Mode::Existing).await?;
            let facts = AccessFacts {
                reason: reason.map(String::from),
                ..Caller::cli().facts()
            };
            let replayed = match all {
                true => replay_all(&core, source.as_deref(), &facts).await,
                false => replay_each(&core, &ids, false, &facts).await,
            };
            core.close().await;
            match replayed? {
                refused if refused > 0 && !all => Ok(ExitCode::from(CHECK_FAILED)),
                _ => Ok(ExitCode::SUCCESS),
            }
        }
    }
}

async fn kept(store: &dyn Store, limit: usize) -> anyhow::Result<Vec<KeptRefused>> {
    let mut kept: Vec<KeptRefused> = Vec::new();
    while kept.len() < limit {
        let after = kept.last().map(|last| (last.refused.at, last.refused.id.clone()));
        let page = store.refused(after.as_ref().map(|(at, id)| (*at, id)), PAGE).await?;
        let full = page.len() == PAGE as usize;
        kept.extend(page);
        if !full {
            break;
        }
    }
    Ok(kept)
}

async fn replay_all(core: &Core, source: Option<&str>, facts: &AccessFacts) -> anyhow::Result<usize> {
    let kept = kept(&*core.store, usize::MAX).await?;
    let wanted = kept.into_iter().map(|kept| kept.refused);
    let wanted = wanted.filter(|refused| source.is_none_or(|source| refused.source.as_str() == source));
    let ids: Vec<EventId> = wanted.map(|refused| refused.id).collect();
    if ids.is_empty() {
        match source {
            Some(source) => eprintln!("no refused webhook of the source {source} is kept"),
            None => eprintln!("no refused webhook is kept"),
        }
    }
    replay_each(core, &ids, true, facts).await
}

/// Returns how many are still refused.
async fn replay_each(core: &Core, ids: &[EventId], all: bool, facts: &AccessFacts) -> anyhow::Result<usize> {
    let mut refused = 0;
    for id in ids {
        let ingest = |source: &str| core.ingests.get(source);
        let replayed = replay(&*core.store, &core.vault, ingest, id, facts).await;
        if all && matches!(replayed, Err(RefusedError::Unknown(_))) {
            // another call took it in, or it has just become too old
            continue;
        }
        let replayed = replayed.with_context(|| format!("cannot replay {id}"))?;
        let (result, position, detail) = match &replayed {
            Replayed::Recorded(position) => ("recorded", Some(*position), None),
            Replayed::Quarantined(position) => ("quarantined", Some(*position), None),
            Replayed::AlreadyThere(position) => ("alreadyThere", Some(*position), None),
            Replayed::Refused(detail) => ("refused", None, Some(detail.as_str())),
        };
        refused += usize::from(position.is_none());
        output::print_line(&Line {
            id,
            result,
            position,
            detail,
        })?;
    }
    Ok(refused)
}

/// The result of replaying a webhook.
#[derive(Serialize)]
struct Line<'l> {
    id: &'l EventId,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'l str>,
}

/// A refused webhook as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    at: String,
    source: String,
    address: String,
    known_sender: bool,
    cause: String,
    scheme: Option<String>,
    event_id: Option<String>,
    size: u64,
}

fn print(list: ListArgs, kept: Vec<KeptRefused>) -> anyhow::Result<()> {
    let listed = kept.into_iter().map(|KeptRefused { refused, known, size }| Listed {
        id: refused.id.into(),
        at: rfc3339_micros(refused.at),
        source: refused.source.into(),
        address: refused.address,
        known_sender: known,
        cause: refused.cause,
        scheme: refused.scheme,
        event_id: refused.event_id.map(String::from),
        size,
    });
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let heading = ["id", "at", "source", "address", "cause", "scheme", "claimed event"];
    list.print(listed.collect(), heading, |kept| {
        [
            kept.id.clone(),
            kept.at.clone(),
            kept.source.clone(),
            kept.address.clone(),
            kept.cause.clone(),
            or_dash(&kept.scheme),
            or_dash(&kept.event_id),
        ]
    })
}

fn id(text: &str) -> Result<EventId, String> {
    EventId::parse(text).map_err(|error| error.to_string())
}
