//! A batch of webhooks becomes a batch of events: finds repeats, loads streams, lets orders decide, seals sections.
//!
//! Layout
//! - `lookup`: asks the store for what the caches lack
//! - `access`: access events
//! - `identity`: repeats, and event ids that are taken
//! - `key`: the data key that seals an event
//!
//! Nothing here changes the writer's cache: a plan that could not be appended is dropped and made anew. A plan may be
//! made while the one before it is in flight; it builds on that one, and is dropped with it.

mod access;
mod identity;
mod key;
mod lookup;

use std::sync::Arc;

use aggregates::{Domain, EventId, Order, OrderCommand, OrderEvent, Position, Source, StreamId, SubjectId};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use jiff::Timestamp;

use identity::Known;

use super::body_hash::BodyHash;
use super::cache::{Cache, RecordedId, StreamState};
use super::leaf::Envelope;
use super::queue::{Pending, Work};
use super::route::{CorrelationKeys, Route, route};
use super::{Incoming, Outcome, Receipt, RecordError};
use sealing::{Context, Packed, Section};
use store::clock;
use store::{Batch, Head, NewEvent, Reference, SealedSections, Store};
use tlog::{Frontier, Growth, Hash};
use vault::{SubjectKey, Vault};

/// Whether ids missing in the caches are taken for new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Yes: the store's unique keys refuse the batch if that was wrong. Right for almost every batch, and saves a
    /// query.
    Optimistic,
    /// No: look them up in the store first.
    LookUpFirst,
}

/// What becomes of one webhook.
pub(super) enum Planned {
    /// It is an event of the plan.
    New(usize),
    /// It repeats an event of the plan.
    RepeatOf(usize),
    /// It was recorded before.
    Known(Receipt),
    /// It cannot be recorded.
    Refused(RecordError),
}

/// A batch ready to be appended, and the changes to the writer's cache once it is.
pub(super) struct Plan {
    /// The head that it is appended behind.
    pub(super) head: Head,
    /// The Merkle tree, grown by the plan's events.
    pub(super) tree: Growth,
    pub(super) events: Vec<NewEvent>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) recorded_at: Timestamp,
    pub(super) planned: Vec<Planned>,
    pub(super) keys: Vec<(SubjectId, Vec<u8>)>,
    new_keys: HashMap<SubjectId, SubjectKey>,
    /// Subjects that the plan erases, and where: their earlier keys must not seal anything any more.
    erased: HashMap<SubjectId, Position>,
    streams: HashMap<StreamId, StreamState>,
    references: HashMap<Reference, StreamId>,
    ids: HashMap<(Source, EventId), Taken>,
}

/// The webhook that has taken an event id.
struct Taken {
    /// Its index in the batch.
    webhook: usize,
    /// Its index in the plan's events.
    event: usize,
    body_hash: BodyHash,
}

