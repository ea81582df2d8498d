//! The feed for consumers outside the process, on both stores.
//!
//! - `stream`: the feed as it happens
//! - `relay`: NATS JetStream
//! - `examples`: the examples of consumers
//! - `consumers`: named consumers and their checkpoints

mod consumers;
mod examples;
mod relay;
mod stream;
