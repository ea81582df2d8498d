//! One webhook of a plan.

use std::time::Duration;

use aggregates::{EventId, OrderId};

/// One webhook to send. No `Debug`: the body holds credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id of the event, shared by an event and its repeats.
    pub event_id: EventId,
    /// The event's name, e.g. `prewarmup.order.success`.
    pub event: &'static str,
    /// The order that it is about, even if the body doesn't name it.
    pub order_id: OrderId,
    /// The exact text to sign and send.
    pub body: String,
    /// When it is due, relative to the plan's beginning.
    pub after: Duration,
    /// Whether an earlier delivery in the plan has the same event.
    pub repeat: bool,
}
