//! Which other subjects are about the same user.
//!
//! An event recorded before its user was known is sealed under a subject of its stream: a renewal before its order was
//! known, an order that named its user only later, a new password of a mailbox, a webhook that could not be used.
//! Erasing the user has to reach those too. Three links lead to them: another event of the stream names the user; the
//! stream is about an order, subscription, domain or mailbox that an event of the user names, also across several such
//! streams; or, if the stream is about none of these, an original names the user, one of their orders, subscriptions
//! and mailboxes, or one of their e-mail addresses (see `named`). There a domain alone is no link: it may be another
//! user's by now, and an erasure cannot be undone.

mod named;

use std::collections::BTreeSet;

use aggregates::{Domain, MailboxId, OrderEvent, OrderId, Position, StreamId, SubjectId, SubscriptionId};

use crate::{OpenError, Reader};
use named::Named;
use store::{EventFilter, EventQuery, Store, StoreError};

/// Subjects, and events of the user, that are read together.
const PAGE: u32 = 500;
/// Events whose sealed sections are read together: each may have up to a megabyte.
const ORIGINALS: usize = 16;

/// What an event can be about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Order(OrderId),
    Subscription(SubscriptionId),
    Domain(Domain),
    Mailbox(MailboxId),
}

/// The things an event is about. A domain that an order did not get is left out: it may be another user's.
fn things(event: &OrderEvent) -> BTreeSet<Thing> {
    let mut things = BTreeSet::new();
    things.extend(event.order_id().cloned().map(Thing::Order));
    let mut add = |subscription: &Option<SubscriptionId>, domain: &Option<Domain>, mailbox: Option<&MailboxId>| {
        things.extend(subscription.clone().map(Thing::Subscription));
        things.extend(domain.clone().map(Thing::Domain));
        things.extend(mailbox.cloned().map(Thing::Mailbox));
    };
    match event {
        OrderEvent::MailboxesAssigned(facts) => {
            for assigned in facts.domains.iter() {
                add(&assigned.subscription_id, &Some(assigned.domain.clone()), None);
                for mailbox in &assigned.mailboxes {
                    add(&None, &None, mailbox.mailbox_id.as_ref());
                }
            }
        }
        OrderEvent::MailboxCreated(facts) => add(&facts.subscription_id, &facts.domain, Some(&facts.mailbox_id)),
        OrderEvent::MailboxUpdated(facts) => add(&None, &None, Some(&facts.mailbox_id)),
        OrderEvent::MailboxOrderAccepted(facts) => add(&facts.subscription_id, &facts.domain, None),
        OrderEvent::MailboxExported(facts)
        | OrderEvent::MailboxWarmupStarted(facts)
        | OrderEvent::MailboxWarmupRemoved(facts) => {
            add(&facts.subscription_id, &facts.domain, Some(&facts.mailbox_id));
            things.extend(facts.order_id.clone().map(Thing::Order));
        }
        OrderEvent::WebhookUnrecognised(facts) => {
            add(&facts.subscription_id, &facts.domain, facts.mailbox_id.as_ref());
        }
        OrderEvent::AssignmentFailed(_)
        | OrderEvent::MailboxOrderFailed(_)
        | OrderEvent::DomainRegistrationFailed(_)
        | OrderEvent::WebhookQuarantined(_) => {}
        other => {
            if let Some(facts) = other.as_subscription() {
                add(&Some(facts.subscription_id.clone()), &facts.domain, None);
            }
            add(&None, &other.names_domain().cloned(), None);
        }
    }
    things
}

/// A stream in which events were recorded while no user was known.
struct Stream {
    subject: SubjectId,
    names_user: bool,
    things: BTreeSet<Thing>,
    positions: Vec<Position>,
}

