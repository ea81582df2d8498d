//! The warmledger service.

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
