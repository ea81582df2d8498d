//! Who may do what, and what is kept of it, on both stores.
//!
//! Layout
//! - `recording`: what somebody did becomes a durable event among those of the webhooks

mod recording;
