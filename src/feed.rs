//! The feed: all events in the ledger's one order, as they leave the process.
//!
//! Layout
//! - `cloud_event`: an event as the outside sees it
//! - `consumers`: how the named consumers are doing
//! - `head`: waking whoever waits for events, of this process and of others
//! - `page`: reading on from a position, also past events that a filter leaves out

mod cloud_event;
mod consumers;
mod head;
mod page;

pub use cloud_event::CloudEvent;
pub use consumers::{ConsumerStatus, SEEN_EVERY, furthest_behind, note_seen, prometheus_text, status, statuses};
pub use head::watch_head;
pub use page::{Page, page};
