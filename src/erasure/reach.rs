//! Which other subjects are about the same user.
//!
//! An event that came in while nobody knew whose it was is sealed under a subject of its stream: a renewal before its order
//! was known, an order that named its user only later, a webhook that could not be used. Erasing the user has to reach
//! those too. Three things lead to them, the surest first: another event of the stream names the user; an order of the
//! user knows the subscription or domain that the stream is about; the original names the user.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{Domain, Order, OrderEvent, Position, StreamId, SubjectId, SubscriptionId};
use cqrs_es::Aggregate;

use crate::ledger::{OpenError, Reader};
use crate::store::{Lookup, Reference, Store, StoreError};

/// Subjects that are looked at together.
const PAGE: u32 = 500;
/// Events whose originals are read together: each may be of a megabyte.
const ORIGINALS: usize = 16;

/// What is known of one stream.
#[derive(Default)]
struct Stream {
    names_user: bool,
    subscriptions: BTreeSet<SubscriptionId>,
    domains: BTreeSet<Domain>,
    positions: Vec<Position>,
}

impl Stream {
    fn observe(&mut self, position: Position, event: &OrderEvent, user: &SubjectId) {
        self.positions.push(position);
        let named = event.user_id().map(SubjectId::user);
        self.names_user |= named.as_ref() == Some(user);
        if let Some(facts) = event.as_subscription() {
            self.subscriptions.insert(facts.subscription_id.clone());
            self.domains.extend(facts.domain.clone());
        }
        if let OrderEvent::WebhookUnrecognised(facts) = event {
            self.subscriptions.extend(facts.subscription_id.clone());
            self.domains.extend(facts.domain.clone());
        }
    }

    fn references(&self) -> impl Iterator<Item = Reference> {
        let subscriptions = self.subscriptions.iter().map(Reference::subscription);
        subscriptions.chain(self.domains.iter().map(Reference::domain))
    }

    fn is_known_to(&self, order: &Order) -> bool {
        self.subscriptions.iter().any(|id| order.knows(id)) || self.domains.iter().any(|name| order.has_assigned(name))
    }
}

/// The subjects of streams that are about this user and have a key.
pub(super) async fn reach(store: &dyn Store, reader: &Reader, user: &SubjectId) -> Result<Vec<SubjectId>, OpenError> {
    let mut reached = Vec::new();
    let mut after = None;
    loop {
        let page = store.stream_subjects(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(reached) };
        after = Some(last.clone());
        let page: Vec<SubjectId> = page.into_iter().filter(|subject| subject != user).collect();
        let streams = read(store, &page, user).await?;
        let orders = orders_of(store, &streams, user).await?;
        for (subject, stream) in streams {
            let is_about = stream.names_user
                || orders.iter().any(|order| stream.is_known_to(order))
                || is_named(store, reader, &stream, &subject, user).await?;
            if is_about {
                reached.push(subject);
            }
        }
    }
}

/// The streams that subjects stand for.
async fn read(
    store: &dyn Store,
    subjects: &[SubjectId],
    user: &SubjectId,
) -> Result<BTreeMap<SubjectId, Stream>, StoreError> {
    let named = subjects.iter().filter_map(|subject| {
        let stream = StreamId::parse(subject.as_str().strip_prefix('~')?).ok()?;
        Some((stream, subject.clone()))
    });
    let named: BTreeMap<StreamId, SubjectId> = named.collect();
    let names: Vec<StreamId> = named.keys().cloned().collect();
    let mut streams: BTreeMap<SubjectId, Stream> = BTreeMap::new();
    for event in store.streams(&names).await? {
        let recorded = event.to_recorded()?;
        if let (Some(subject), Some(event)) = (named.get(&recorded.stream), recorded.order()) {
            let stream = streams.entry(subject.clone()).or_default();
            stream.observe(recorded.position, event, user);
        }
    }
    Ok(streams)
}

/// The orders of the user that the streams' references lead to.
async fn orders_of(
    store: &dyn Store,
    streams: &BTreeMap<SubjectId, Stream>,
    user: &SubjectId,
) -> Result<Vec<Order>, StoreError> {
    let references: BTreeSet<Reference> = streams.values().flat_map(Stream::references).collect();
    let lookup = Lookup {
        references: references.into_iter().collect(),
        ..Lookup::default()
    };
    let found = store.lookup(&lookup).await?.references;
    let names: BTreeSet<StreamId> = found.into_iter().map(|(_, stream)| stream).collect();
    let names: Vec<StreamId> = names.into_iter().collect();
    let mut orders: BTreeMap<StreamId, Order> = BTreeMap::new();
    for event in store.streams(&names).await? {
        let recorded = event.to_recorded()?;
        if let Some(event) = recorded.order() {
            orders.entry(recorded.stream.clone()).or_default().apply(event.clone());
        }
    }
    orders.retain(|_, order| order.user_id().map(SubjectId::user).as_ref() == Some(user));
    Ok(orders.into_values().collect())
}

/// Whether an original of the stream names the user.
async fn is_named(
    store: &dyn Store,
    reader: &Reader,
    stream: &Stream,
    subject: &SubjectId,
    user: &SubjectId,
) -> Result<bool, OpenError> {
    let name = serde_json::Value::from(user.as_str()).to_string().into_bytes();
    for positions in stream.positions.chunks(ORIGINALS) {
        for event in store.events_at(positions).await? {
            if event.subject != *subject {
                continue;
            }
            let original = match reader.original(&event).await {
                Ok(original) => original,
                // erased by somebody else meanwhile
                Err(OpenError::Erased) => continue,
                Err(error) => return Err(error),
            };
            let body = original.body.expose();
            if body.windows(name.len()).any(|window| window == name) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
