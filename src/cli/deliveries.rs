//! `warmledger deliveries`

use std::process::ExitCode;

use aggregates::{Domain, EventId, OrderId, Position, Source};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{self, ListArgs};
use crate::deliveries::{Filter, FoundDelivery, find};
use crate::http::range_of_words;
use crate::service::{MAIN_SOURCE, open_store};
use crate::settings::Settings;
use store::clock::rfc3339_micros;
use store::{DeliveryOutcome, Mode, Store};

/// The arguments of `warmledger deliveries`.
#[derive(Args)]
#[command(after_help = "\
A running service lists each webhook that it answers, within a second, for as long as the setting deliveries_keep says. Of
an order, a domain or an event id, events that lack a listed delivery are shown too.

Examples:
  warmledger deliveries list --event-id 6SSHBXWR3N4JEKGRQSG3KW3D76N6
  warmledger deliveries list --outcome refused,quarantined --from 2026-03-01
  warmledger deliveries show 4711")]
pub struct DeliveriesArgs {
    /// What to do with deliveries.
    #[command(subcommand)]
    pub command: DeliveriesCommand,
}

/// What to do with deliveries.
#[derive(Subcommand)]
pub enum DeliveriesCommand {
    /// Print deliveries, newest first: when, from where, what became of them
    #[command(after_help = "\
Examples:
  warmledger deliveries list --domain example.com
  warmledger deliveries list --order-id WR3N4JEW3D76N6KGRQSG36SSHBXK --json
  warmledger deliveries list --outcome refused -n 20")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Print one delivery as JSON, by its number or its event id
    #[command(
        after_help = "Examples:\n  warmledger deliveries show 4711\n  warmledger deliveries show 6SSHBXWR3N4JEKGRQSG3KW3D76N6"
    )]
    Show {
        /// The delivery's number, or the sender's id of the event, of which all deliveries are printed
        #[arg(value_name = "NUMBER|EVENT_ID")]
        delivery: String,
        /// It is an event id, though it looks like a number
        #[arg(long)]
        id: bool,
    },
}

/// Which deliveries.
#[derive(Args)]
pub struct FilterArgs {
    /// Of the webhook with this event id
    #[arg(long, value_name = "EVENT_ID", value_parser = event_id)]
    event_id: Option<EventId>,
    /// About this order
    #[arg(long, value_name = "ORDER_ID", value_parser = order_id)]
    order_id: Option<OrderId>,
    /// About this domain
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    domain: Option<Domain>,
    /// From this source
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    source: Option<Source>,
    /// With this outcome, or these, separated by commas: recorded, duplicate, quarantined, unrecognised, refused
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = outcome)]
    outcome: Vec<DeliveryOutcome>,
    /// From then on: an RFC 3339 time, a day, today, -7d, or hours from now, e.g. -24h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Up to then: of a time, only what is before it; of a day, the whole day
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// The time zone of the days, e.g. Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
}

/// Deliveries per read.
const PAGE: u32 = 500;

