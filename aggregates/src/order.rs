//! The order: the consistency boundary of all the provider's reports about one purchase.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

use crate::{Domain, OrderEvent, OrderId, SubscriptionId, UserId};

/// The commands of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderCommand {
    /// Record an authentic webhook. The claim is the webhook's own content; the order adds what it knows.
    RecordWebhook {
        /// The webhook's content.
        claim: OrderEvent,
    },
}

/// Why an order refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The webhook is about another order than this stream's.
    #[error("the webhook is about order {claimed}, this stream is of order {own}")]
    OtherOrder {
        /// The order that the webhook names.
        claimed: OrderId,
        /// The order of the stream.
        own: OrderId,
    },
}

/// The state needed to record the next webhook: the domain of each subscription.
///
/// The same type is used for streams in which events wait for their order; those simply know less.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    order_id: Option<OrderId>,
    user_id: Option<UserId>,
    /// The domain of each subscription that the order opened.
    subscriptions: BTreeMap<SubscriptionId, Domain>,
    /// Subscriptions known only by way of their domain.
    heard_of: BTreeSet<SubscriptionId>,
    /// The domains that got mailboxes.
    assigned: Vec<Domain>,
}

impl Order {
    /// The order's id, once an event has named it.
    pub fn order_id(&self) -> Option<&OrderId> {
        self.order_id.as_ref()
    }

