//! A webhook of a kind that this version does not know. Its ids route it; everything else stays in the sealed original.

use aggregates::{OrderEvent, WebhookUnrecognised};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::Object;
use super::text::{domain, event_name};
use super::{Delivery, Parsed, string};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    order_id: Option<&'a RawValue>,
    #[serde(borrow)]
    subscription_id: Option<&'a RawValue>,
    #[serde(borrow)]
    domain: Option<&'a RawValue>,
    #[serde(borrow)]
    domain_name: Option<&'a RawValue>,
    #[serde(borrow)]
    mailbox_id: Option<&'a RawValue>,
}

/// Reads the ids; an ill-formed one counts as absent, since the format of this kind of webhook is unknown.
pub(super) fn read(name: &str, data: &str, delivery: Delivery) -> Parsed {
    let Object(data) = serde_json::from_str::<Object<Data<'_>>>(data).unwrap_or_default();
    fn id<T: TryFrom<String>>(raw: Option<&RawValue>) -> Option<T> {
        string(raw).and_then(|text| T::try_from(text).ok())
    }
    let name_of = |raw| string(raw).and_then(|text| domain(Some(&text), "").ok().flatten());
    let claim = OrderEvent::WebhookUnrecognised(WebhookUnrecognised {
        domain: name_of(data.domain).or_else(|| name_of(data.domain_name)),
        mailbox_id: id(data.mailbox_id),
        name: event_name(name),
        order_id: id(data.order_id),
        sent_at: delivery.sent_at,
        subscription_id: id(data.subscription_id),
        unsigned: delivery.unsigned,
        user_id: id(data.user_id),
    });
    Parsed {
        event_id: None,
        spelling: None,
        claim,
        personal: None,
        secrets: None,
    }
}
