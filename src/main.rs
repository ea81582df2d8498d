//! The `warmledger` program: one command of [`cli::Command`], run.

use std::process::ExitCode;

use clap::Parser;
use warmledger::{
    cli::{self, Cli, Command},
    logging,
};

/// Webhooks are many small allocations on several threads: this one takes them at half the cost of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse()).await.unwrap_or_else(|error| cli::report(&error))
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = cli.settings()?;
    logging::start(&settings, matches!(cli.command, Command::Serve(_) | Command::Demo(_)))?;
    match cli.command {
        Command::Serve(args) => cli::serve::run(args, settings).await,
        Command::Demo(args) => cli::demo::run(args, settings).await,
        Command::Simulate(args) => cli::simulate::run(args, settings).await,
        Command::Ingest(args) => cli::ingest::run(args, settings).await,
        Command::Projections(args) => cli::projections::run(args, settings).await,
        Command::Events(args) => cli::events::run(args, settings).await,
        Command::Consumers(args) => cli::consumers::run(args, settings).await,
        Command::Subjects(args) => cli::subjects::run(args, settings).await,
        Command::Keys(args) => cli::keys::run(args, settings).await,
        Command::Quarantine(args) => cli::quarantine::run(args, settings).await,
        Command::Tokens(args) => cli::tokens::run(args, settings).await,
        Command::Verify(args) => cli::verify::run(args, settings).await,
        Command::Export(args) => cli::export::run(args, settings).await,
        Command::Backup(args) => cli::backup::run(args, settings).await,
        Command::Migrate(args) => cli::migrate::run(args, settings).await,
        Command::Config(args) => cli::config::run(args, settings).await,
    }
}
