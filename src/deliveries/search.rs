//! Finds deliveries. The list is written after the answers, in batches, and for a bounded time only; the ledger is complete.
//! So a search for a thing also answers events of that thing that lack a listed delivery: those recorded from a file, by an
//! earlier version, just before a crash, or longer ago than deliveries are listed.

use std::collections::BTreeSet;

use aggregates::{Domain, EventId, OrderEvent, OrderId, Position, Source, StreamId};
use jiff::Timestamp;

use projections::Projection;
use projections::failures::{Failure, Failures};
use store::{
    About, Condition, Delivery, DeliveryOutcome, DeliveryQuery, Lookup, RowQuery, SortOrder, Store, StoreError,
    StoredEvent,
};

/// Deliveries read at once.
const PAGE: u32 = 1_000;
/// Deliveries of one thing that are read at most, the newest first.
const MOST: usize = 10_000;
/// Positions asked for at once.
const POSITIONS: usize = 1_000;

/// Which deliveries are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of the webhook with this event id.
    pub event_id: Option<EventId>,
    /// About this order.
    pub order_id: Option<OrderId>,
    /// About this domain.
    pub domain: Option<Domain>,
    /// Of this source.
    pub source: Option<Source>,
    /// With one of these outcomes; any if there are none.
    pub outcomes: Vec<DeliveryOutcome>,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// A delivery, or an event without a listed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDelivery {
    /// The delivery's number; none if it is not listed.
    pub id: Option<u64>,
    /// When it was answered; if it is not listed, when its event was recorded.
    pub at: Timestamp,
    /// The source.
    pub source: Source,
    /// Where it came from, if that is known.
    pub address: Option<String>,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// Why it was refused.
    pub cause: Option<String>,
    /// The HTTP status of the answer, if it is known.
    pub status: Option<u16>,
    /// The request id of the answer, if it is known.
    pub request_id: Option<String>,
    /// Its event id, or the one that it claims.
    pub event_id: Option<EventId>,
    /// The position of its event.
    pub position: Option<Position>,
}

impl FoundDelivery {
    /// Its place in the order of a list, newest first: greater is earlier in the list.
    pub fn place(&self) -> (Timestamp, u64) {
        (
            self.at,
            self.id.or(self.position.map(|position| position.0)).unwrap_or_default(),
        )
    }
}

impl From<Delivery> for FoundDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: Some(delivery.id),
            at: delivery.at,
            source: delivery.source,
            address: Some(delivery.address),
            outcome: delivery.outcome,
            cause: delivery.cause,
            status: Some(delivery.status),
            request_id: Some(delivery.request_id),
            event_id: delivery.event_id,
            position: delivery.position,
        }
    }
}

impl From<StoredEvent> for FoundDelivery {
    fn from(event: StoredEvent) -> Self {
        Self {
            id: None,
            at: event.recorded_at,
            outcome: match event.type_name.as_str() {
                "WebhookQuarantined" => DeliveryOutcome::Quarantined,
                "WebhookUnrecognised" => DeliveryOutcome::Unrecognised,
                _ => DeliveryOutcome::Recorded,
            },
            source: event.source,
            address: None,
            cause: None,
            status: None,
            request_id: None,
            event_id: Some(event.event_id),
            position: Some(event.position),
        }
    }
}

/// Deliveries, newest first (the last listed first), at most `limit` after a place in that order. `sources` are those whose webhooks an event id
/// may belong to.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &dyn Store,
    sources: &[Source],
    filter: &Filter,
    after: Option<(Timestamp, u64)>,
    limit: u32,
) -> Result<Vec<FoundDelivery>, StoreError> {
    if filter.event_id.is_none() && filter.order_id.is_none() && filter.domain.is_none() {
        let query = DeliveryQuery {
            about: None,
            source: filter.source.clone(),
            outcomes: filter.outcomes.clone(),
            from: filter.from,
            to: filter.to,
            before: after.map(|(_, id)| id),
            limit,
        };
        let found = store.deliveries(&query).await?;
        return Ok(found.into_iter().map(FoundDelivery::from).collect());
    }
    let events = events(store, sources, filter).await?;
    let mut found = listed(store, filter, &events).await?;
    let seen: BTreeSet<Position> = found.iter().filter_map(|delivery| delivery.position).collect();
    let unlisted = events.into_iter().filter(|event| !seen.contains(&event.position));
    found.extend(unlisted.map(FoundDelivery::from));
    found.retain(|delivery| filter.passes(delivery) && after.is_none_or(|after| delivery.place() < after));
    found.sort_by_key(|delivery| std::cmp::Reverse(delivery.place()));
    found.truncate(limit as usize);
    Ok(found)
}

