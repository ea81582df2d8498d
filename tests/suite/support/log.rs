//! Reading the whole log, and what has to be true of every log.

use std::collections::{HashMap, HashSet};

use aggregates::{EventId, Position, Recorded, Source, StreamId};
use projections::AnyProjection;
use tokio_util::sync::CancellationToken;
use warmledger::ledger::leaf::Envelope;
use warmledger::runner;
use warmledger::store::{EventQuery, NewEvent, Reference, SealedSections, Store, StoredEvent};

/// Every event, with its sealed sections.
pub async fn all_events(store: &dyn Store) -> Vec<StoredEvent> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let query = EventQuery {
            after: events.last().map(|event| event.position).unwrap_or_default(),
            limit: 1_000,
            sealed: true,
            ..EventQuery::default()
        };
        let page = store.events(&query).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Reads the whole log and checks what is promised of it: positions 1, 2, 3, …; versions 1, 2, 3, … in each stream; time
/// never runs back; an event id stands once; every leaf hash is that of its event.
pub async fn sound_log(store: &dyn Store) -> Vec<StoredEvent> {
    let events = all_events(store).await;
    let mut versions: HashMap<&StreamId, u32> = HashMap::new();
    let mut ids: HashSet<(&Source, &EventId)> = HashSet::new();
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event.position, Position(expected), "positions have a gap");
        let version = versions.entry(&event.stream).or_default();
        *version += 1;
        assert_eq!(event.version, *version, "versions of {} have a gap", event.stream);
        assert!(
            ids.insert((&event.source, &event.event_id)),
            "{} stands twice",
            event.event_id
        );
        assert_eq!(
            event.leaf_hash,
            Some(Envelope::of_stored(event).leaf_hash().unwrap()),
            "the leaf hash at {expected} is not that of the event"
        );
    }
    for pair in events.windows(2) {
        assert!(pair[0].recorded_at <= pair[1].recorded_at, "time runs back");
    }
    let head = store.head().await.unwrap();
    assert_eq!(head.position.0, events.len() as u64);
    assert_eq!(
        Some(head.recorded_at).filter(|_| !events.is_empty()),
        events.last().map(|event| event.recorded_at)
    );
    events
}

/// Where each event id stands.
pub fn positions(events: &[StoredEvent]) -> HashMap<EventId, Position> {
    events
        .iter()
        .map(|event| (event.event_id.clone(), event.position))
        .collect()
}

/// Every projection's live rows are those that a rebuild makes.
pub async fn live_equals_rebuilt(store: &dyn Store) {
    for projection in projections::all() {
        let checked = check(store, *projection).await;
        assert_eq!(
            checked.differences.len(),
            0,
            "{}: {:?}",
            projection.name(),
            checked.differences.first()
        );
    }
}

/// Compares one projection's live rows with a rebuild.
pub async fn check(store: &dyn Store, projection: &'static dyn AnyProjection) -> runner::Checked {
    let checked = runner::check(store, projection, |_| {}, &CancellationToken::new()).await;
    checked.unwrap()
}

/// An event as the ledger would append it, but without anything sealed.
pub fn new_event(stream: &str, version: u32, recorded: &Recorded) -> NewEvent {
    NewEvent {
        stream: StreamId::parse(stream).unwrap(),
        version,
        source: recorded.source.clone(),
        event_id: recorded.event_id.clone(),
        type_name: recorded.event.type_name(),
        schema_version: recorded.event.schema_version(),
        subject: recorded.subject.clone(),
        facts: recorded.event.to_facts().unwrap(),
        sealed: SealedSections::default(),
        leaf_hash: [7; 32],
        references: recorded.order().map(Reference::of_event).unwrap_or_default(),
    }
}
