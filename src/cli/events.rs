//! `warmledger events`

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use aggregates::{EventId, OrderEvent, Position, Source, StreamId, SubjectId};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{interrupt, output};
use crate::{
    clock::rfc3339_micros,
    settings::Settings,
    store::{EventQuery, Store, StoredEvent},
};

/// The arguments of `warmledger events`.
#[derive(Args)]
#[command(after_help = "\
Prints JSON Lines in the ledger's order. Secrets and personal data are never shown.

Examples:
  warmledger events list --limit 10
  warmledger events show 42
  warmledger events tail --follow | jq .type")]
pub struct EventsArgs {
    /// What to read.
    #[command(subcommand)]
    pub command: EventsCommand,
}

/// What to read.
#[derive(Subcommand)]
pub enum EventsCommand {
    /// Print events in order, from the first
    #[command(after_help = "\
Examples:
  warmledger events list --after 1000 --limit 100
  warmledger events list --stream order-WR3N4JEW3D76N6KGRQSG36SSHBXK")]
    List {
        /// Start after this position
        #[arg(long, value_name = "POSITION", default_value_t = 0)]
        after: u64,
        /// Stop after this many events [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Only events of this type
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Only events of this stream
        #[arg(long, value_name = "STREAM")]
        stream: Option<String>,
    },
    /// Print one event
    #[command(after_help = "Example:\n  warmledger events show 42 | jq .facts")]
    Show {
        /// The event's position in the ledger, from 1
        #[arg(value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
        position: u64,
    },
    /// Print the newest events
    #[command(after_help = "Examples:\n  warmledger events tail --lines 50\n  warmledger events tail --follow")]
    Tail {
        /// How many of the newest events to begin with
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        lines: u64,
        /// Go on with events as they are recorded, until interrupted
        #[arg(long, short)]
        follow: bool,
    },
}

/// Events read from the store at once.
const PAGE: u32 = 500;
/// How often a follower asks for more.
const POLL: Duration = Duration::from_millis(250);

/// Prints events.
///
/// # Errors
/// If the store can't be reached, or there is no event at the position.
pub async fn run(args: EventsArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let stream = match &args.command {
        EventsCommand::List { stream: Some(text), .. } => {
            Some(StreamId::parse(text).map_err(|error| anyhow!("--stream {error}"))?)
        }
        _ => None,
    };
    let stop = interrupt::token()?;
    let store = super::open_store(&settings).await?;
    match args.command {
        EventsCommand::Show { position } => show(&*store, Position(position)).await?,
        EventsCommand::List {
            after,
            limit,
            event_type,
            stream: _,
        } => {
            let query = EventQuery {
                after: Position(after),
                type_name: event_type,
                stream,
                ..EventQuery::default()
            };
            list(&*store, query, limit.unwrap_or(u64::MAX), &stop).await?;
        }
        EventsCommand::Tail { lines, follow } => {
            let head = store.head().await?.position.0;
            let after = Position(head.saturating_sub(lines));
            let query = EventQuery {
                after,
                ..EventQuery::default()
            };
            let printed = list(&*store, query, lines, &stop).await?;
            if follow && printed.read {
                let after = printed.last.unwrap_or(after);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = output::reader_gone() => {}
                    followed = follow_from(&*store, after, &stop) => followed?,
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How a listing ended.
struct Printed {
    /// The last event printed.
    last: Option<Position>,
    /// Whether anybody still reads.
    read: bool,
}

/// Prints what the query finds, at most `limit` events.
async fn list(
    store: &dyn Store,
    mut query: EventQuery,
    limit: u64,
    stop: &CancellationToken,
) -> anyhow::Result<Printed> {
    let mut left = limit;
    let mut printed = Printed { last: None, read: true };
    while left > 0 && !stop.is_cancelled() {
        query.limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let events = store.events(&query).await?;
        for event in &events {
            printed.read = output::print_line(&Line::new(event)?)?;
            if !printed.read {
                return Ok(printed);
            }
            query.after = event.position;
            printed.last = Some(event.position);
        }
        left = left.saturating_sub(events.len() as u64);
        if events.len() < query.limit as usize {
            break;
        }
    }
    if let (None, Some(name)) = (printed.last, &query.type_name) {
        hint_at_types(name);
    }
    Ok(printed)
}

/// Nothing found may be the truth, or a misspelt type.
fn hint_at_types(name: &str) {
    let known = || OrderEvent::EVENT_TYPES.iter().map(|(known, _)| *known);
    if !known().any(|known| known == name) {
        eprintln!(
            "note: this version writes no events of type {name:?}; it writes {}",
            known().collect::<Vec<_>>().join(", ")
        );
    }
}

/// Prints events as they are recorded. A store that is away for a while is waited for.
async fn follow_from(store: &dyn Store, after: Position, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut query = EventQuery {
        after,
        limit: PAGE,
        ..EventQuery::default()
    };
    while !stop.is_cancelled() {
        let events = match store.events(&query).await {
            Ok(events) => events,
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "waiting for the store");
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        for event in &events {
            if !output::print_line(&Line::new(event)?)? {
                return Ok(());
            }
            query.after = event.position;
        }
        if events.len() < PAGE as usize {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

async fn show(store: &dyn Store, position: Position) -> anyhow::Result<()> {
    let Some(event) = store.events_at(&[position]).await?.pop() else {
        let head = store.head().await?.position;
        anyhow::bail!("there is no event at position {position}; the newest is at {head}");
    };
    let mut line = Line::new(&event)?;
    line.leaf_hash = event.leaf_hash.map(hex::encode);
    let sections = [
        ("personal", &event.sealed.personal),
        ("secrets", &event.sealed.secrets),
        ("original", &event.sealed.original),
    ];
    let sealed = sections.into_iter().filter_map(|(name, section)| {
        section.as_ref().map(|section| {
            let size = SealedSize {
                bytes: section.as_bytes().len(),
                sha256: hex::encode(section.sha256()),
            };
            (name, size)
        })
    });
    line.sealed = Some(sealed.collect());
    output::print_line(&line)?;
    Ok(())
}

/// An event as it is printed. What is sealed stays sealed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'e> {
    position: Position,
    stream: &'e StreamId,
    version: u32,
    source: &'e Source,
    event_id: &'e EventId,
    #[serde(rename = "type")]
    type_name: &'e str,
    schema_version: u32,
    recorded_at: String,
    subject: &'e SubjectId,
    facts: &'e RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<BTreeMap<&'static str, SealedSize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
}

/// What can be said of a sealed section without a key.
#[derive(Serialize)]
struct SealedSize {
    bytes: usize,
    sha256: String,
}

impl<'e> Line<'e> {
    fn new(event: &'e StoredEvent) -> anyhow::Result<Self> {
        let facts = serde_json::from_str(&event.facts)
            .with_context(|| format!("the facts of the event at position {} are not JSON", event.position))?;
        Ok(Self {
            position: event.position,
            stream: &event.stream,
            version: event.version,
            source: &event.source,
            event_id: &event.event_id,
            type_name: &event.type_name,
            schema_version: event.schema_version,
            recorded_at: rfc3339_micros(event.recorded_at),
            subject: &event.subject,
            facts,
            sealed: None,
            leaf_hash: None,
        })
    }
}
