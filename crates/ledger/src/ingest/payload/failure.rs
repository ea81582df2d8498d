//! `prewarmup.order.failed`: some domains of an order, or all of it, got no mailboxes.

use aggregates::{AssignmentFailed, AssignmentFailure, Domain, OrderEvent, OrderId, ServiceProvider};
use serde::Deserialize;

use super::raw::Raw;
use super::reading::Reading;
use super::text::MAX_TEXT_CHARS;
use super::{MAX_WORD_CHARS, Parsed, PayloadProblem, few_enough, user_email};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    service_provider: Option<Raw<'a>>,
    #[serde(borrow)]
    failed_orders: Option<Raw<'a>>,
    /// Set if the order fails as a whole.
    #[serde(borrow)]
    reason: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Failed<'a> {
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    reason: Option<Raw<'a>>,
}

/// Splits the payload. A failure without domains is one of the whole order.
pub(super) fn read(data: Data<'_>, reading: &mut Reading) -> Result<Parsed, PayloadProblem> {
    let failed = reading.list(data.failed_orders, "data.failedOrders");
    few_enough(failed.len(), "data.failedOrders")?;
    let of_whole_order = failed.is_empty() && !reading.has_quarantined();
    let mut failures = Vec::with_capacity(failed.len());
    for (index, raw) in failed.into_iter().enumerate() {
        let path = format_args!("data.failedOrders[{index}]");
        let Some(failed) = reading.entry::<Failed<'_>>(raw, path) else {
            continue;
        };
        // a domain that cannot be read must not pass for a failure of the whole order
        let domain = match failed.domain {
            Some(name) if !name.is_blank() => match Reading::required(Some(name), "domain", Domain::normalise) {
                Ok(domain) => Some(domain),
                Err(PayloadProblem(detail)) => {
                    reading.quarantine(path, detail);
                    continue;
                }
            },
            _ => None,
        };
        failures.push(AssignmentFailure {
            domain,
            reason: reading.words(failed.reason, MAX_TEXT_CHARS, format_args!("{path}.reason")),
        });
    }
    if of_whole_order {
        failures.push(AssignmentFailure {
            domain: None,
            reason: reading.words(data.reason, MAX_TEXT_CHARS, "data.reason"),
        });
    }
    let claim = OrderEvent::AssignmentFailed(AssignmentFailed {
        failures,
        order_id: Reading::required(data.order_id, "data.orderId", OrderId::parse)?,
        quarantined_parts: reading.take_quarantined(),
        sent_at: reading.delivery.sent_at,
        service_provider: reading
            .words(data.service_provider, MAX_WORD_CHARS, "data.serviceProvider")
            .map(ServiceProvider),
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    });
    Ok(Parsed {
        personal: user_email(reading.text(data.user_email, "data.userEmail")),
        ..Parsed::of(claim)
    })
}
