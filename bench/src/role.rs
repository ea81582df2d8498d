//! The roles of this program as a child process.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use warmledger::metrics::Metrics;
use warmledger::service::Service;

use crate::child::{announce, parent_gone, settings};
use crate::{fill, ledger, plain, rebuild, verify};

/// What this program is when it has started itself.
#[derive(Parser)]
pub(crate) struct Child {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    Plain(plain::PlainArgs),
    Service(ServiceArgs),
    Ledger(ledger::LedgerArgs),
    Fill(fill::FillArgs),
    Rebuild(rebuild::RebuildArgs),
    Verify(verify::VerifyArgs),
}

impl Child {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.role {
            Role::Plain(args) => plain::run(args).await,
            Role::Service(args) => service(args).await,
            Role::Ledger(args) => ledger::run(args).await,
            Role::Fill(args) => fill::run(args).await,
            Role::Rebuild(args) => rebuild::run(args).await,
            Role::Verify(args) => verify::run(args).await,
        }
    }
}

#[derive(Args)]
struct ServiceArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    data_dir: PathBuf,
}

/// Our service, as `warmledger serve` starts it, until the parent has ended.
async fn service(args: ServiceArgs) -> anyhow::Result<()> {
    let settings = settings(&args.database_url, &args.data_dir)?;
    warmledger::logging::start(&settings, false)?;
    let service = Service::start(&settings, Metrics::install()?).await?;
    announce(service.address())?;
    parent_gone().await;
    service.stop().await
}
