//! The `warmledger` program: one command, run.

use std::process::ExitCode;

use clap::Parser;
use warmledger::cli::{self, Cli};

/// Webhooks cause many small allocations on several threads: mimalloc halves their cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await.unwrap_or_else(|error| cli::report(&error))
}
