//! `warmledger migrate`

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::service::open_store;
use crate::settings::Settings;
use store::Mode;

/// The arguments of `warmledger migrate`.
#[derive(Args)]
#[command(after_help = "\
`warmledger serve` does the same at its start; this does it beforehand, for as long as it takes and with a role of your choice.
No other command changes the schema. Services of the earlier version should be stopped. Running it again does no harm.

Examples:
  warmledger migrate
  WARMLEDGER_DATABASE_URL=postgres://owner:…@db/warmledger warmledger migrate")]
pub struct MigrateArgs {}

/// Makes the ledger's tables, or brings them up to date.
///
/// # Errors
/// If the database cannot be reached, or is not fit for a ledger.
pub async fn run(_args: MigrateArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let store = open_store(&settings, Mode::Migrate).await?;
    let head = store.head().await?.position;
    store.close().await;
    eprintln!(
        "the ledger at {} is up to date, with {head} events ({:.1} s)",
        settings.database_url,
        begun.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}
