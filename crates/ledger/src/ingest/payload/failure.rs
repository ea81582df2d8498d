//! `prewarmup.order.failed`: some domains of an order, or all of it, got no mailboxes.

use aggregates::{AssignmentFailed, AssignmentFailure, OrderEvent, ServiceProvider};
use serde::Deserialize;

use super::object::Object;
use super::text::{MAX_TEXT_CHARS, domain, optional_text};
use super::{Delivery, MAX_WORD_CHARS, Parsed, PayloadProblem, few_enough, optional, required, user_email};
use crate::sections::Text;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    user_id: Option<String>,
    #[serde(borrow)]
    user_email: Option<Text<'a>>,
    order_id: Option<String>,
    service_provider: Option<String>,
    failed_orders: Option<Vec<Object<Failed>>>,
    /// Set if the order fails as a whole.
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    domain: Option<String>,
    reason: Option<String>,
}

/// Splits the payload. A failure without domains is one of the whole order.
pub(super) fn read(data: Data<'_>, delivery: Delivery) -> Result<Parsed, PayloadProblem> {
    let failed = data.failed_orders.unwrap_or_default();
    few_enough(failed.len(), "data.failedOrders")?;
    let mut failures = Vec::with_capacity(failed.len());
    for (index, Object(failed)) in failed.into_iter().enumerate() {
        failures.push(AssignmentFailure {
            domain: domain(
                failed.domain.as_deref(),
                format_args!("data.failedOrders[{index}].domain"),
            )?,
            reason: optional_text(failed.reason, MAX_TEXT_CHARS),
        });
    }
    if failures.is_empty() {
        failures.push(AssignmentFailure {
            domain: None,
            reason: optional_text(data.reason, MAX_TEXT_CHARS),
        });
    }
    Ok(Parsed {
        event_id: None,
        spelling: None,
        claim: OrderEvent::AssignmentFailed(AssignmentFailed {
            failures,
            order_id: required(data.order_id, "data.orderId")?,
            sent_at: delivery.sent_at,
            service_provider: optional_text(data.service_provider, MAX_WORD_CHARS).map(ServiceProvider),
            unsigned: delivery.unsigned,
            user_id: optional(data.user_id, "data.userId")?,
        }),
        personal: user_email(data.user_email),
        secrets: None,
    })
}
