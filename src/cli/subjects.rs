//! `warmledger subjects`
//!
//! - `find`: finding them by an e-mail address

mod find;

use std::process::ExitCode;

use aggregates::{AccessFacts, Action, Refusal, SubjectId};
use clap::{Args, Subcommand};

use super::output::{self, ListArgs};
use crate::access::{Caller, Journal, Reason};
use crate::http::Subject;
use crate::service::{Core, open_store};
use crate::settings::Settings;
use ledger::erasure::ErasureError;
use store::{Mode, SubjectState};

/// The arguments of `warmledger subjects`.
#[derive(Args)]
#[command(after_help = "\
A subject is a user, by the userId of the provider's webhooks; events that came in before their user was known have a
subject of their own, ~ and the name of their stream, and are erased with the user that they turn out to be about.

Examples:
  warmledger subjects list
  warmledger subjects erase 66f2a1 --reason 'erasure request 2026-117'
  warmledger subjects hold 66f2a1 --reason 'case 4711: court order'")]
pub struct SubjectsArgs {
    /// What to do with the subjects.
    #[command(subcommand)]
    pub command: SubjectsCommand,
}

/// What to do with the subjects.
#[derive(Subcommand)]
pub enum SubjectsCommand {
    /// Erase a subject: destroy its data key, for good
    #[command(after_help = "\
Everything about the subject that was recorded so far becomes unreadable, within a second in every process: e-mail addresses, names,
passwords, original webhooks. The events stay, with their ids, domains and dates, and every proof stays valid. There is
no way back. Works beside a running service.

Example:
  warmledger subjects erase 66f2a1 --reason 'erasure request 2026-117'")]
    Erase {
        /// Whom
        #[arg(value_name = "USER_ID", value_parser = subject)]
        subject: SubjectId,
        /// Why, in at least 10 characters; recorded
        #[arg(long, value_name = "REASON")]
        reason: Reason,
    },
    /// Put a subject under legal hold: it cannot be erased until it is released
    #[command(after_help = "Example:\n  warmledger subjects hold 66f2a1 --reason 'case 4711: court order'")]
    Hold {
        /// Whom
        #[arg(value_name = "USER_ID", value_parser = subject)]
        subject: SubjectId,
        /// Why, in at least 10 characters; recorded
        #[arg(long, value_name = "REASON")]
        reason: Reason,
    },
    /// Find the users of an e-mail address: their own, or that of one of their mailboxes
    #[command(after_help = "\
A request for access or erasure names an address; the other commands take the userId. Prints a JSON line for each subject, and
exits with 1 if there is none. What was erased is not found. The address is read from stdin if it is -, so that it is in no
list of processes.

Examples:
  warmledger subjects find jane@example.com
  warmledger subjects find - < address.txt")]
    Find {
        /// The address
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Make the hashes by which e-mail addresses are found anew, from the sealed sections
    #[command(after_help = "\
They are kept beside the log, and `verify --full` compares them with it. Works beside a running service; until it is done,
searches by address are refused. If it is stopped, a running service or the next call goes on.

Example:
  warmledger subjects reindex")]
    Reindex,
    /// Lift a legal hold
    #[command(after_help = "Example:\n  warmledger subjects release 66f2a1 --reason 'case 4711 is closed'")]
    Release {
        /// Whom
        #[arg(value_name = "USER_ID", value_parser = subject)]
        subject: SubjectId,
        /// Why, in at least 10 characters; recorded
        #[arg(long, value_name = "REASON")]
        reason: Reason,
    },
    /// List all subjects
    #[command(
        after_help = "Examples:\n  warmledger subjects list\n  warmledger subjects list --json | jq -r '.[] | select(.heldAtPosition) | .subject'"
    )]
    List(ListArgs),
    /// Show whether a subject is held or erased
    #[command(after_help = "Example:\n  warmledger subjects show 66f2a1")]
    Show {
        /// Whom
        #[arg(value_name = "USER_ID", value_parser = subject)]
        subject: SubjectId,
    },
}

/// Subjects per read.
const PAGE: u32 = 500;

/// Erases, holds, releases or lists subjects.
///
/// # Errors
/// If the store can't be reached, the subject is not known, or is under legal hold.
pub async fn run(args: SubjectsArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    match args.command {
        SubjectsCommand::List(args) => list(&settings, args).await?,
        SubjectsCommand::Show { subject } => {
            let store = open_store(&settings, Mode::ReadOnly).await?;
            let found = store.subjects(std::slice::from_ref(&subject)).await?.pop();
            let state = found.ok_or(ErasureError::Unknown)?;
            output::print_json(&Subject::from(&state))?;
        }
        SubjectsCommand::Find { email } => return find::run(&settings, email).await,
        SubjectsCommand::Reindex => return find::reindex(&settings).await,
        SubjectsCommand::Erase { subject, reason } => {
            let core = Core::open(&settings, Mode::Existing).await?;
            let facts = facts(&subject, reason);
            let erased = core.erasures.erase(&subject, &facts).await;
            if matches!(erased, Err(ErasureError::Held(..))) {
                let journal = Journal::new(core.ledger.clone(), settings.events_per_minute);
                journal.refused(Action::Erase, Refusal::LegalHold, facts).await?;
            }
            let erased = erased?;
            core.close().await;
            match erased.subjects.len() {
                0 => eprintln!("{subject} was erased before, and nothing was recorded since"),
                many => eprintln!(
                    "erased {subject}: {many} data keys destroyed, the last by the event at position {}",
                    erased.position
                ),
            }
        }
        SubjectsCommand::Hold { subject, reason } => {
            let core = Core::open(&settings, Mode::Existing).await?;
            let position = core.erasures.hold(&subject, facts(&subject, reason)).await?;
            core.close().await;
            eprintln!("{subject} is under legal hold since the event at position {position}");
        }
        SubjectsCommand::Release { subject, reason } => {
            let core = Core::open(&settings, Mode::Existing).await?;
            let position = core.erasures.release(&subject, facts(&subject, reason)).await?;
            core.close().await;
            eprintln!("{subject} is released by the event at position {position}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(subject: &SubjectId, reason: Reason) -> AccessFacts {
    AccessFacts {
        reason: Some(reason.into()),
        subject: Some(subject.clone()),
        ..Caller::cli().facts()
    }
}

async fn list(settings: &Settings, args: ListArgs) -> anyhow::Result<()> {
    let store = open_store(settings, Mode::ReadOnly).await?;
    let mut states: Vec<SubjectState> = Vec::new();
    while states.len() < args.limit() {
        let after = states.last().map(|state| state.subject.clone());
        let page = store.all_subjects(after.as_ref(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        states.extend(page);
    }
    let at = |position: Option<u64>| position.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let heading = ["subject", "key", "held at position", "erased at position"];
    args.print(states.iter().map(Subject::from).collect(), heading, |shown| {
        let key = if shown.has_key { "yes" } else { "no" };
        [
            shown.subject.clone(),
            key.to_owned(),
            at(shown.held_at_position),
            at(shown.erased_at_position),
        ]
    })
}

fn subject(text: &str) -> Result<SubjectId, String> {
    SubjectId::parse(text).map_err(|error| error.to_string())
}
