//! Which stream a webhook belongs to.

use aggregates::{Domain, OrderEvent, StreamId, SubscriptionId};

use super::Incoming;
use store::Reference;

/// The keys that find the stream of a webhook without an order id.
pub(super) struct CorrelationKeys<'a> {
    pub(super) subscription: Option<&'a SubscriptionId>,
    pub(super) domain: Option<&'a Domain>,
}

impl CorrelationKeys<'_> {
    /// Its references, the most reliable first.
    pub(super) fn references(&self) -> impl Iterator<Item = Reference> {
        let subscription = self.subscription.map(Reference::subscription);
        let domains = self.domain.into_iter().flat_map(Reference::domain_spellings);
        subscription.into_iter().chain(domains)
    }
}

/// The stream of a webhook.
pub(super) enum Route<'a> {
    /// This stream.
    Known(StreamId),
    /// The stream that its references lead to; the given one if they lead nowhere.
    ByKeys(CorrelationKeys<'a>, StreamId),
}

/// Routes a webhook: by its order id if it has one, else by subscription or domain; a webhook whose order is not known
/// yet waits in a stream of its own kind.
pub(super) fn route(incoming: &Incoming) -> Route<'_> {
    if let Some(order) = incoming.claim.order_id() {
        return Route::Known(StreamId::order(order));
    }
    if let Some(facts) = incoming.claim.as_subscription() {
        let correlation = CorrelationKeys {
            subscription: Some(&facts.subscription_id),
            domain: facts.domain.as_ref(),
        };
        return Route::ByKeys(correlation, StreamId::subscription(&facts.subscription_id));
    }
    if let Some(domain) = incoming.claim.names_domain() {
        let correlation = CorrelationKeys {
            subscription: None,
            domain: Some(domain),
        };
        return Route::ByKeys(correlation, StreamId::domain(domain));
    }
    if let OrderEvent::MailboxUpdated(facts) = &incoming.claim {
        // it has no other key, and readers of a mailbox look here
        return Route::Known(StreamId::mailbox(&facts.mailbox_id));
    }
    if let Some(facts) = incoming.claim.as_mailbox() {
        return Route::Known(StreamId::mailbox(&facts.mailbox_id));
    }
    if let OrderEvent::MailboxCreated(facts) = &incoming.claim {
        let waiting = match (&facts.subscription_id, &facts.domain) {
            (Some(id), _) => StreamId::subscription(id),
            (None, Some(name)) => StreamId::domain(name),
            (None, None) => return Route::Known(StreamId::mailbox(&facts.mailbox_id)),
        };
        let correlation = CorrelationKeys {
            subscription: facts.subscription_id.as_ref(),
            domain: facts.domain.as_ref(),
        };
        return Route::ByKeys(correlation, waiting);
    }
    if let OrderEvent::WebhookUnrecognised(facts) = &incoming.claim {
        let waiting = match (&facts.subscription_id, &facts.domain, &facts.mailbox_id) {
            (Some(id), _, _) => StreamId::subscription(id),
            (None, Some(name), _) => StreamId::domain(name),
            (None, None, Some(id)) => StreamId::mailbox(id),
            (None, None, None) => return Route::Known(StreamId::webhook(&incoming.event_id)),
        };
        let correlation = CorrelationKeys {
            subscription: facts.subscription_id.as_ref(),
            domain: facts.domain.as_ref(),
        };
        return Route::ByKeys(correlation, waiting);
    }
    Route::Known(StreamId::quarantine(&incoming.event_id))
}
