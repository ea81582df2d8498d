//! `warmledger events`

mod evidence;
mod reprocess;

use std::{collections::BTreeMap, fmt::Display, path::PathBuf, process::ExitCode, time::Duration};

use aggregates::{Event, EventId, Position, Source, StreamId, SubjectId};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{deliveries, interrupt, output};
use crate::deliveries::FoundDelivery;
use crate::{
    access::{Caller, Read, Reason},
    feed,
    service::open_store,
    settings::Settings,
};
use store::clock::rfc3339_micros;
use store::{EventFilter, Lookup, Mode, Store, StoreError, StoredEvent};

/// The arguments of `warmledger events`.
#[derive(Args)]
#[command(after_help = "\
Prints JSON Lines in the ledger's order. Secrets and personal data are never shown. That events were read is recorded, once
for each command.

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
  warmledger events list --stream order-WR3N4JEW3D76N6KGRQSG36SSHBXK
  warmledger events list --category subscription --type SubscriptionRenewed")]
    List {
        /// Start after this position
        #[arg(long, value_name = "POSITION", default_value_t = 0, value_parser = output::position)]
        after: u64,
        /// Stop after this many events [default: all]
        #[arg(long, short = 'n', value_name = "N", value_parser = output::number)]
        limit: Option<u64>,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Print one event: by its position, or by the id that the provider gave it
    #[command(after_help = "\
Whether a webhook arrived: the provider's event id finds it. Exit code 2 if it is not recorded.

Examples:
  warmledger events show 42 | jq .facts
  warmledger events show 6SSHBXWQ3N3JEKHRQ763KW3D7SUB")]
    Show {
        /// The event's position in the ledger, from 1; or its id
        #[arg(value_name = "POSITION|EVENT_ID")]
        event: String,
        /// It is an id, though it is made of digits
        #[arg(long)]
        id: bool,
    },
    /// Open the exact webhook that an event was made of, and check its signature again
    #[command(after_help = "\
Shows what is otherwise never shown: the body holds whatever the sender put there, credentials included. It is recorded,
with the reason, before anything is printed. --out writes the exact bytes to a new file of mode 0600; without it, only
what was found is printed.

Examples:
  warmledger events evidence 42 --reason 'dispute 2026-9'
  warmledger events evidence 42 --reason 'dispute 2026-9' --out webhook-42.json")]
    Evidence {
        /// The event's position in the ledger, from 1
        #[arg(value_name = "POSITION", value_parser = output::position_of_an_event)]
        position: u64,
        /// Why, in at least 10 characters; recorded
        #[arg(long, value_name = "REASON")]
        reason: Reason,
        /// Write the body to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Give recorded webhooks of a kind that was unknown the events that this version knows
    #[command(after_help = "\
A webhook of an unknown kind is kept as it came. Once a version knows the kind, it gets a new event, whose id is
reprocessed-POSITION; nothing is rewritten, and it happens once. Prints a JSON line for each. Exit code 1 if one of them
cannot be used.

Examples:
  warmledger events reprocess --all --dry-run
  warmledger events reprocess --type domain.grace_period,domain.expired --reason 'after the update'")]
    Reprocess {
        /// The name that the provider gives the kind; several are separated by commas
        #[arg(
            long = "type",
            value_name = "NAME",
            value_delimiter = ',',
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        names: Vec<String>,
        /// All unrecognised webhooks
        #[arg(long)]
        all: bool,
        /// Only print what would become of them
        #[arg(long)]
        dry_run: bool,
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
    },
    /// Print the newest events
    #[command(
        after_help = "Examples:\n  warmledger events tail --limit 50\n  warmledger events tail --follow --type AssignmentFailed"
    )]
    Tail {
        /// How many of the newest events to begin with; of these, those that pass are printed
        #[arg(long, short = 'n', alias = "lines", value_name = "N", default_value_t = 10, value_parser = output::number)]
        limit: u64,
        #[command(flatten)]
        filter: FilterArgs,
        /// Go on with events as they are recorded, until interrupted
        #[arg(long, short)]
        follow: bool,
    },
}

/// The position of an event by its id, whichever of the configured sources sent it.
async fn of_id(store: &dyn Store, settings: &Settings, id: EventId) -> anyhow::Result<Position> {
    let mut sources = deliveries::sources(settings);
    sources.push(Source::own());
    let lookup = Lookup {
        events: sources.into_iter().map(|source| (source, id.clone())).collect(),
        ..Lookup::default()
    };
    let found = store.lookup(&lookup).await?.events;
    let first = found.into_iter().map(|(_, _, position, _)| position).min();
    if let Some(first) = first {
        return Ok(first);
    }
    let not_recorded = format!("no event {id} of a configured source is recorded");
    let last = deliveries::of_event(store, settings, id).await?.into_iter().next();
    Err(match last {
        Some(FoundDelivery {
            at,
            address,
            cause: Some(cause),
            ..
        }) => anyhow!(
            "{not_recorded}; a webhook that claims this id came at {at} from {} and was refused ({cause}): see `warmledger deliveries \
             list` and `warmledger refused list`",
            address.unwrap_or_default()
        ),
        Some(FoundDelivery {
            position: Some(position),
            ..
        }) => anyhow!("{not_recorded}; a webhook that claims this id is quarantined at position {position}"),
        _ => anyhow!(
            "{not_recorded}, and no delivery of one is listed: if the provider says that it was sent, it did not arrive, or was refused \
             without a body that could be read"
        ),
    })
}

