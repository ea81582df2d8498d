//! The command line: one file per command, each with its arguments and its `run`.
//!
//! Layout
//! - `serve`, `demo`, `simulate`: the service; the service with made-up orders; a provider that sends them
//! - `ingest`, `events`, `quarantine`: webhooks from files; the log; webhooks that could not be used
//! - `deliveries`, `refused`: what came and how it was answered; refused webhooks that are kept aside
//! - `projections`, `consumers`: views, rebuilds and parked rows; readers of the feed
//! - `verify`, `export`: proofs, here and for an auditor
//! - `subjects`, `tokens`, `keys`: erasing people; API tokens; master and signing keys
//! - `config`, `migrate`, `backup`: the settings in effect; the schema; a copy of a ledger on SQLite
//! - `output`, `meter`, `interrupt`: tables and JSON; progress; Ctrl-C
//!
//! Messages go to stderr, data to stdout. Exit codes: 0 done, 1 the check failed, 2 wrong use or configuration, or any
//! other error.

pub mod backup;
pub mod config;
pub mod consumers;
pub mod deliveries;
pub mod demo;
pub mod events;
pub mod export;
pub mod ingest;
mod interrupt;
pub mod keys;
mod meter;
pub mod migrate;
pub mod output;
pub mod projections;
pub mod quarantine;
pub mod refused;
pub mod serve;
pub mod simulate;
pub mod subjects;
pub mod tokens;
pub mod verify;

use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use aggregates::AccessEvent;

use crate::logging;
use crate::settings::{Flags, Origin, Settings};
use ledger::{RecordError, record_access};
use secret::Secret;
use store::Store;

/// Exit code: a check that was asked for has failed.
pub const CHECK_FAILED: u8 = 1;
/// Exit code: wrong use or configuration, or another error.
pub const ERROR: u8 = 2;

/// An event-sourced ledger of mailbox orders: each provider webhook becomes a sealed, immutable event.
#[derive(Parser)]
#[command(name = "warmledger", version, arg_required_else_help = true, max_term_width = 120)]
#[command(after_help = "\
Examples:
  warmledger demo                          see it work, with made-up orders
  warmledger serve                         SQLite under ./warmledger-data, http://127.0.0.1:8080
  warmledger --config prod.toml serve      with the settings of a file
  warmledger config                        which settings are in effect, and why

Settings: warmledger.toml < environment (WARMLEDGER_ + key) < flags.
Exit codes: 0 done, 1 the check failed, 2 wrong use or configuration.")]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The flags that every command takes. They may hold a database password: no `Debug`.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct GlobalArgs {
    /// Settings file [default: warmledger.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the generated keys and of the default database [default: ./warmledger-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// sqlite:PATH or postgres://…; a password is better set by WARMLEDGER_DATABASE_URL, which `ps` doesn't show
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// What to log, as a tracing filter such as `warn,warmledger=debug` [default: info; warn where not serving]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look on stderr: pretty or json [default: pretty]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Run the service
    Serve(serve::ServeArgs),
    /// Run the service on a fresh ledger and play an hour of a reseller's life in seconds
    Demo(demo::DemoArgs),
    /// Play the provider: send signed webhooks, retried as the provider retries
    Simulate(simulate::SimulateArgs),
    /// Record captured deliveries from JSON Lines files
    Ingest(ingest::IngestArgs),
    /// List, watch and rebuild the read models
    Projections(projections::ProjectionsArgs),
    /// Read the recorded events, secrets never shown
    Events(events::EventsArgs),
    /// Show how far the named consumers of the feed are
    Consumers(consumers::ConsumersArgs),
    /// Erase subjects, or keep them from being erased
    Subjects(subjects::SubjectsArgs),
    /// List and rotate the master keys
    Keys(keys::KeysArgs),
    /// List webhooks that could not be used, and read them again
    Quarantine(quarantine::QuarantineArgs),
    /// List what came and how it was answered: did this webhook arrive?
    Deliveries(deliveries::DeliveriesArgs),
    /// List refused webhooks that are kept aside, and take them in once a key fits
    Refused(refused::RefusedArgs),
    /// Make, list and revoke API tokens
    Tokens(tokens::TokensArgs),
    /// Check that no event was altered, removed or put in since it was recorded
    Verify(verify::VerifyArgs),
    /// Write events with their proofs for an auditor
    Export(export::ExportArgs),
    /// Copy a ledger on SQLite into one file, while the service runs
    Backup(backup::BackupArgs),
    /// Make the ledger's tables, or bring those of an earlier version up to date
    Migrate(migrate::MigrateArgs),
    /// Print the settings in effect, secrets masked
    Config(config::ConfigArgs),
}

impl Cli {
    /// The settings of the file, the environment and the flags.
    ///
    /// # Errors
    /// [`SettingsError`](crate::settings::SettingsError) naming what is wrong.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::load(&self.flags())?;
        let serves = matches!(
            self.command,
            Command::Serve(_) | Command::Migrate(_) | Command::Config(_)
        );
        if !serves && *settings.origin("log") == Origin::Default {
            // these commands print their results
            "warn".clone_into(&mut settings.log);
        }
        Ok(settings)
    }

    /// The flags that override settings.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.global.config.clone(),
            data_dir: self.global.data_dir.clone(),
            database_url: self.global.database_url.clone().map(Secret::new),
            listen: match &self.command {
                Command::Serve(args) => args.listen.clone(),
                Command::Demo(args) => args.listen.clone(),
                _ => None,
            },
            log: self.global.log.clone(),
            log_format: self.global.log_format.clone(),
        }
    }
}

