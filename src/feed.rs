//! The feed: all events in log order, as published to readers.
//!
//! Layout
//! - `cloud_event`: an event as CloudEvents 1.0
//! - `consumers`: the status of named consumers
//! - `head`: waking readers when any process appends events
//! - `page`: reading on from a position, past events that a filter skips

mod cloud_event;
mod consumers;
mod head;
mod page;

pub use cloud_event::CloudEvent;
pub use consumers::{ConsumerStatus, SEEN_EVERY, furthest_behind, note_seen, prometheus_text, status, statuses};
pub use head::watch_head;
pub use page::{Page, page};
