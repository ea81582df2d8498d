//! Access events (what a person or process did with the ledger), made ready for recording. They have no sealed
//! sections, so they need no key.

use std::sync::Arc;

use aggregates::{AccessEvent, EventError, EventId, Position, Source, SubjectId};
use jiff::Timestamp;

use super::RecordError;
use super::leaf::Envelope;
use super::tree;
use store::clock;
use store::{Append, Batch, Lookup, NewEvent, SealedSections, Store, StoreError};
use tlog::Growth;

/// How often an append is tried while other processes append first.
const ATTEMPTS: usize = 64;

/// An access event with an id of its own: however often it is tried, it is recorded once.
pub(super) struct AccessEntry {
    pub(super) event_id: EventId,
    event: AccessEvent,
    facts: String,
}

impl AccessEntry {
    /// An entry under a new random id.
    pub(super) fn new(event: AccessEvent) -> Result<Self, EventError> {
        Self::named(EventId::access(rand::random()), event)
    }

    /// An entry under a given id.
    pub(super) fn named(event_id: EventId, event: AccessEvent) -> Result<Self, EventError> {
        let facts = event.to_facts()?;
        Ok(Self { event_id, event, facts })
    }

    /// The subject whose data key is destroyed by recording it, if it is an erasure.
    pub(super) fn erases(&self) -> Option<&SubjectId> {
        erased_by(&self.event)
    }

    /// The event, to be appended at this position.
    pub(super) fn at(&self, position: Position, recorded_at: Timestamp) -> Result<NewEvent, EventError> {
        let stream = AccessEvent::stream(&self.event_id);
        let mut event = NewEvent {
            version: 1,
            source: Source::own(),
            event_id: self.event_id.clone(),
            type_name: self.event.type_name(),
            schema_version: self.event.schema_version(),
            subject: self.event.subject(&stream),
            facts: self.facts.clone(),
            sealed: SealedSections::default(),
            leaf_hash: [0; 32],
            references: Vec::new(),
            emails: Vec::new(),
            stream,
        };
        event.leaf_hash = Envelope::of_new(&event, position, recorded_at).leaf_hash()?;
        Ok(event)
    }
}

/// The subject whose data key is destroyed by recording the event, if it is an erasure.
pub(super) fn erased_by(event: &AccessEvent) -> Option<&SubjectId> {
    match event {
        AccessEvent::SubjectErased(facts) => facts.subject.as_ref(),
        _ => None,
    }
}

/// Records an access event without a writer: for commands beside a running service. Needs no key, and returns the
/// position once the event is durable.
///
/// # Errors
/// [`RecordError::Contended`] if other processes appended first at every attempt, or [`RecordError::Store`]: then the
/// event may be recorded all the same, if the store's answer was lost.
pub async fn record_access(store: &dyn Store, event: AccessEvent) -> Result<Position, RecordError> {
    record_access_as(store, EventId::access(rand::random()), event).await
}

/// As [`record_access`], under a given id. Writes nothing if that id is recorded already.
///
/// # Errors
/// As [`record_access`].
pub async fn record_access_as(
    store: &dyn Store,
    event_id: EventId,
    event: AccessEvent,
) -> Result<Position, RecordError> {
    let unavailable = |error: StoreError| RecordError::Store(Arc::new(error));
    let unwritable = |error: EventError| RecordError::Event(Arc::new(error));
    let entry = AccessEntry::named(event_id, event).map_err(unwritable)?;
    // a tree that lags behind its log is built before the append lock is taken, which others wait for
    tree::caught_up(store).await.map_err(unavailable)?;
    for _ in 0..ATTEMPTS {
        let lock = store.append_lock(Position(0), 0).await.map_err(unavailable)?;
        let (head, frontier) = tree::caught_up(store).await.map_err(unavailable)?;
        let position = Position(head.position.0 + 1);
        let recorded_at = clock::stamp(clock::now(), head.recorded_at);
        let events = [entry.at(position, recorded_at).map_err(unwritable)?];
        let mut growth = Growth::on(frontier);
        events.iter().for_each(|event| growth.push(event.leaf_hash));
        let batch = Batch {
            tree: &growth,
            expected: head,
            recorded_at,
            events: &events,
            keys: &[],
        };
        let appended = match lock {
            Some((lock, _)) => lock.append(&batch).await,
            None => store.append(&batch).await,
        };
        match appended.map_err(unavailable)? {
            Append::Done => return Ok(position),
            Append::LostRace => {}
            Append::Conflict => {
                // the id was made for this event, so an event that has it is ours
                let lookup = Lookup {
                    events: vec![(Source::own(), entry.event_id.clone())],
                    ..Lookup::default()
                };
                let found = store.lookup(&lookup).await.map_err(unavailable)?.events;
                if let Some((_, _, position, _)) = found.into_iter().next() {
                    return Ok(position);
                }
            }
        }
    }
    Err(RecordError::Contended)
}
