//! The service: what is reached over HTTP and from the command line, wired together.
//!
//! The way of a webhook: [`http`] takes it and checks its signature by [`ledger::ingest`], [`ledger`] seals it, puts it in order and
//! has [`store`] append it, then it is answered; [`runner`] folds it into the views that [`http`] and [`cli`] read.
//!
//! Layout, from the outside in
//! - `cli`: the commands, one file each
//! - `http`: the API, one file a resource; the server that lets nobody starve it
//! - `service`: everything wired together; `serve`, `demo` and tests start the same
//! - `settings`: from file, environment and flags to types
//! - `access`: who may do what, from where, how much, and what is kept of it
//! - `feed`: the events as the outside sees them; `relay` publishes them to NATS JetStream
//! - `processes`: who else runs on this ledger, and what is missing here; `duties`: whether somebody does what one does for all
//! - `alerts`: what somebody has to know of
//! - `backup`: a copy of a ledger on SQLite, while the service runs
//! - `logging`, `metrics`: what the service tells of itself
//! - `uri`: parts of URIs
//!
//! What all of it stands on are the crates beside: `tests/layers.rs` has their order.

pub mod access;
pub mod alerts;
pub mod backup;
pub mod cli;
pub mod duties;
pub mod feed;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod processes;
pub mod relay;
pub mod service;
pub mod settings;
mod uri;

pub use aggregates::visible;
pub use ledger::{self, content, erasure, evidence, ingest, quarantine, reveal, sections};
pub use proof::{checkpoints, export, proofs, verify};
pub use secret::{self, data_dir};
pub use store::{self, clock, tasks};
pub use {runner, sealing, simulate, tlog, tls, vault};