/// Records that the caller has read or checked the ledger. If the database is read-only, warns on stderr instead: a
/// caller with such a copy can read it without this program.
///
/// # Errors
/// If the ledger takes events and this one could not be recorded.
async fn record_reading(store: &dyn Store, event: AccessEvent, what: &str) -> Result<(), RecordError> {
    match record_access(store, event).await {
        Err(RecordError::Store(error)) if error.takes_no_writes() => {
            eprintln!("warning: {what} is not recorded in the ledger: {error}");
            Ok(())
        }
        recorded => recorded.map(drop),
    }
}

/// Runs one command. Boxed, or this function would be compiled again with every change of a command.
///
/// # Errors
/// Any error of the command; [`report`] prints it.
pub fn run(cli: Cli) -> Pin<Box<dyn Future<Output = anyhow::Result<ExitCode>>>> {
    Box::pin(dispatch(cli))
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = cli.settings()?;
    logging::start(&settings, matches!(cli.command, Command::Serve(_) | Command::Demo(_)))?;
    match cli.command {
        Command::Serve(args) => serve::run(args, settings).await,
        Command::Demo(args) => demo::run(args, settings).await,
        Command::Simulate(args) => simulate::run(args, settings).await,
        Command::Ingest(args) => ingest::run(args, settings).await,
        Command::Projections(args) => projections::run(args, settings).await,
        Command::Events(args) => events::run(args, settings).await,
        Command::Consumers(args) => consumers::run(args, settings).await,
        Command::Subjects(args) => subjects::run(args, settings).await,
        Command::Keys(args) => keys::run(args, settings).await,
        Command::Quarantine(args) => quarantine::run(args, settings).await,
        Command::Deliveries(args) => deliveries::run(args, settings).await,
        Command::Refused(args) => refused::run(args, settings).await,
        Command::Tokens(args) => tokens::run(args, settings).await,
        Command::Verify(args) => verify::run(args, settings).await,
        Command::Export(args) => export::run(args, settings).await,
        Command::Backup(args) => backup::run(args, settings).await,
        Command::Migrate(args) => migrate::run(args, settings).await,
        Command::Config(args) => config::run(args, settings).await,
    }
}

/// Prints an error and its causes on stderr and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // `{:#}` prints the whole chain on one line, without a backtrace
    eprintln!("error: {error:#}");
    ExitCode::from(ERROR)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split_whitespace()).is_ok()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                help.contains("Example") && help.contains("warmledger "),
                "{} shows none",
                command.get_name()
            );
            command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in [
            "warmledger --data-dir d --log debug serve",
            "warmledger serve --data-dir d --log debug",
        ] {
            let flags = Cli::try_parse_from(line.split_whitespace())
                .map(|cli| cli.flags())
                .expect(line);
            assert_eq!(
                (flags.data_dir.as_deref(), flags.log.as_deref()),
                (Some("d"), Some("debug"))
            );
        }
        assert!(parses("warmledger serve --listen 127.0.0.1:0"));
        assert!(!parses("warmledger config --listen 127.0.0.1:0"));
    }

    #[test]
    fn a_rebuild_names_one_projection_or_all() {
        assert!(parses("warmledger projections rebuild orders --check"));
        assert!(parses("warmledger projections rebuild --all"));
        assert!(!parses("warmledger projections rebuild"));
        assert!(!parses("warmledger projections rebuild orders --all"));
    }

    #[test]
    fn every_list_takes_the_same_flags() {
        for list in [
            "consumers list",
            "keys list",
            "projections list",
            "projections status",
            "projections parked",
            "quarantine list",
            "subjects list",
            "tokens list",
        ] {
            assert!(parses(&format!("warmledger {list} --limit 5 --json")), "{list}");
            assert!(parses(&format!("warmledger {list} -n 5")), "{list}");
        }
        // these print JSON Lines, one event each
        for list in ["events list", "events tail"] {
            assert!(parses(&format!("warmledger {list} --limit 5")), "{list}");
            assert!(parses(&format!("warmledger {list} -n 5")), "{list}");
        }
    }

    #[test]
    fn what_is_no_position_is_told_what_one_is() {
        for line in [
            "events list --after WR3N4JEW3D76N6KGRQSG36SSHBXK",
            "events evidence E1 --reason a-reason-of-ten",
            "quarantine list --after x",
            "quarantine replay x",
        ] {
            let error = Cli::try_parse_from(format!("warmledger {line}").split_whitespace());
            let error = error.err().expect(line).to_string();
            assert!(error.contains("a position is wanted"), "{line}: {error}");
        }
        assert!(parses("warmledger events show WR3N4JEW3D76N6KGRQSG36SSHBXK"));
    }

    #[test]
    fn the_simulator_takes_what_the_contract_says() {
        assert!(parses(
            "warmledger simulate --url http://127.0.0.1:8080 --orders 9 --rate 2.5 --scenario partial_failure --renewals \
             --duplicates 0.1 --shuffle --seed 7"
        ));
        for bad in [
            "--scenario partial-failure",
            "--duplicates 1.5",
            "--rate 0",
            "--concurrency 0",
            "--key a --key-file b",
        ] {
            assert!(
                !parses(&format!("warmledger simulate --url http://u --orders 1 {bad}")),
                "{bad}"
            );
        }
        assert!(!parses("warmledger simulate --orders 1"));
    }
}
