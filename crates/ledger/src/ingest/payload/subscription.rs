//! The `subscription.*` family: one shape for all; older senders omit fields.

use aggregates::{OrderEvent, ServiceProvider, SubscriptionFacts};
use serde::Deserialize;

use super::text::{MAX_TEXT_CHARS, domain, moment, optional_text};
use super::{Delivery, MAX_WORD_CHARS, Parsed, PayloadProblem, optional, required, user_email};
use crate::sections::Text;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    user_id: Option<String>,
    #[serde(borrow)]
    user_email: Option<Text<'a>>,
    subscription_id: Option<String>,
    domain: Option<String>,
    workspace_type: Option<String>,
    quantity: Option<u32>,
    period_start: Option<String>,
    period_end: Option<String>,
    auto_renew: Option<bool>,
    subscription_status: Option<String>,
    reason: Option<String>,
}

/// Splits the payload; `event` makes the kind of event.
pub(super) fn read(
    data: Data<'_>,
    delivery: Delivery,
    event: fn(SubscriptionFacts) -> OrderEvent,
) -> Result<Parsed, PayloadProblem> {
    let facts = SubscriptionFacts {
        auto_renew: data.auto_renew,
        domain: domain(data.domain.as_deref(), "data.domain")?,
        order_id: None,
        period_end: moment(data.period_end.as_deref(), "data.periodEnd")?,
        period_start: moment(data.period_start.as_deref(), "data.periodStart")?,
        quantity: data.quantity,
        reason: optional_text(data.reason, MAX_TEXT_CHARS),
        sent_at: delivery.sent_at,
        service_provider: optional_text(data.workspace_type, MAX_WORD_CHARS).map(ServiceProvider),
        subscription_id: required(data.subscription_id, "data.subscriptionId")?,
        subscription_status: optional_text(data.subscription_status, MAX_WORD_CHARS),
        unsigned: delivery.unsigned,
        user_id: optional(data.user_id, "data.userId")?,
    };
    Ok(Parsed {
        event_id: None,
        spelling: None,
        claim: event(facts),
        personal: user_email(data.user_email),
        secrets: None,
    })
}