/// Which events pass: the same as for `/api/v1/events`.
#[derive(Args)]
pub struct FilterArgs {
    /// Only events of this type, or of these, separated by commas
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Only events of streams of this category, the part of the name before the first -, e.g. order
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Only events of this stream
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// Only events that are about this user
    #[arg(long, value_name = "USER_ID")]
    subject: Option<String>,
}

impl FilterArgs {
    fn read(self) -> anyhow::Result<EventFilter> {
        fn one<T: TryFrom<String, Error: Display>>(flag: &str, text: Option<String>) -> anyhow::Result<Option<T>> {
            let read = text.map(T::try_from).transpose();
            read.map_err(|error| anyhow!("{flag} {error}"))
        }
        Ok(EventFilter {
            types: self.types,
            category: one("--category", self.category)?,
            stream: one("--stream", self.stream)?,
            subject: one("--subject", self.subject)?,
        })
    }
}

/// Events per read.
const PAGE: u32 = 500;
/// How often `--follow` polls for more.
const POLL: Duration = Duration::from_millis(250);

/// Prints events.
///
/// # Errors
/// If the store can't be reached, or there is no event at the position.
pub async fn run(args: EventsArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let stop = interrupt::token()?;
    match args.command {
        EventsCommand::Show { event, id } => {
            let is_id = id || !event.bytes().all(|byte| byte.is_ascii_digit());
            let position = match is_id {
                true => None,
                false => Some(output::position_of_an_event(&event).map_err(|error| anyhow!(error))?),
            };
            let id = EventId::parse(&event).map_err(|error| anyhow!("an event's id {error}"))?;
            let store = open_store(&settings, Mode::ReadOnly).await?;
            let position = match position {
                Some(position) => Position(position),
                None => of_id(&*store, &settings, id).await?,
            };
            recorded(&*store, Position(position.0 - 1)).await;
            show(&*store, position).await?;
        }
        EventsCommand::Evidence { position, reason, out } => {
            evidence::run(&settings, Position(position), reason, out.as_deref()).await?;
        }
        EventsCommand::Reprocess {
            names,
            all: _,
            dry_run,
            reason,
        } => return reprocess::run(&settings, &names, dry_run, reason).await,
        EventsCommand::List { after, limit, filter } => {
            let filter = filter.read()?;
            let store = open_store(&settings, Mode::ReadOnly).await?;
            let head = store.head().await?.position;
            recorded(&*store, Position(after)).await;
            let mut reader = EventReader::new(&*store, filter, Position(after));
            reader.print(head, limit.unwrap_or(u64::MAX), &stop).await?;
            reader.hint_at_types();
        }
        EventsCommand::Tail { limit, filter, follow } => {
            let filter = filter.read()?;
            let store = open_store(&settings, Mode::ReadOnly).await?;
            let head = store.head().await?.position;
            let after = Position(head.0.saturating_sub(limit));
            recorded(&*store, after).await;
            let mut reader = EventReader::new(&*store, filter, after);
            let read = reader.print(head, u64::MAX, &stop).await?;
            reader.hint_at_types();
            if follow && read {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = output::reader_gone() => {}
                    followed = reader.follow(&stop) => followed?,
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Records that events after a position are read. A caller who can run this can read the database directly, so a ledger
/// that takes no events, such as a read-only copy, is read all the same.
async fn recorded(store: &dyn Store, after: Position) {
    let event = Read::Feed(after).event(Caller::cli().facts());
    let what = "that events were read";
    if let Err(error) = super::record_reading(store, event, what).await {
        eprintln!("warning: {what} could not be recorded in the ledger: {error}");
    }
}

/// Prints the events that match, from a position on.
struct EventReader<'s> {
    store: &'s dyn Store,
    filter: EventFilter,
    after: Position,
    printed: u64,
}

impl<'s> EventReader<'s> {
    fn new(store: &'s dyn Store, filter: EventFilter, after: Position) -> Self {
        Self {
            store,
            filter,
            after,
            printed: 0,
        }
    }

    /// Prints events up to a position, at most `limit`. Returns whether stdout still has a reader.
    async fn print(&mut self, until: Position, limit: u64, stop: &CancellationToken) -> anyhow::Result<bool> {
        let mut left = limit;
        while left > 0 && self.after < until && !stop.is_cancelled() {
            let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
            let page = feed::page(self.store, &self.filter, self.after, until, limit).await?;
            for event in &page.events {
                if !output::print_line(&Line::new(event)?)? {
                    return Ok(false);
                }
                self.printed += 1;
            }
            left = left.saturating_sub(page.events.len() as u64);
            self.after = page.position;
        }
        Ok(true)
    }

    /// Prints events as they are recorded. Retries while the store is unavailable.
    async fn follow(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            match self.print_new(stop).await {
                Ok(true) => tokio::time::sleep(POLL).await,
                Ok(false) => return Ok(()),
                Err(error) => match error.downcast_ref::<StoreError>() {
                    Some(away) if away.is_transient() => {
                        tracing::warn!(%error, "waiting for the store");
                        tokio::time::sleep(POLL).await;
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    async fn print_new(&mut self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let head = self.store.head().await?.position;
        self.print(head, u64::MAX, stop).await
    }

    /// Warns about unknown types: an empty result may be due to a misspelt one.
    fn hint_at_types(&self) {
        let known = Event::type_names;
        let unknown = self
            .filter
            .types
            .iter()
            .find(|name| !known().any(|known| known == **name));
        if let (0, Some(name)) = (self.printed, unknown) {
            eprintln!(
                "note: this version writes no events of type {name:?}; it writes {}",
                known().collect::<Vec<_>>().join(", ")
            );
        }
    }
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

/// An event as it is printed. Sealed sections stay sealed.
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

/// The size and hash of a sealed section, which need no key.
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
