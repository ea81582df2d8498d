//! A miniature ledger: routes each webhook to its stream, lets the real aggregate complete it, and numbers it.

use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aggregates::{EventId, Order, OrderCommand, OrderEvent, Position, Recorded, StreamId};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use projections::testing::Delivery;

/// Streams and references, as in the service.
#[derive(Default)]
pub(crate) struct Ledger {
    streams: HashMap<StreamId, (u32, Order)>,
    /// Subscription, domain or mailbox (by the stream where its events would wait) → the order's stream.
    references: HashMap<StreamId, StreamId>,
}

impl Ledger {
    /// Records the webhooks in this order.
    pub(crate) fn record(deliveries: Vec<Delivery>) -> Vec<Recorded> {
        let mut ledger = Self::default();
        let positions = (1..).map(Position);
        deliveries
            .into_iter()
            .zip(positions)
            .map(|(delivery, position)| ledger.append(delivery, position))
            .collect()
    }

    fn append(&mut self, delivery: Delivery, position: Position) -> Recorded {
        let mut recorded = delivery.at(position);
        let stream = self.route(&recorded);
        let (version, order) = self.streams.entry(stream.clone()).or_default();
        let claim = recorded.order().unwrap().clone();
        recorded.event = decide(order, claim).into();
        *version += 1;
        recorded.version = *version;
        recorded.stream = stream.clone();
        if let Some((subscription, domain)) = recorded.order().and_then(OrderEvent::opens) {
            let subscription = subscription.map(StreamId::subscription);
            for name in subscription.into_iter().chain(domain.map(StreamId::domain)) {
                self.references.entry(name).or_insert_with(|| stream.clone());
            }
        }
        if let Some(OrderEvent::MailboxesAssigned(facts)) = recorded.order() {
            for domain in facts.domains.iter() {
                let subscription = domain.subscription_id.as_ref().map(StreamId::subscription);
                let mailboxes = domain
                    .mailboxes
                    .iter()
                    .filter_map(|mailbox| mailbox.mailbox_id.as_ref());
                let names = [StreamId::domain(&domain.domain)]
                    .into_iter()
                    .chain(subscription)
                    .chain(mailboxes.map(StreamId::mailbox));
                for name in names {
                    self.references.entry(name).or_insert_with(|| stream.clone());
                }
            }
        }
        recorded
    }

    /// The stream of a webhook: its order's, found by its references, else the one where it waits.
    fn route(&self, recorded: &Recorded) -> StreamId {
        let by_reference = |names: Vec<StreamId>| {
            let known = names.iter().find_map(|name| self.references.get(name)).cloned();
            known.or_else(|| names.into_iter().next())
        };
        let names = match recorded.order().unwrap() {
            OrderEvent::WebhookQuarantined(_) => {
                return StreamId::quarantine(&EventId::quarantine(recorded.event_id.as_str()));
            }
            event if event.order_id().is_some() => return StreamId::order(event.order_id().unwrap()),
            OrderEvent::MailboxUpdated(facts) => return StreamId::mailbox(&facts.mailbox_id),
            event if event.as_mailbox().is_some() => return StreamId::mailbox(&event.as_mailbox().unwrap().mailbox_id),
            event if event.names_domain().is_some() => vec![StreamId::domain(event.names_domain().unwrap())],
            OrderEvent::MailboxCreated(facts) => {
                let subscription = facts.subscription_id.as_ref().map(StreamId::subscription);
                let domain = facts.domain.as_ref().map(StreamId::domain);
                let mailbox = StreamId::mailbox(&facts.mailbox_id);
                subscription.into_iter().chain(domain).chain([mailbox]).collect()
            }
            OrderEvent::WebhookUnrecognised(facts) => {
                let subscription = facts.subscription_id.as_ref().map(StreamId::subscription);
                let domain = facts.domain.as_ref().map(StreamId::domain);
                let mailbox = facts.mailbox_id.as_ref().map(StreamId::mailbox);
                subscription.into_iter().chain(domain).chain(mailbox).collect()
            }
            event => {
                let facts = event.as_subscription().unwrap();
                let domain = facts.domain.as_ref().map(StreamId::domain);
                let subscription = StreamId::subscription(&facts.subscription_id);
                std::iter::once(subscription).chain(domain).collect()
            }
        };
        by_reference(names).unwrap_or_else(|| StreamId::webhook(&recorded.event_id))
    }
}

/// The order's event for a claim. Its decision awaits nothing, so one poll completes it.
fn decide(order: &mut Order, claim: OrderEvent) -> OrderEvent {
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the aggregate waits for something"),
        }
    }
    let sink = EventSink::default();
    now(order.handle(OrderCommand::RecordWebhook { claim }, &(), &sink)).unwrap();
    now(sink.collect()).pop().unwrap()
}
