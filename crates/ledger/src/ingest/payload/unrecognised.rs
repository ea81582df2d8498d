//! A webhook of a kind that this version does not know. Its ids route it; everything else stays in the sealed original.

use aggregates::{OrderEvent, WebhookUnrecognised};
use serde::Deserialize;

use super::object::Object;
use super::raw::Raw;
use super::reading::Reading;
use super::text::event_name;
use super::{Delivery, Parsed};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    subscription_id: Option<Raw<'a>>,
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_name: Option<Raw<'a>>,
    #[serde(borrow)]
    mailbox_id: Option<Raw<'a>>,
}

/// Reads the ids; an ill-formed one counts as absent, since the format of this kind of webhook is unknown.
pub(super) fn read(name: &str, data: Raw<'_>, delivery: Delivery) -> Parsed {
    let Object(data) = serde_json::from_str::<Object<Data<'_>>>(data.0).unwrap_or_default();
    let mut reading = Reading::of(delivery);
    let claim = OrderEvent::WebhookUnrecognised(WebhookUnrecognised {
        domain: reading
            .domain(data.domain, "")
            .or_else(|| reading.domain(data.domain_name, "")),
        mailbox_id: reading.id(data.mailbox_id, ""),
        name: event_name(name),
        order_id: reading.id(data.order_id, ""),
        sent_at: delivery.sent_at,
        subscription_id: reading.id(data.subscription_id, ""),
        unsigned: delivery.unsigned,
        user_id: reading.id(data.user_id, ""),
    });
    Parsed::of(claim)
}
