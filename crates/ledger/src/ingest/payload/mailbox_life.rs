//! `mailbox.exported`, `mailbox.warmup.started` and `.removed`: something happened to a mailbox, and its record stays as
//! it is.

use aggregates::{MailboxFacts, MailboxId, OrderEvent};
use serde::Deserialize;

use super::raw::Raw;
use super::reading::Reading;
use super::{Parsed, PayloadProblem, user_email};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    mailbox_id: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_name: Option<Raw<'a>>,
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    subscription_id: Option<Raw<'a>>,
    #[serde(borrow)]
    warming_up_from: Option<Raw<'a>>,
}

/// Splits the payload; `event` makes the kind of event.
pub(super) fn read(
    data: Data<'_>,
    reading: &mut Reading,
    event: fn(MailboxFacts) -> OrderEvent,
) -> Result<Parsed, PayloadProblem> {
    let facts = MailboxFacts {
        domain: reading.name(data.domain_name, data.domain),
        mailbox_id: Reading::required(data.mailbox_id, "data.mailboxId", MailboxId::parse)?,
        order_id: reading.id(data.order_id, "data.orderId"),
        sent_at: reading.delivery.sent_at,
        subscription_id: reading.id(data.subscription_id, "data.subscriptionId"),
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
        warming_up_from: reading.moment(data.warming_up_from, "data.warmingUpFrom"),
    };
    Ok(Parsed {
        personal: user_email(reading.text(data.user_email, "data.userEmail")),
        ..Parsed::of(event(facts))
    })
}
