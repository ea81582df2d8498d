//! The warmledger service.

pub mod checkpoints;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod export;
pub mod feed;
pub mod http;
pub mod ingest;
pub mod ledger;
pub mod logging;
pub mod metrics;
pub mod proofs;
pub mod relay;
pub mod runner;
pub mod secret;
pub mod service;
pub mod settings;
pub mod simulate;
pub mod store;
pub mod tlog;
pub mod vault;
pub mod verify;
