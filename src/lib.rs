//! The warmledger service.

pub mod access;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod erasure;
pub mod evidence;
pub mod feed;
pub mod http;
pub mod ingest;
pub mod ledger;
pub mod logging;
pub mod metrics;
pub mod quarantine;
pub mod relay;
pub mod reveal;
pub mod runner;
pub mod secret;
pub mod sections;
pub mod service;
pub mod settings;
pub mod simulate;
pub mod store;
pub mod vault;
