//! The order as an aggregate: each webhook about it is one event with the webhook's whole content.

use std::convert::Infallible;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

/// A webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook<D> {
    event: String,
    event_id: String,
    data: D,
}

/// A webhook to send.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Sent {
    Assigned(Webhook<Assigned>),
    Renewed(Webhook<Renewed>),
}

impl Sent {
    /// The aggregate's id: the order's, or the subscription's if the webhook names no order.
    pub(crate) fn aggregate(&self) -> String {
        match self {
            Self::Assigned(webhook) => webhook.data.order_id.clone(),
            Self::Renewed(webhook) => webhook.data.subscription_id.clone(),
        }
    }
}

/// Domains were assigned mailboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assigned {
    user_id: String,
    user_email: String,
    order_id: String,
    service_provider: String,
    mailbox_details: Vec<Domain>,
}

/// A renewal in any state; older senders leave out fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Renewed {
    user_id: String,
    user_email: String,
    subscription_id: String,
    domain_id: Option<String>,
    domain: Option<String>,
    workspace_type: String,
    quantity: u32,
    period_start: Option<String>,
    period_end: Option<String>,
    auto_renew: Option<bool>,
    description: Option<String>,
    subscription_status: Option<String>,
    reason: Option<String>,
}

impl Webhook<Assigned> {
    pub(crate) fn user(&self) -> &str {
        &self.data.user_id
    }

    /// Each domain and its number of mailboxes.
    pub(crate) fn domains(&self) -> impl Iterator<Item = (String, usize)> {
        let domains = self.data.mailbox_details.iter();
        domains.map(|domain| (domain.domain.clone(), domain.pre_warmed_up_mailboxes.len()))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Domain {
    domain: String,
    subscription_id: String,
    pre_warmed_up_mailboxes: Vec<Mailbox>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mailbox {
    mailbox_id: String,
    email: String,
    first_name: String,
    last_name: String,
    profile_picture: String,
    password: String,
    app_password: String,
    authenticator_secret: String,
    is_admin: bool,
    warming_up_from: String,
    expiry_date: String,
}

/// An event of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    MailboxesAssigned(Webhook<Assigned>),
    SubscriptionRenewed(Webhook<Renewed>),
}

impl DomainEvent for OrderEvent {
    fn event_type(&self) -> String {
        let name = match self {
            Self::MailboxesAssigned(_) => "MailboxesAssigned",
            Self::SubscriptionRenewed(_) => "SubscriptionRenewed",
        };
        name.to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// The state of an order: the number of domains and of renewals.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Order {
    domains: usize,
    renewals: usize,
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = Sent;
    type Event = OrderEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, sent: Sent, (): &(), sink: &EventSink<Self>) -> Result<(), Infallible> {
        let event = match sent {
            Sent::Assigned(webhook) => OrderEvent::MailboxesAssigned(webhook),
            Sent::Renewed(webhook) => OrderEvent::SubscriptionRenewed(webhook),
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: OrderEvent) {
        match event {
            OrderEvent::MailboxesAssigned(webhook) => self.domains += webhook.data.mailbox_details.len(),
            OrderEvent::SubscriptionRenewed(_) => self.renewals += 1,
        }
    }
}