/// Lists or shows deliveries.
///
/// # Errors
/// If the store can't be reached, or there is no such delivery.
pub async fn run(args: DeliveriesArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let store = open_store(&settings, Mode::ReadOnly).await?;
    match args.command {
        DeliveriesCommand::List { filter, list } => {
            let range = range_of_words(filter.from, filter.to, filter.tz);
            let (from, to) = range.map_err(|problem| anyhow!("--{problem}"))?;
            let filter = Filter {
                event_id: filter.event_id,
                order_id: filter.order_id,
                domain: filter.domain,
                source: filter.source,
                outcomes: filter.outcome,
                from,
                to,
            };
            let found = all(&*store, &settings, &filter, list.limit()).await?;
            print(list, found)?;
        }
        DeliveriesCommand::Show { delivery, id } => {
            let number = delivery.parse::<u64>().ok().filter(|_| !id);
            let found = match number {
                Some(number) => store
                    .delivery(number)
                    .await?
                    .map(FoundDelivery::from)
                    .into_iter()
                    .collect(),
                None => {
                    let event_id = EventId::parse(&delivery).map_err(|error| anyhow!("an event's id {error}"))?;
                    of_event(&*store, &settings, event_id).await?
                }
            };
            if found.is_empty() {
                return Err(anyhow!(
                    "no delivery {delivery} is listed, and no event of this id is recorded"
                ));
            }
            for found in found {
                output::print_json(&Line::from(found))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All deliveries of the webhook with an event id, newest first.
pub(super) async fn of_event(
    store: &dyn Store,
    settings: &Settings,
    id: EventId,
) -> anyhow::Result<Vec<FoundDelivery>> {
    let filter = Filter {
        event_id: Some(id),
        ..Filter::default()
    };
    all(store, settings, &filter, usize::MAX).await
}

/// The sources whose webhooks an event id may belong to.
pub(super) fn sources(settings: &Settings) -> Vec<Source> {
    let mut sources: Vec<Source> = settings.sources.keys().cloned().collect();
    sources.extend(Source::parse(MAIN_SOURCE));
    sources
}

async fn all(
    store: &dyn Store,
    settings: &Settings,
    filter: &Filter,
    limit: usize,
) -> anyhow::Result<Vec<FoundDelivery>> {
    let sources = sources(settings);
    let mut found: Vec<FoundDelivery> = Vec::new();
    while found.len() < limit {
        let after = found.last().map(FoundDelivery::place);
        let page = find(store, &sources, filter, after, PAGE).await?;
        let full = page.len() == PAGE as usize;
        found.extend(page);
        if !full {
            break;
        }
    }
    Ok(found)
}

fn print(list: ListArgs, found: Vec<FoundDelivery>) -> anyhow::Result<()> {
    let lines: Vec<Line> = found.into_iter().map(Line::from).collect();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let heading = [
        "number", "at", "outcome", "status", "cause", "address", "event", "position",
    ];
    list.print(lines, heading, |line| {
        [
            or_dash(line.id.map(|id| id.to_string())),
            line.at.clone(),
            line.outcome.as_str().to_owned(),
            or_dash(line.status.map(|status| status.to_string())),
            or_dash(line.cause.clone()),
            or_dash(line.address.clone()),
            or_dash(line.event_id.as_ref().map(ToString::to_string)),
            or_dash(line.position.map(|position| position.to_string())),
        ]
    })
}

/// A delivery as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: Option<u64>,
    at: String,
    source: Source,
    address: Option<String>,
    outcome: DeliveryOutcome,
    cause: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    event_id: Option<EventId>,
    position: Option<Position>,
}

impl From<FoundDelivery> for Line {
    fn from(found: FoundDelivery) -> Self {
        Self {
            id: found.id,
            at: rfc3339_micros(found.at),
            source: found.source,
            address: found.address,
            outcome: found.outcome,
            cause: found.cause,
            status: found.status,
            request_id: found.request_id,
            event_id: found.event_id,
            position: found.position,
        }
    }
}

fn event_id(text: &str) -> Result<EventId, String> {
    EventId::parse(text).map_err(|error| error.to_string())
}

fn order_id(text: &str) -> Result<OrderId, String> {
    OrderId::parse(text).map_err(|error| error.to_string())
}

fn domain(text: &str) -> Result<Domain, String> {
    Domain::normalise(text).map_err(|error| error.to_string())
}

fn source(text: &str) -> Result<Source, String> {
    Source::parse(text).map_err(|error| error.to_string())
}

fn outcome(text: &str) -> Result<DeliveryOutcome, String> {
    let known = DeliveryOutcome::ALL.map(DeliveryOutcome::as_str).join(", ");
    DeliveryOutcome::of(text)
        .with_context(|| format!("has to be one of {known}"))
        .map_err(|error| error.to_string())
}
