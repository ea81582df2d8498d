//! Reading the whole log, and checks that every log has to pass.

use std::collections::{HashMap, HashSet};

use aggregates::{EventId, Position, Recorded, Source, StreamId, SubjectId};
use projections::AnyProjection;
use tokio_util::sync::CancellationToken;
use warmledger::ledger::leaf::Envelope;
use warmledger::runner;
use warmledger::sealing::{FingerprintKey, MasterKeyId, Sealed, WRAPPED_KEY};
use warmledger::store::{Append, Batch, EventQuery, NewEvent, Parts, Reference, SealedSections, Store, StoredEvent};
use warmledger::tlog::Growth;

/// Every event, with its sealed sections.
pub async fn all_events(store: &dyn Store) -> Vec<StoredEvent> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let query = EventQuery {
            after: events.last().map(|event| event.position).unwrap_or_default(),
            limit: 1_000,
            parts: Parts::All,
            ..EventQuery::default()
        };
        let page = store.events(&query).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Reads the whole log and checks it: positions 1, 2, 3, …; versions 1, 2, 3, … in each stream; times never decrease;
/// event ids are unique; every leaf hash is that of its event; the tree is that of the leaf hashes.
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
    let mut growth = Growth::default();
    let leaves = events.iter().filter_map(|event| event.leaf_hash);
    leaves.for_each(|leaf| growth.push(leaf));
    let tree = store.tree().await.unwrap();
    assert_eq!(&tree.frontier, growth.frontier(), "the tree is not that of the events");
    for level in 1..=2 {
        let nodes = growth.nodes().iter().filter(|node| node.level == level);
        let stored = store.tree_hashes(level, 0..u64::MAX).await.unwrap();
        assert_eq!(
            nodes.map(|node| node.hash).collect::<Vec<_>>(),
            stored,
            "nodes of level {level}"
        );
    }
    let head = tree.head;
    assert_eq!(head.position.0, events.len() as u64);
    assert_eq!(
        Some(head.recorded_at).filter(|_| !events.is_empty()),
        events.last().map(|event| event.recorded_at)
    );
    events
}

/// The position of each event id.
pub fn positions(events: &[StoredEvent]) -> HashMap<EventId, Position> {
    events
        .iter()
        .map(|event| (event.event_id.clone(), event.position))
        .collect()
}

/// Checks that every projection's live rows equal those of a rebuild.
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

/// An event as the ledger would append it, but without sealed sections.
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
        emails: Vec::new(),
    }
}

/// The growth of the stored tree by these events.
pub async fn grown(store: &dyn Store, events: &[NewEvent]) -> Growth {
    let mut growth = Growth::on(store.tree().await.unwrap().frontier);
    events.iter().for_each(|event| growth.push(event.leaf_hash));
    growth
}

/// Appends this many small events straight to the store, four to a stream, with leaf hashes as the ledger would.
pub async fn fill_with_leaves(store: &dyn Store, count: u64) {
    fill_with_names(store, count, |n| format!("event {n}")).await;
}

/// The same, with a chosen name in the facts of each event.
pub async fn fill_with_names(store: &dyn Store, count: u64, name: impl Fn(u64) -> String) {
    let recorded_at: jiff::Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    // a millisecond per event, so that times distinguish events
    let at = |last: u64| recorded_at + jiff::SignedDuration::from_millis(i64::try_from(last).unwrap());
    fill_at(store, count, name, at).await;
}

/// The same; `at` gives the time of a batch by its last position.
pub async fn fill_at(store: &dyn Store, count: u64, name: impl Fn(u64) -> String, at: impl Fn(u64) -> jiff::Timestamp) {
    let end = store.head().await.unwrap().position.0 + count;
    // it is never unwrapped, but it has to name the master key
    let master = store
        .first_master_key(MasterKeyId::of_wrapped(&[7; 8]).unwrap())
        .await
        .unwrap();
    let mut wrapped = master.as_bytes().to_vec();
    wrapped.resize(WRAPPED_KEY, 0);
    store.reserved_key(&FingerprintKey::subject(), &wrapped).await.unwrap();
    loop {
        let head = store.head().await.unwrap();
        let positions: Vec<u64> = (head.position.0 + 1..=end).take(1_000).collect();
        let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
            return;
        };
        let recorded_at = at(*last);
        let sealed = |kind: &str, n: u64| Some(Sealed::from_bytes(format!("{kind} {n}").into_bytes()));
        let event = |n: u64| {
            let stream = StreamId::parse(&format!("test-{}", n.div_ceil(4))).unwrap();
            let mut event = NewEvent {
                subject: SubjectId::stream(&stream),
                stream,
                version: u32::try_from((n - 1) % 4 + 1).unwrap(),
                source: Source::parse("test").unwrap(),
                event_id: EventId::try_from(format!("E{n}")).unwrap(),
                type_name: "WebhookUnrecognised",
                schema_version: 1,
                facts: format!(r#"{{"name":"{}"}}"#, name(n)),
                sealed: SealedSections {
                    personal: sealed("personal", n),
                    secrets: sealed("secrets", n),
                    original: sealed("original", n),
                },
                leaf_hash: [0; 32],
                references: Vec::new(),
                emails: Vec::new(),
            };
            event.leaf_hash = Envelope::of_new(&event, Position(n), recorded_at).leaf_hash().unwrap();
            event
        };
        let events: Vec<NewEvent> = (*first..=*last).map(event).collect();
        let new = events.iter().filter(|event| event.version == 1);
        let keys: Vec<_> = new.map(|event| (event.subject.clone(), wrapped.clone())).collect();
        let batch = Batch {
            expected: head,
            recorded_at,
            events: &events,
            keys: &keys,
            tree: &grown(store, &events).await,
        };
        assert_eq!(store.append(&batch).await.unwrap(), Append::Done);
    }
}
