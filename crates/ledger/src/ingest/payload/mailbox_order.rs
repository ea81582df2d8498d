//! `mailbox.order.success` and `.failed`: an ordinary order of mailboxes. The mailboxes follow one by one.

use aggregates::{MailboxOrderFacts, OrderEvent, OrderId, ServiceProvider};
use serde::Deserialize;

use super::raw::Raw;
use super::reading::Reading;
use super::text::MAX_TEXT_CHARS;
use super::{MAX_WORD_CHARS, Parsed, PayloadProblem, user_email};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_id: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_name: Option<Raw<'a>>,
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    subscription_id: Option<Raw<'a>>,
    #[serde(borrow)]
    workspace_type: Option<Raw<'a>>,
    #[serde(borrow)]
    creation_time: Option<Raw<'a>>,
    #[serde(borrow)]
    expiry_date: Option<Raw<'a>>,
    #[serde(borrow)]
    price: Option<Raw<'a>>,
    #[serde(borrow)]
    quantity: Option<Raw<'a>>,
    #[serde(borrow)]
    reason: Option<Raw<'a>>,
}

/// Splits the payload; `event` makes the kind of event.
pub(super) fn read(
    data: Data<'_>,
    reading: &mut Reading,
    event: fn(MailboxOrderFacts) -> OrderEvent,
) -> Result<Parsed, PayloadProblem> {
    let facts = MailboxOrderFacts {
        creation_time: reading.moment(data.creation_time, "data.creationTime"),
        domain: reading.name(data.domain_name, data.domain),
        domain_id: reading.id(data.domain_id, "data.domainId"),
        expiry_date: reading.moment(data.expiry_date, "data.expiryDate"),
        order_id: Reading::required(data.order_id, "data.orderId", OrderId::parse)?,
        price: reading.price(data.price, "data.price"),
        quantity: reading.count(data.quantity, "data.quantity"),
        reason: reading.words(data.reason, MAX_TEXT_CHARS, "data.reason"),
        sent_at: reading.delivery.sent_at,
        service_provider: reading
            .words(data.workspace_type, MAX_WORD_CHARS, "data.workspaceType")
            .map(ServiceProvider),
        subscription_id: reading.id(data.subscription_id, "data.subscriptionId"),
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    };
    Ok(Parsed {
        personal: user_email(reading.text(data.user_email, "data.userEmail")),
        ..Parsed::of(event(facts))
    })
}
