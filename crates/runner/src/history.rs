//! The events that touch a row, read by stream or index where possible.

use std::collections::BTreeSet;

use aggregates::{Domain, OrderEvent, OrderId, Position, Recorded, StreamId};
use projections::{AnyProjection, Origin};

use super::RunError;
use store::{EventQuery, Lookup, Reference, Store, StoreError, StoredEvent};

/// Events read at once if the whole log has to be read.
const PAGE: u32 = 5_000;

/// The events that touch a row up to a position, in their order.
///
/// # Errors
/// [`RunError`] if the store fails.
pub async fn history(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: &str,
    until: Position,
) -> Result<Vec<Recorded>, RunError> {
    let touched = |stored: StoredEvent| -> Result<Option<Recorded>, StoreError> {
        let event = stored.to_recorded()?;
        let touches = event.position <= until && projection.keys(&event).iter().any(|touched| touched == key);
        Ok(touches.then_some(event))
    };
    let mut events = Vec::new();
    let streams = match projection.origin(key) {
        None => Vec::new(),
        Some(Origin::Log) => {
            let mut after = Position(0);
            while after < until {
                let page = store
                    .events(&EventQuery {
                        after,
                        limit: PAGE,
                        ..EventQuery::default()
                    })
                    .await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                for stored in page {
                    events.extend(touched(stored)?);
                }
            }
            return Ok(events);
        }
        Some(Origin::Order(id)) => vec![StreamId::order(&id)],
        Some(Origin::Subscription(id)) => {
            let mut streams = referenced(store, Reference::subscription(&id)).await?;
            let waiting = StreamId::subscription(&id);
            if !streams.contains(&waiting) {
                streams.push(waiting);
            }
            streams
        }
        Some(Origin::Domain(name)) => of_domain(store, &name).await?,
        Some(Origin::Event(source, id)) => {
            let lookup = Lookup {
                events: vec![(source, id)],
                ..Lookup::default()
            };
            store
                .lookup(&lookup)
                .await?
                .events
                .into_iter()
                .map(|(_, _, _, stream)| stream)
                .collect()
        }
    };
    for stored in store.streams(&streams).await? {
        events.extend(touched(stored)?);
    }
    Ok(events)
}

/// The orders whose streams have events that name a domain.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn orders_of_domain(store: &dyn Store, domain: &Domain) -> Result<Vec<OrderId>, StoreError> {
    let streams = of_domain(store, domain).await?;
    Ok(streams.iter().filter_map(StreamId::as_order).collect())
}

/// The domains that got mailboxes in an order, by all events of its stream.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn domains_of_order(store: &dyn Store, order: &OrderId) -> Result<BTreeSet<Domain>, StoreError> {
    domains_in(store, &[StreamId::order(order)]).await
}

/// The domains that got mailboxes in the streams with a reference.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn domains_by(store: &dyn Store, reference: Reference) -> Result<BTreeSet<Domain>, StoreError> {
    domains_in(store, &referenced(store, reference).await?).await
}

async fn domains_in(store: &dyn Store, streams: &[StreamId]) -> Result<BTreeSet<Domain>, StoreError> {
    let mut domains = BTreeSet::new();
    for stored in store.streams(streams).await? {
        match stored.to_recorded()?.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => {
                domains.extend(facts.domains.iter().map(|assigned| assigned.domain.clone()));
            }
            Some(OrderEvent::MailboxCreated(facts)) => domains.extend(facts.domain.clone()),
            _ => {}
        }
    }
    Ok(domains)
}

/// The streams with events that name a domain.
pub(super) async fn of_domain(store: &dyn Store, name: &Domain) -> Result<Vec<StreamId>, StoreError> {
    let mut streams = Vec::new();
    for reference in Reference::domain_spellings(name) {
        streams.extend(referenced(store, reference).await?);
    }
    streams.extend(StreamId::of_domain(name));
    streams.sort_unstable();
    streams.dedup();
    Ok(streams)
}

pub(super) async fn referenced(store: &dyn Store, reference: Reference) -> Result<Vec<StreamId>, StoreError> {
    let found = store
        .lookup(&Lookup {
            references: vec![reference],
            ..Lookup::default()
        })
        .await?;
    let mut streams: Vec<StreamId> = found.references.into_iter().map(|(_, stream)| stream).collect();
    streams.sort_unstable();
    streams.dedup();
    Ok(streams)
}
