//! Deliveries: each answered webhook is listed, beside the ledger and for a bounded time; and found again.
//!
//! - `recorder`: lists them in batches, so that no webhook waits for it
//! - `search`: finds them, together with events that lack a listed delivery

mod recorder;
mod search;

pub use recorder::{Recorder, keep_tidy, sender_of};
pub use search::{Filter, FoundDelivery, find};