/// The subjects of streams that are about this user and have a key. Reads the facts of the user's events and of all
/// such streams, which may take seconds for a large ledger.
pub(super) async fn reach(store: &dyn Store, reader: &Reader, user: &SubjectId) -> Result<Vec<SubjectId>, OpenError> {
    let mut unreached = streams(store, user).await?;
    if unreached.is_empty() {
        return Ok(Vec::new());
    }
    let (mut known, mut positions) = things_of(store, user).await?;
    let mut reached = Vec::new();
    loop {
        let about = |stream: &Stream| stream.names_user || !stream.things.is_disjoint(&known);
        let (found, rest): (Vec<Stream>, Vec<Stream>) = unreached.into_iter().partition(about);
        unreached = rest;
        if found.is_empty() {
            break;
        }
        for stream in found {
            known.extend(stream.things);
            positions.extend(stream.positions);
            reached.push(stream.subject);
        }
    }
    unreached.retain(|stream| stream.things.is_empty());
    if unreached.is_empty() {
        return Ok(reached);
    }
    let mut named = Named::new(user);
    for thing in &known {
        match thing {
            Thing::Order(id) => named.add_id(id.as_str()),
            Thing::Subscription(id) => named.add_id(id.as_str()),
            Thing::Mailbox(id) => named.add_id(id.as_str()),
            Thing::Domain(_) => {}
        }
    }
    add_addresses(store, reader, &positions, &mut named).await?;
    for stream in unreached {
        if is_named(store, reader, &stream, &named).await? {
            reached.push(stream.subject);
        }
    }
    Ok(reached)
}

/// All streams with a subject of their own, except the subject to be erased itself.
async fn streams(store: &dyn Store, user: &SubjectId) -> Result<Vec<Stream>, StoreError> {
    let mut streams = Vec::new();
    let mut after = None;
    loop {
        let page = store.stream_subjects(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(streams) };
        after = Some(last.clone());
        let names = page.iter().filter(|subject| *subject != user);
        let names = names.filter_map(|subject| StreamId::parse(subject.as_str().strip_prefix('~')?).ok());
        let names: Vec<StreamId> = names.collect();
        let mut events = store.streams(&names).await?;
        events.sort_by(|a, b| a.stream.as_str().cmp(b.stream.as_str()));
        for events in events.chunk_by(|a, b| a.stream == b.stream) {
            let mut stream = Stream {
                subject: SubjectId::stream(&events[0].stream),
                names_user: false,
                things: BTreeSet::new(),
                positions: Vec::new(),
            };
            for event in events {
                stream.positions.push(event.position);
                let recorded = event.to_recorded()?;
                let Some(event) = recorded.order() else { continue };
                stream.names_user |= event.user_id().map(SubjectId::user).as_ref() == Some(user);
                stream.things.extend(things(event));
            }
            streams.push(stream);
        }
    }
}

/// Everything that the user's events are about, and the positions of those that came from the provider.
async fn things_of(store: &dyn Store, user: &SubjectId) -> Result<(BTreeSet<Thing>, Vec<Position>), StoreError> {
    let (mut known, mut positions) = (BTreeSet::new(), Vec::new());
    let mut query = EventQuery {
        limit: PAGE,
        filter: EventFilter {
            subject: Some(user.clone()),
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    loop {
        let events = store.events(&query).await?;
        for event in &events {
            if let Some(order) = event.to_recorded()?.order() {
                known.extend(things(order));
                positions.push(event.position);
            }
        }
        match events.last() {
            Some(last) if events.len() == PAGE as usize => query.after = last.position,
            _ => return Ok((known, positions)),
        }
    }
}

/// Takes in the e-mail addresses in events, as far as they can still be read.
async fn add_addresses(
    store: &dyn Store,
    reader: &Reader,
    positions: &[Position],
    named: &mut Named,
) -> Result<(), OpenError> {
    for positions in positions.chunks(ORIGINALS) {
        for event in store.events_at(positions).await? {
            if let Some(Some(personal)) = unless_erased(reader.personal(&event).await)? {
                named.add_addresses(personal.expose());
            }
        }
    }
    Ok(())
}

/// Whether an original of the stream names the user or anything of theirs.
async fn is_named(store: &dyn Store, reader: &Reader, stream: &Stream, named: &Named) -> Result<bool, OpenError> {
    for positions in stream.positions.chunks(ORIGINALS) {
        let events = store.events_at(positions).await?;
        for event in events.iter().filter(|event| event.subject == stream.subject) {
            let original = unless_erased(reader.original(event).await)?;
            if original.is_some_and(|original| named.is_in(original.body.expose())) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The opened section; none if it was erased before or meanwhile.
fn unless_erased<T>(opened: Result<T, OpenError>) -> Result<Option<T>, OpenError> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(OpenError::Erased) => Ok(None),
        Err(error) => Err(error),
    }
}
