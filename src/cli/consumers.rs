//! `warmledger consumers`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::ListArgs;
use crate::feed::{self, ConsumerStatus};
use crate::service::open_store;
use crate::settings::Settings;
use store::Mode;

/// The arguments of `warmledger consumers`.
#[derive(Args)]
#[command(after_help = "\
Consumers are made, moved and deleted through the HTTP API: PUT, POST and DELETE below /api/v1/consumers.

Example:
  warmledger consumers list --json | jq '.[] | select(.lag > 1000)'")]
pub struct ConsumersArgs {
    /// What to do with the consumers.
    #[command(subcommand)]
    pub command: ConsumersCommand,
}

/// What to do with the consumers.
#[derive(Subcommand)]
pub enum ConsumersCommand {
    /// Show how far each named consumer of the feed is; `nats` is the relay's
    #[command(after_help = "Examples:\n  warmledger consumers list\n  warmledger consumers list --json")]
    List(ListArgs),
}

/// Lists consumers.
///
/// # Errors
/// If the store can't be reached.
pub async fn run(args: ConsumersArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let ConsumersCommand::List(list) = args.command;
    let statuses = feed::statuses(&*open_store(&settings, Mode::ReadOnly).await?).await?;
    list.print(statuses, ["name", "position", "lag", "seconds", "last seen"], row)?;
    Ok(ExitCode::SUCCESS)
}

fn row(status: &ConsumerStatus) -> [String; 5] {
    [
        status.name.as_str().to_owned(),
        status.position.to_string(),
        status.lag.to_string(),
        format!("{:.1}", status.lag_seconds),
        status
            .last_seen_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string()),
    ]
}
