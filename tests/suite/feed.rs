//! The feed for consumers outside the process, on both stores.
//!
//! - `stream`: the feed as server-sent events
//! - `relay`: NATS JetStream
//! - `examples`: the example consumers
//! - `consumers`: named consumers and their checkpoints

mod consumers;
mod examples;
mod relay;
mod stream;
