//! The order as an aggregate: each webhook about it is one event with its whole content.

use std::convert::Infallible;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

/// A webhook that tells of assigned mailboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    event: String,
    event_id: String,
    pub(crate) data: Assigned,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assigned {
    user_id: String,
    user_email: String,
    pub(crate) order_id: String,
    service_provider: String,
    mailbox_details: Vec<Domain>,
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

/// What has happened to an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    MailboxesAssigned(Webhook),
}

impl DomainEvent for OrderEvent {
    fn event_type(&self) -> String {
        "MailboxesAssigned".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// What has to be known of an order: how many domains it has got.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Order {
    domains: usize,
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = Webhook;
    type Event = OrderEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, webhook: Webhook, (): &(), sink: &EventSink<Self>) -> Result<(), Infallible> {
        sink.write(OrderEvent::MailboxesAssigned(webhook), self).await;
        Ok(())
    }

    fn apply(&mut self, event: OrderEvent) {
        let OrderEvent::MailboxesAssigned(webhook) = event;
        self.domains += webhook.data.mailbox_details.len();
    }
}