impl Filter {
    fn passes(&self, delivery: &FoundDelivery) -> bool {
        self.source.as_ref().is_none_or(|source| *source == delivery.source)
            && (self.outcomes.is_empty() || self.outcomes.contains(&delivery.outcome))
            && self.from.is_none_or(|from| delivery.at >= from)
            && self.to.is_none_or(|to| delivery.at < to)
    }

    /// Whether an event is about all that the filter names, but for its id.
    fn is_about(&self, event: &StoredEvent, order: &OrderEvent) -> bool {
        let of_order = |id: &OrderId| event.stream == StreamId::order(id) || order.order_id() == Some(id);
        self.order_id.as_ref().is_none_or(of_order)
            && self
                .domain
                .as_ref()
                .is_none_or(|domain| order.domains().contains(&domain))
            && self.event_id.as_ref().is_none_or(|id| *id == event.event_id)
    }
}

/// The events that the filter's thing is about, without sealed sections.
async fn events(store: &dyn Store, sources: &[Source], filter: &Filter) -> Result<Vec<StoredEvent>, StoreError> {
    let mut streams: BTreeSet<StreamId> = BTreeSet::new();
    if let Some(id) = &filter.event_id {
        let lookup = Lookup {
            events: sources.iter().map(|source| (source.clone(), id.clone())).collect(),
            ..Lookup::default()
        };
        let found = store.lookup(&lookup).await?.events;
        streams.extend(found.into_iter().map(|(_, _, _, stream)| stream));
    } else if let Some(order) = &filter.order_id {
        streams.insert(StreamId::order(order));
    } else if let Some(domain) = &filter.domain {
        streams.insert(StreamId::domain(domain));
        streams.extend(
            runner::orders_of_domain(store, domain)
                .await?
                .iter()
                .map(StreamId::order),
        );
        streams.extend(failed(store, domain).await?);
    }
    let streams: Vec<StreamId> = streams.into_iter().collect();
    let mut events = Vec::new();
    for event in store.streams(&streams).await? {
        let recorded = event.to_recorded()?;
        if event.source != Source::own() && recorded.order().is_some_and(|order| filter.is_about(&event, order)) {
            events.push(event);
        }
    }
    // the newest
    let surplus = events.len().saturating_sub(MOST);
    Ok(events.split_off(surplus))
}

/// The streams of orders that the domain failed for: a failure leaves no reference.
async fn failed(store: &dyn Store, domain: &Domain) -> Result<Vec<StreamId>, StoreError> {
    let query = RowQuery {
        projection: Failures::NAME,
        columns: Failures::COLUMNS,
        conditions: vec![Condition::equal("domain", domain.as_str())],
        either: Vec::new(),
        order: SortOrder {
            column: "position",
            descending: true,
        },
        after: None,
        limit: PAGE,
        generations: Vec::new(),
    };
    let mut streams = Vec::new();
    for row in store.rows(&query).await? {
        let failure: Option<Failure> = projections::document::read(&row.document)
            .map_err(|error| StoreError::Corrupt(format!("a row of {}: {error}", Failures::NAME)))?;
        let order = failure.and_then(|failure| failure.order_id);
        streams.extend(order.as_ref().map(StreamId::order));
    }
    Ok(streams)
}

/// The listed deliveries of these events, and those without an event that claim to be about the thing.
async fn listed(store: &dyn Store, filter: &Filter, events: &[StoredEvent]) -> Result<Vec<FoundDelivery>, StoreError> {
    let positions: Vec<Position> = events.iter().map(|event| event.position).collect();
    let mut parts: Vec<&[Position]> = positions.chunks(POSITIONS).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let mut found: Vec<FoundDelivery> = Vec::new();
    for (first, part) in (0..).zip(parts) {
        // what is claimed is asked for once
        let claimed = first == 0;
        let about = About {
            positions: part.to_vec(),
            event_id: filter.event_id.clone().filter(|_| claimed),
            order_id: filter.order_id.clone().filter(|_| claimed && filter.event_id.is_none()),
            domain: filter
                .domain
                .clone()
                .filter(|_| claimed && filter.event_id.is_none() && filter.order_id.is_none()),
        };
        let mut query = DeliveryQuery {
            about: Some(about),
            limit: PAGE,
            ..DeliveryQuery::default()
        };
        while found.len() < MOST {
            let page = store.deliveries(&query).await?;
            let last = page.last().map(|last| last.id);
            let full = page.len() == PAGE as usize;
            found.extend(page.into_iter().map(FoundDelivery::from));
            match last.filter(|_| full) {
                Some(last) => query.before = Some(last),
                None => break,
            }
        }
    }
    let mut ids = BTreeSet::new();
    found.retain(|delivery| ids.insert(delivery.id));
    Ok(found)
}
