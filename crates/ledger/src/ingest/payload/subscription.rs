//! The `subscription.*` family: one shape for all; older senders omit fields.

use aggregates::{OrderEvent, ServiceProvider, SubscriptionFacts, SubscriptionId};
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
    subscription_id: Option<Raw<'a>>,
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_name: Option<Raw<'a>>,
    #[serde(borrow)]
    workspace_type: Option<Raw<'a>>,
    #[serde(borrow)]
    quantity: Option<Raw<'a>>,
    #[serde(borrow)]
    period_start: Option<Raw<'a>>,
    #[serde(borrow)]
    period_end: Option<Raw<'a>>,
    #[serde(borrow)]
    auto_renew: Option<Raw<'a>>,
    #[serde(borrow)]
    subscription_status: Option<Raw<'a>>,
    #[serde(borrow)]
    reason: Option<Raw<'a>>,
}

/// Splits the payload; `event` makes the kind of event.
pub(super) fn read(
    data: Data<'_>,
    reading: &mut Reading,
    event: fn(SubscriptionFacts) -> OrderEvent,
) -> Result<Parsed, PayloadProblem> {
    let facts = SubscriptionFacts {
        auto_renew: reading.boolean(data.auto_renew, "data.autoRenew"),
        domain: reading.name(data.domain_name, data.domain),
        order_id: None,
        period_end: reading.moment(data.period_end, "data.periodEnd"),
        period_start: reading.moment(data.period_start, "data.periodStart"),
        quantity: reading.count(data.quantity, "data.quantity"),
        reason: reading.words(data.reason, MAX_TEXT_CHARS, "data.reason"),
        sent_at: reading.delivery.sent_at,
        service_provider: reading
            .words(data.workspace_type, MAX_WORD_CHARS, "data.workspaceType")
            .map(ServiceProvider),
        subscription_id: Reading::required(data.subscription_id, "data.subscriptionId", SubscriptionId::parse)?,
        subscription_status: reading.words(data.subscription_status, MAX_WORD_CHARS, "data.subscriptionStatus"),
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    };
    Ok(Parsed {
        personal: user_email(reading.text(data.user_email, "data.userEmail")),
        ..Parsed::of(event(facts))
    })
}
