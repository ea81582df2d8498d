//! The feed for consumers outside the process, on both stores.
//!
//! - `stream`: the feed as it happens
//! - `consumers`: named consumers and their checkpoints

mod consumers;
mod stream;
