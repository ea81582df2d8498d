//! The service: the HTTP API and the command line, wired together.
//!
//! A webhook's path: `http/webhooks` receives it and has its signature verified by `ledger/ingest/signature`;
//! `ledger/plan` seals and orders it, `ledger/writer` has [`store`] append it, then `http/webhooks` answers;
//! `runner/step` folds it into the views that [`http`] and [`cli`] read.
//!
//! Layout, from the outside in
//! - `cli`: the commands, one file each
//! - `http`: the API, one file per resource; the server with its limits
//! - `service`: everything wired together; `serve`, `demo` and tests start the same
//! - `settings`: from file, environment and flags to types
//! - `access`: authorisation, limits, and recording of accesses
//! - `feed`: the events as published to readers; `relay` publishes them to NATS JetStream
//! - `deliveries`: each answered webhook, listed beside the ledger and found again
//! - `processes`: the processes on this ledger, and secrets missing in this one; `duties`: watches for vacant duties
//! - `alerts`: checks for alerts
//! - `backup`: a copy of a ledger on SQLite, while the service runs
//! - `logging`, `metrics`: logs and metrics of the service
//! - `uri`: parts of URIs
//!
//! The crates below this one, from the bottom; each uses those before it (`tests/layers.rs`)
//! - `aggregates`: identifiers, events, and the aggregate of an order; `projections`: the folds
//! - `secret`, `tls`: values that are never printed, and the data directory; TLS for clients
//! - `tlog`: Merkle tree and signed notes; `sealing`: keys and sealed sections
//! - `store`: PostgreSQL and SQLite; `vault`: the keys in use, and their rotation
//! - `ledger`: from a webhook to a durable event, and back; `runner`: folding the log into rows
//! - `proof`: verify, checkpoints, export; `simulate`: a provider that sends webhooks

pub mod access;
pub mod alerts;
pub mod backup;
pub mod cli;
pub mod deliveries;
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
pub use ledger::{self, content, erasure, evidence, ingest, quarantine, refused, reveal, sections};
pub use proof::{checkpoints, export, proofs, verify};
pub use secret::{self, data_dir};
pub use store::{self, clock, tasks};
pub use {runner, sealing, simulate, tlog, tls, vault};