    /// The user, once an event has named them.
    pub fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }

    /// The domain of the order's subscription.
    pub fn domain_of(&self, subscription: &SubscriptionId) -> Option<&Domain> {
        self.subscriptions.get(subscription)
    }

    /// Whether any event of the order named the subscription.
    pub fn knows(&self, subscription: &SubscriptionId) -> bool {
        self.subscriptions.contains_key(subscription) || self.heard_of.contains(subscription)
    }

    /// Whether the order got mailboxes for the domain.
    pub fn has_assigned(&self, domain: &Domain) -> bool {
        self.assigned.contains(domain)
    }

    fn assign(&mut self, domain: Domain, subscription: Option<SubscriptionId>) {
        if let Some(subscription) = subscription {
            self.subscriptions.insert(subscription, domain.clone());
        }
        if !self.assigned.contains(&domain) {
            self.assigned.push(domain);
        }
    }

    /// Decides the event of a webhook: its claim, completed with what the order knows.
    ///
    /// # Errors
    /// [`OrderError::OtherOrder`] if the claim names another order than this one.
    fn record(&self, mut claim: OrderEvent) -> Result<OrderEvent, OrderError> {
        if let (Some(claimed), Some(own)) = (claim.order_id(), &self.order_id)
            && claimed != own
        {
            return Err(OrderError::OtherOrder {
                claimed: claimed.clone(),
                own: own.clone(),
            });
        }
        if let Some(facts) = claim.as_subscription_mut() {
            if facts.domain.is_none() {
                facts.domain = self.domain_of(&facts.subscription_id).cloned();
            }
            facts.order_id = facts.order_id.take().or_else(|| self.order_id.clone());
        }
        if let OrderEvent::WebhookUnrecognised(facts) = &mut claim {
            facts.order_id = facts.order_id.take().or_else(|| self.order_id.clone());
        }
        Ok(claim)
    }
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderError;
    type Services = ();

    async fn handle(&mut self, command: OrderCommand, (): &(), sink: &EventSink<Self>) -> Result<(), OrderError> {
        let OrderCommand::RecordWebhook { claim } = command;
        let event = self.record(claim)?;
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: OrderEvent) {
        if self.order_id.is_none() {
            self.order_id = event.order_id().cloned();
        }
        if self.user_id.is_none() {
            self.user_id = event.user_id().cloned();
        }
        if let Some(facts) = event.as_subscription()
            && !self.knows(&facts.subscription_id)
        {
            self.heard_of.insert(facts.subscription_id.clone());
        }
        match event {
            OrderEvent::MailboxesAssigned(facts) => {
                for assigned in facts.domains.iter() {
                    self.assign(assigned.domain.clone(), assigned.subscription_id.clone());
                }
            }
            event => {
                let Some((subscription, domain)) = event.opens() else {
                    return;
                };
                // without an order the domain may be another order's, and no view takes it for an assignment
                match (event.order_id(), domain) {
                    (Some(_), Some(domain)) => self.assign(domain.clone(), subscription.cloned()),
                    _ => self.heard_of.extend(subscription.filter(|id| !self.knows(id)).cloned()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::{
        AssignedDomain, AssignmentFailed, AssignmentFailure, MailboxesAssigned, SubscriptionFacts, WebhookUnrecognised,
    };

    type OrderTest = TestFramework<Order>;

    fn order_id(id: &str) -> OrderId {
        OrderId::parse(id).unwrap()
    }

    fn assigned(order: &str, domain: &str, subscription: &str) -> OrderEvent {
        OrderEvent::MailboxesAssigned(MailboxesAssigned {
            may_be_blank: false,
            domains: vec![AssignedDomain {
                domain: Domain::normalise(domain).unwrap(),
                mailboxes: Vec::new(),
                subscription_id: Some(SubscriptionId::parse(subscription).unwrap()),
            }]
            .into(),
            order_id: order_id(order),
            quarantined_parts: Vec::new(),
            sent_at: None,
            service_provider: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: Some(UserId::parse("U1").unwrap()),
        })
    }

    fn failed(order: &str, domain: &str) -> OrderEvent {
        OrderEvent::AssignmentFailed(AssignmentFailed {
            failures: vec![AssignmentFailure {
                domain: Some(Domain::normalise(domain).unwrap()),
                reason: Some("Insufficient wallet balance".to_owned()),
            }],
            order_id: order_id(order),
            quarantined_parts: Vec::new(),
            sent_at: None,
            service_provider: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        })
    }

    fn renewal(subscription: &str, domain: Option<&str>, order: Option<&str>) -> OrderEvent {
        OrderEvent::SubscriptionRenewed(SubscriptionFacts {
            auto_renew: None,
            domain: domain.map(|name| Domain::normalise(name).unwrap()),
            order_id: order.map(order_id),
            period_end: None,
            period_start: None,
            quantity: Some(2),
            reason: None,
            sent_at: None,
            service_provider: None,
            subscription_id: SubscriptionId::parse(subscription).unwrap(),
            subscription_status: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        })
    }

    fn record(claim: OrderEvent) -> OrderCommand {
        OrderCommand::RecordWebhook { claim }
    }

    #[test]
    fn a_success_opens_an_order() {
        OrderTest::with(())
            .given_no_previous_events()
            .when(record(assigned("O1", "a.com", "S1")))
            .then_expect_events(vec![assigned("O1", "a.com", "S1")]);
    }

    #[test]
    fn a_failure_after_a_success_is_recorded_beside_it() {
        OrderTest::with(())
            .given(vec![assigned("O1", "a.com", "S1")])
            .when(record(failed("O1", "b.com")))
            .then_expect_events(vec![failed("O1", "b.com")]);
    }

    #[test]
    fn a_renewal_that_names_only_its_subscription_is_recorded_with_its_domain_and_order() {
        OrderTest::with(())
            .given(vec![assigned("O1", "a.com", "S1")])
            .when(record(renewal("S1", None, None)))
            .then_expect_events(vec![renewal("S1", Some("a.com"), Some("O1"))]);
    }

    #[test]
    fn a_renewal_keeps_the_domain_that_it_names() {
        OrderTest::with(())
            .given(vec![assigned("O1", "a.com", "S1")])
            .when(record(renewal("S1", Some("moved.com"), None)))
            .then_expect_events(vec![renewal("S1", Some("moved.com"), Some("O1"))]);
    }

    #[test]
    fn a_renewal_of_an_unknown_subscription_is_recorded_as_it_came() {
        OrderTest::with(())
            .given_no_previous_events()
            .when(record(renewal("S9", None, None)))
            .then_expect_events(vec![renewal("S9", None, None)]);
    }

    #[test]
    fn an_unrecognised_webhook_is_recorded_with_its_order() {
        let refund = |order: Option<&str>| {
            OrderEvent::WebhookUnrecognised(WebhookUnrecognised {
                domain: None,
                mailbox_id: None,
                name: "prewarmup.order.refunded".to_owned(),
                order_id: order.map(order_id),
                sent_at: None,
                subscription_id: None,
                unsigned: false,
                user_id: None,
            })
        };
        OrderTest::with(())
            .given(vec![failed("O1", "a.com")])
            .when(record(refund(None)))
            .then_expect_events(vec![refund(Some("O1"))]);
    }

    #[test]
    fn a_webhook_of_another_order_is_refused() {
        OrderTest::with(())
            .given(vec![failed("O1", "a.com")])
            .when(record(failed("O2", "a.com")))
            .then_expect_error(OrderError::OtherOrder {
                claimed: order_id("O2"),
                own: order_id("O1"),
            });
    }
}