pub(super) struct Planner<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) vault: &'a Vault,
    pub(super) cache: &'a mut Cache,
    /// The plan whose append is in flight, on top of which this one is made.
    pub(super) in_flight: Option<&'a Plan>,
    pub(super) mode: Mode,
    /// Event ids found in the store.
    pub(super) recorded: HashMap<(Source, EventId), RecordedId>,
    /// Streams that references lead to, oldest first, found in the store.
    pub(super) found_by_reference: HashMap<Reference, Vec<StreamId>>,
    /// Streams loaded from the store.
    pub(super) loaded: HashMap<StreamId, StreamState>,
    /// Subjects whose key was looked up in the store.
    pub(super) asked: HashSet<SubjectId>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        store: &'a dyn Store,
        vault: &'a Vault,
        cache: &'a mut Cache,
        in_flight: Option<&'a Plan>,
        mode: Mode,
    ) -> Self {
        Self {
            store,
            vault,
            cache,
            in_flight,
            mode,
            recorded: HashMap::new(),
            found_by_reference: HashMap::new(),
            loaded: HashMap::new(),
            asked: HashSet::new(),
        }
    }

    /// Plans the webhooks of a batch that are not planned yet. False if the rest has to wait until the plan in flight is
    /// durable.
    ///
    /// # Errors
    /// [`RecordError`] if the store cannot answer or the vault fails: then nothing of the batch can be recorded.
    pub(super) async fn extend(mut self, plan: &mut Plan, batch: &mut [Pending]) -> Result<bool, RecordError> {
        let planned = plan.planned.len();
        for pending in batch.iter_mut().skip(planned) {
            // an earlier attempt may have quarantined it on outdated state
            if let Work::Webhook(incoming) = &mut pending.work {
                incoming.claim_again();
            }
        }
        self.prefetch(&batch[planned..], plan).await?;
        for index in planned..batch.len() {
            let (before, rest) = batch.split_at_mut(index);
            let Some(pending) = rest.first_mut() else { break };
            let planned = match &mut pending.work {
                Work::Access(entry) => self.access(entry, plan)?,
                Work::Webhook(incoming) => match self.known(incoming, pending.attempted, before, plan).await? {
                    Known::As(planned) => planned,
                    Known::Unsettled => return Ok(false),
                    Known::Not => self.decide(incoming, index, plan).await?,
                },
            };
            plan.planned.push(planned);
        }
        Ok(true)
    }

    /// Lets the order decide and seals the event.
    async fn decide(&mut self, incoming: &Incoming, webhook: usize, plan: &mut Plan) -> Result<Planned, RecordError> {
        let (stream, found_by) = match route(incoming) {
            Route::Known(stream) => (stream, None),
            Route::ByKeys(correlation, waiting) => self.found_or(&correlation, waiting, plan),
        };
        let mut state = self.state(&stream, plan);
        // no reference is needed if the stream can be found without one
        let found_anyway = match (incoming.claim.opens(), incoming.claim.names_domain()) {
            (Some((subscription, domain)), _) => {
                subscription.is_none_or(|id| state.order.knows(id)) && domain.is_none_or(|name| has(&state.order, name))
            }
            (None, Some(domain)) => has(&state.order, domain),
            (None, None) => incoming.claim.as_subscription().is_some_and(|facts| {
                state.order.knows(&facts.subscription_id) || stream == StreamId::subscription(&facts.subscription_id)
            }),
        };
        let sink = EventSink::<Order>::default();
        let command = OrderCommand::RecordWebhook {
            claim: incoming.claim.clone(),
        };
        if let Err(error) = state.order.handle(command, &(), &sink).await {
            return Ok(Planned::Refused(error.into()));
        }
        state.version += 1;
        let [event] = <[OrderEvent; 1]>::try_from(sink.collect().await)
            .map_err(|events| RecordError::Event(Arc::new(count_mismatch(events.len()))))?;

        let user = event.user_id().or(state.order.user_id());
        let subject = user.map_or_else(|| SubjectId::stream(&stream), SubjectId::user);
        let key = self.data_key(&subject, plan).await?;
        // usually the order adds nothing
        let unchanged = event == incoming.claim;
        let facts = if unchanged {
            incoming.facts.clone()
        } else {
            event.to_facts().map_err(|error| RecordError::Event(Arc::new(error)))?
        };
        let schema_version = event.schema_version();
        let seal = |section, packed: &Packed| {
            key.seal(
                &Context {
                    stream: &stream,
                    event_id: &incoming.event_id,
                    section,
                    schema_version,
                },
                packed,
            )
            .map_err(vault)
        };
        let original = if unchanged {
            seal(Section::Original, &incoming.packed.original)?
        } else {
            seal(Section::Original, &incoming.repack(&facts)?)?
        };
        let sealed = SealedSections {
            personal: incoming
                .packed
                .personal
                .as_ref()
                .map(|packed| seal(Section::Personal, packed))
                .transpose()?,
            secrets: incoming
                .packed
                .secrets
                .as_ref()
                .map(|packed| seal(Section::Secrets, packed))
                .transpose()?,
            original: Some(original),
        };

        let index = plan.events.len();
        let references = if found_anyway {
            Vec::new()
        } else {
            Reference::of_event(&event)
        };
        let mut new_event = NewEvent {
            stream: stream.clone(),
            version: state.version,
            source: incoming.source.clone(),
            event_id: incoming.event_id.clone(),
            type_name: event.type_name(),
            schema_version,
            subject,
            facts,
            sealed,
            leaf_hash: [0; 32],
            references,
            emails: if unchanged {
                incoming.emails.clone()
            } else {
                incoming.emails_as(&event, self.vault.fingerprints())
            },
        };
        let position = plan.position(index);
        new_event.leaf_hash = leaf_hash(&new_event, position, plan.recorded_at)?;
        let leading = Reference::leading(&event).into_iter();
        let leading = leading.filter(|reference| new_event.references.contains(reference));
        // a reference that led here will lead here again
        plan.references
            .extend(leading.chain(found_by).map(|reference| (reference, stream.clone())));
        plan.streams.insert(stream, state);
        let taken = Taken {
            webhook,
            event: index,
            body_hash: incoming.body_hash,
        };
        plan.ids
            .insert((incoming.source.clone(), incoming.event_id.clone()), taken);
        plan.push(new_event, outcome_of(&event));
        Ok(Planned::New(index))
    }

    /// The stream that references lead to with the reference that led there, or else the stream where the webhook
    /// waits. A stream found in the lookup of the batch is still found now, since orders only learn: so its waiting
    /// stream need not be loaded.
    fn found_or(
        &self,
        correlation: &CorrelationKeys<'_>,
        waiting: StreamId,
        plan: &Plan,
    ) -> (StreamId, Option<Reference>) {
        match self.order_of(correlation, plan) {
            Some((reference, stream)) => (stream.clone(), Some(reference)),
            None => (waiting, None),
        }
    }

    /// The stream that references lead to, and the reference that did. References are hashes and may collide, so a
    /// stream counts only if its order knows the subscription or domain; of several, the newest counts.
    fn order_of<'s>(&'s self, correlation: &CorrelationKeys<'_>, plan: &'s Plan) -> Option<(Reference, &'s StreamId)> {
        correlation.references().find_map(|reference| {
            let in_flight = self
                .in_flight
                .iter()
                .filter_map(|in_flight| in_flight.references.get(&reference));
            let planned = plan.references.get(&reference).into_iter().chain(in_flight);
            let stored = self.found_by_reference.get(&reference).into_iter().flatten().rev();
            let mut candidates = planned.chain(self.cache.references.get(reference)).chain(stored);
            let found = candidates.find(|candidate| {
                let state = self.known_state(candidate, plan);
                state.is_some_and(|state| knows(&state.order, correlation))
            });
            found.map(|stream| (reference, stream))
        })
    }

    /// A stream's state as of the plan so far; empty for an unknown stream.
    fn state(&mut self, stream: &StreamId, plan: &Plan) -> StreamState {
        if let Some(planned) = self.planned(stream, plan) {
            return planned.clone();
        }
        let known = self.cache.streams.get(stream);
        known.or_else(|| self.loaded.get(stream)).cloned().unwrap_or_default()
    }

    /// A stream's state as of the plan so far, if the stream is known.
    fn known_state<'s>(&'s self, stream: &StreamId, plan: &'s Plan) -> Option<&'s StreamState> {
        let state = self.planned(stream, plan);
        let state = state.or_else(|| self.cache.streams.peek(stream));
        state.or_else(|| self.loaded.get(stream))
    }

    /// A stream's state as of the plans that are not durable yet, if they append to it.
    fn planned<'s>(&'s self, stream: &StreamId, plan: &'s Plan) -> Option<&'s StreamState> {
        let planned = plan.streams.get(stream);
        planned.or_else(|| {
            self.in_flight
                .iter()
                .find_map(|in_flight| in_flight.streams.get(stream))
        })
    }
}

