//! `warmledger subjects find` and `reindex`

use std::collections::BTreeMap;
use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aggregates::SubjectId;
use anyhow::Context;
use serde::Serialize;

use crate::cli::meter::Meter;
use crate::cli::{CHECK_FAILED, interrupt, output};
use crate::service::{master_keys, open_store};
use crate::settings::Settings;
use ledger::Reader;
use ledger::email::{self, EmailAddress};
use secret::Secret;
use store::{Mode, Store};
use vault::Vault;

/// Attempts to empty the table of hashes while others read it, and the pause between them.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// A subject that was found.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundSubject {
    /// Whether it is the subject's own address.
    own: bool,
    /// The positions of events in which it is the address of a mailbox.
    mailbox_events: Vec<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    subject: &'a str,
    #[serde(flatten)]
    found: &'a FoundSubject,
}

/// Finds subjects by an address, or by that on stdin.
pub(super) async fn run(settings: &Settings, email: String) -> anyhow::Result<ExitCode> {
    let email = Secret::new(match email.as_str() {
        "-" => {
            let mut text = String::new();
            // no address is as long
            let mut stdin = std::io::stdin().take(4096);
            stdin.read_to_string(&mut text).context("stdin cannot be read")?;
            text
        }
        _ => email,
    });
    let address = EmailAddress::parse(email.expose()).map_err(|error| anyhow::anyhow!("EMAIL {error}"))?;
    let store = open_store(settings, Mode::ReadOnly).await?;
    let reader = reader(settings, &store).await?;
    let addressed = email::find(&*store, &reader, &address).await?;
    let mut found: BTreeMap<SubjectId, FoundSubject> = BTreeMap::new();
    for subject in addressed.subjects {
        found.entry(subject).or_default().own = true;
    }
    for (event, _) in addressed.events.into_iter().rev() {
        found
            .entry(event.subject)
            .or_default()
            .mailbox_events
            .push(event.position.0);
    }
    for (subject, found) in &found {
        let line = Line {
            subject: subject.as_str(),
            found,
        };
        if !output::print_line(&line)? {
            break;
        }
    }
    if found.is_empty() {
        eprintln!("no subject has this address; what was erased is not found");
        return Ok(ExitCode::from(CHECK_FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes all hashes anew.
pub(super) async fn reindex(settings: &Settings) -> anyhow::Result<ExitCode> {
    let stop = interrupt::token()?;
    let store = open_store(settings, Mode::Existing).await?;
    let reader = reader(settings, &store).await?;
    let head = forgotten(&*store).await?;
    let mut meter = Meter::events("reindexing");
    let done = email::complete(
        &*store,
        &reader,
        |left| meter.events_at(head - left.0.min(head), head),
        &stop,
    )
    .await?;
    drop(meter);
    if stop.is_cancelled() {
        anyhow::bail!("stopped before the end; a running service or `warmledger subjects reindex` makes the rest");
    }
    eprintln!("made {} hashes of the addresses in {head} events", done.hashes);
    if done.unopened > 0 {
        eprintln!(
            "{} events could not be opened, since they were altered: `warmledger verify --full` tells which",
            done.unopened
        );
        return Ok(ExitCode::from(CHECK_FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes all hashes. Waits for readers of their table, without holding up webhooks meanwhile.
async fn forgotten(store: &dyn Store) -> anyhow::Result<u64> {
    for _ in 1..ATTEMPTS {
        match store.forget_emails().await {
            Err(error) if error.is_transient() => tokio::time::sleep(PAUSE).await,
            forgotten => return Ok(forgotten?.0),
        }
    }
    Ok(store.forget_emails().await?.0)
}

/// Opens what is sealed, and changes nothing.
async fn reader(settings: &Settings, store: &Arc<dyn Store>) -> anyhow::Result<Reader> {
    let vault = Vault::open_to_read(master_keys(settings)?, &**store).await?;
    let vault = vault.context("the ledger has no keys yet, so there is nothing to find")?;
    Ok(Reader::new(Arc::clone(store), Arc::new(vault)))
}