impl Plan {
    /// An empty plan, to be appended behind `head`, where the tree has this frontier.
    pub(super) fn behind(head: Head, frontier: Frontier) -> Self {
        Self {
            head,
            tree: Growth::on(frontier),
            events: Vec::new(),
            outcomes: Vec::new(),
            recorded_at: clock::stamp(clock::now(), head.recorded_at),
            planned: Vec::new(),
            keys: Vec::new(),
            new_keys: HashMap::new(),
            erased: HashMap::new(),
            streams: HashMap::new(),
            references: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// Adds an event after those already planned.
    fn push(&mut self, event: NewEvent, outcome: Outcome) {
        self.tree.push(event.leaf_hash);
        self.events.push(event);
        self.outcomes.push(outcome);
    }

    /// The batch for the store to append.
    pub(super) fn as_batch(&self) -> Batch<'_> {
        Batch {
            expected: self.head,
            recorded_at: self.recorded_at,
            events: &self.events,
            keys: &self.keys,
            tree: &self.tree,
        }
    }

    /// The head after the append.
    pub(super) fn new_head(&self) -> Head {
        match self.events.len() {
            0 => self.head,
            events => Head {
                position: Position(self.head.position.0 + events as u64),
                recorded_at: self.recorded_at,
            },
        }
    }

    /// The position of the plan's event.
    fn position(&self, index: usize) -> Position {
        Position(self.head.position.0 + 1 + index as u64)
    }

    /// The receipt of the plan's event, valid once it is appended.
    pub(super) fn receipt(&self, index: usize) -> Option<Receipt> {
        let (event, outcome) = self.events.get(index).zip(self.outcomes.get(index))?;
        Some(Receipt {
            outcome: *outcome,
            position: self.position(index),
            stream: event.stream.clone(),
        })
    }

    /// Notes each webhook's position, in case the plan was appended and only the answer is lost.
    pub(super) fn attempted(&self, batch: &mut [Pending]) {
        for (pending, planned) in batch.iter_mut().zip(&self.planned) {
            if let Planned::New(index) = planned {
                pending.attempted = self.receipt(*index).map(|receipt| receipt.position);
            }
        }
    }

    /// Updates the caches after the append.
    pub(super) fn remember(mut self, vault: &Vault, cache: &mut Cache) {
        for (id, taken) in std::mem::take(&mut self.ids) {
            if let Some(receipt) = self.receipt(taken.event) {
                let seen = RecordedId {
                    position: receipt.position,
                    stream: receipt.stream,
                    body_hash: Some(taken.body_hash),
                };
                cache.recent.put(id, seen);
            }
        }
        for (stream, state) in self.streams {
            cache.streams.put(stream, state);
        }
        for (reference, stream) in self.references {
            cache.references.put(reference, stream);
        }
        for (subject, position) in self.erased {
            vault.erase(&subject, position);
        }
        for (subject, key) in self.new_keys {
            vault.keyring().insert(subject, key);
        }
    }
}

fn leaf_hash(event: &NewEvent, position: Position, recorded_at: Timestamp) -> Result<Hash, RecordError> {
    let leaf_hash = Envelope::of_new(event, position, recorded_at).leaf_hash();
    leaf_hash.map_err(|error| RecordError::Event(Arc::new(error.into())))
}

fn outcome_of(event: &OrderEvent) -> Outcome {
    if matches!(event, OrderEvent::WebhookQuarantined(_)) {
        Outcome::Quarantined
    } else {
        Outcome::Recorded
    }
}

/// Whether the stream has a reference of the domain: not for sure where an earlier version stored the name in Unicode,
/// since its reference is of that text.
fn has(order: &Order, domain: &Domain) -> bool {
    order.has_assigned(domain) && !domain.is_international()
}

fn knows(order: &Order, correlation: &CorrelationKeys<'_>) -> bool {
    correlation.subscription.is_some_and(|id| order.knows(id))
        || correlation.domain.is_some_and(|name| order.has_assigned(name))
}

fn count_mismatch(found: usize) -> aggregates::EventError {
    use serde::de::Error;
    serde_json::Error::custom(format!("an order made {found} events of one webhook")).into()
}

fn unavailable(error: store::StoreError) -> RecordError {
    RecordError::Store(Arc::new(error))
}

fn vault(error: impl Into<vault::VaultError>) -> RecordError {
    RecordError::Vault(Arc::new(error.into()))
}
