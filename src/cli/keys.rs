//! `warmledger keys`

use std::process::ExitCode;
use std::sync::Arc;

use aggregates::{AccessEvent, AccessFacts, EventId};
use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::meter::Meter;
use super::output::ListArgs;
use super::{CHECK_FAILED, output};
use crate::access::{Caller, Reason};
use crate::processes;
use crate::service::{master_keys, open_store};
use crate::settings::Settings;
use ledger::{record_access, record_access_as};
use proof::checkpoints::{self, SigningKeys};
use sealing::{KeyWrapper, MasterKey, MasterKeyId};
use store::{EventFilter, EventQuery, Mode, Store};
use vault::{OnMissingKey, Rotation, RotationError, Vault};

/// The arguments of `warmledger keys`.
#[derive(Args)]
#[command(after_help = "\
Each subject has a data key, and the master key wraps them all. To replace the master key is to wrap them anew; events
are not touched.

Examples:
  warmledger keys list
  warmledger keys rotate
  warmledger keys retire 0123456789abcdef")]
pub struct KeysArgs {
    /// What to do with the keys.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What to do with the keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// List the master keys, and how many data keys each wraps
    #[command(after_help = "Examples:\n  warmledger keys list\n  warmledger keys list --json")]
    List(ListArgs),
    /// Tell whether the current master key wraps everything; exit code 1 if not
    #[command(after_help = "Example:\n  warmledger keys status || warmledger keys rotate")]
    Status,
    /// Make a new master key and put it beside the others, without using it yet
    #[command(after_help = "\
For several hosts with a key file each: add, copy the file to all of them, then rotate.

Example:
  warmledger keys add --reason 'yearly'")]
    Add {
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
    },
    /// Wrap all data keys under a new master key
    #[command(after_help = "\
The newest key of the file or of the setting is used if it is not in use yet, else one is made. Services go on meanwhile,
and learn of the new key by themselves where they can read it. If a running service on another host does not have it, nothing
is rotated, and the hosts are named: give them the key and run it again (exit code 2). If it is interrupted, run it again: it
goes on. The old master key stays beside the new one, as older backups of the database need it, until it is retired.

Example:
  warmledger keys rotate --reason 'yearly'")]
    Rotate {
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
        /// Rotate although running services do not have the new key: they take in nothing about new users until they do
        #[arg(long)]
        force: bool,
    },
    /// Make a new key that signs the ledger's checkpoints
    #[command(after_help = "\
A checkpoint that both the old and the new key sign hands over, so anyone who knows the old one can trust the new one. The new key
waits in ledger-signing.key.next beside the old one. If a running service does not have it there, nothing is rotated, and the
hosts are named: copy that file to them and run it again (exit code 2). Then they take it up by themselves.

Example:
  warmledger keys rotate-signing --reason 'yearly'")]
    RotateSigning {
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
        /// Rotate although running services do not have the new key: they sign nothing until they do
        #[arg(long)]
        force: bool,
    },
    /// Forget a master key that wraps nothing any more: backups from its time can no longer be opened
    #[command(after_help = "Example:\n  warmledger keys retire 0123456789abcdef")]
    Retire {
        /// Its id, as `keys list` shows it
        #[arg(value_name = "ID")]
        id: MasterKeyId,
        /// Why; recorded
        #[arg(long, value_name = "REASON", value_parser = Reason::given)]
        reason: Option<Reason>,
    },
}

/// Lists, rotates or retires keys.
///
/// # Errors
/// If the store can't be reached, a key is missing, or the rotation could not be finished.
pub async fn run(args: KeysArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let mode = match args.command {
        KeysCommand::List { .. } | KeysCommand::Status => Mode::ReadOnly,
        _ => Mode::Existing,
    };
    let store = open_store(&settings, mode).await?;
    let vault = Vault::open(master_keys(&settings)?, &*store).await?;
    match args.command {
        KeysCommand::List(args) => list(&*store, &vault, args).await?,
        KeysCommand::Status => return status(&*store, &vault).await,
        KeysCommand::Add { reason } => add(&*store, &vault, reason).await?,
        KeysCommand::Rotate { reason, force } => {
            let on_missing_key = if force {
                OnMissingKey::LeaveBehind
            } else {
                OnMissingKey::Fail
            };
            rotate(&store, &vault, reason, on_missing_key).await?;
        }
        KeysCommand::RotateSigning { reason, force } => rotate_signing(&*store, &settings, reason, force).await?,
        KeysCommand::Retire { id, reason } => retire(&*store, &vault, id, reason).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A master key as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    current: bool,
    /// Whether the source of master keys has it.
    present: bool,
    data_keys: u64,
}

async fn list(store: &dyn Store, vault: &Vault, args: ListArgs) -> anyhow::Result<()> {
    let counts = store.key_counts().await?;
    let (current, present) = (vault.masters().id(), vault.masters().ids());
    let gone = counts.iter().map(|(id, _)| *id).filter(|id| !present.contains(id));
    let ids: Vec<MasterKeyId> = present.iter().copied().chain(gone).collect();
    let listed: Vec<Listed> = ids
        .into_iter()
        .map(|id| Listed {
            id: id.to_string(),
            current: id == current,
            present: present.contains(&id),
            data_keys: counts
                .iter()
                .find(|(other, _)| *other == id)
                .map_or(0, |(_, count)| *count),
        })
        .collect();
    args.print(listed, ["master key", "state", "data keys"], |key| {
        let role = match (key.current, key.present) {
            (true, _) => "current",
            (false, true) => "kept",
            (false, false) => "missing",
        };
        [key.id.clone(), role.to_owned(), key.data_keys.to_string()]
    })
}

async fn status(store: &dyn Store, vault: &Vault) -> anyhow::Result<ExitCode> {
    let current = vault.masters().id();
    let counts = store.key_counts().await?;
    let (own, others): (Vec<_>, Vec<_>) = counts.into_iter().partition(|(id, _)| *id == current);
    let count = |keys: &[(MasterKeyId, u64)]| keys.iter().map(|(_, count)| count).sum::<u64>();
    let (own, left) = (count(&own), count(&others));
    output::print(&format!(
        "master key {current} wraps {own} data keys; {left} are still under another one\n"
    ))?;
    Ok(match left {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(CHECK_FAILED),
    })
}

/// Facts of an access event about a key.
fn about(key: impl ToString, reason: Option<Reason>) -> AccessFacts {
    AccessFacts {
        key: Some(key.to_string()),
        reason: reason.map(String::from),
        ..Caller::cli().facts()
    }
}

async fn add(store: &dyn Store, vault: &Vault, reason: Option<Reason>) -> anyhow::Result<()> {
    let source = vault.masters().source();
    source.add().await?;
    let newest = source.load().await?.first().map(MasterKey::id);
    let newest = newest.with_context(|| format!("there is no master key in {}", source.describe()))?;
    record_added(store, vault, newest, reason).await?;
    eprintln!(
        "master key {newest} is in {} now; `warmledger keys rotate` puts it to use",
        source.describe()
    );
    Ok(())
}

/// The key's name is known only once it is made; if recording fails, the key is removed again.
async fn record_added(
    store: &dyn Store,
    vault: &Vault,
    key: MasterKeyId,
    reason: Option<Reason>,
) -> anyhow::Result<()> {
    if let Err(error) = record_access(store, AccessEvent::MasterKeyAdded(about(key, reason))).await {
        vault.masters().source().remove(key).await?;
        return Err(error).context("no master key was added, since it could not be recorded");
    }
    Ok(())
}

/// Recorded first: a signing key without an event would look like an intruder's.
async fn rotate_signing(
    store: &dyn Store,
    settings: &Settings,
    reason: Option<Reason>,
    force: bool,
) -> anyhow::Result<()> {
    let keys = SigningKeys::from(settings);
    let next = checkpoints::next_key(store, keys.clone()).await?;
    if !force {
        let half = checkpoints::half(&next);
        let lacking = processes::lacking(store, |holds| holds.signing_keys.contains(&half)).await?;
        if !lacking.is_empty() {
            let what_to_do = match keys.waiting_at() {
                Some(path) => format!("put a copy of {} into their data directories", path.display()),
                None => "name it in their setting ledger_signing_key too, before the old one, and start them again"
                    .to_owned(),
            };
            anyhow::bail!(
                "nothing was rotated: the new signing key is missing in {}; {what_to_do}, and run `warmledger keys rotate-signing` \
                 again; --force leaves those behind, and they sign no checkpoints until they have it",
                processes::list(&lacking)
            );
        }
    }
    let facts = about(&next, reason);
    record_access_as(
        store,
        checkpoints::rotation_id(&next)?,
        AccessEvent::SigningKeyRotated(facts),
    )
    .await?;
    let key = checkpoints::rotate(store, keys).await?;
    output::print(&format!("{key}\n"))?;
    eprintln!(
        "signs the checkpoints now; a checkpoint signed by the old key too hands over. Give it to everyone who checks them."
    );
    Ok(())
}

async fn rotate(
    store: &Arc<dyn Store>,
    vault: &Vault,
    reason: Option<Reason>,
    on_missing_key: OnMissingKey,
) -> anyhow::Result<()> {
    let from = vault.masters().id();
    let rotation = match Rotation::begin(vault, &**store, on_missing_key).await {
        Err(RotationError::Lacking(lacking)) => {
            if lacking.made {
                record_added(&**store, vault, lacking.key, reason).await?;
            }
            return Err(RotationError::Lacking(lacking).into());
        }
        begun => begun?,
    };
    let to = rotation.to();
    let facts = about(to, reason);
    let (before, newest) = rotations(&**store).await?;
    // one event per rotation, however often it is interrupted and resumed
    if newest.as_deref() != Some(to.to_string().as_str()) {
        let event_id = EventId::parse(&format!("rotation-{to}-{before}"))?;
        record_access_as(&**store, event_id, AccessEvent::KeysRotated(facts)).await?;
    }
    let mut meter = Meter::keys("rotate");
    let rotated = rotation.run(|done, total| meter.keys_at(done, total)).await;
    drop(meter);
    let rotated = rotated?;
    let how = if rotated.resumed {
        "finished an interrupted rotation"
    } else {
        "rotated"
    };
    eprintln!(
        "{how}: master key {to} wraps everything, {} data keys were wrapped anew",
        rotated.rewrapped
    );
    if from != to {
        eprintln!(
            "master key {from} is kept for older backups of the database; `warmledger keys retire {from}` forgets it"
        );
    }
    Ok(())
}

/// The number of recorded rotations, and the newest one's master key.
async fn rotations(store: &dyn Store) -> anyhow::Result<(u64, Option<String>)> {
    const PAGE: u32 = 1_000;
    let mut query = EventQuery {
        limit: PAGE,
        filter: EventFilter {
            types: vec!["KeysRotated".to_owned()],
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    let (mut count, mut newest) = (0, None);
    loop {
        let page = store.events(&query).await?;
        count += page.len() as u64;
        let Some(last) = page.last() else { break };
        query.after = last.position;
        newest = last
            .to_recorded()?
            .event
            .as_access()
            .and_then(|event| event.facts().key.clone());
        if page.len() < PAGE as usize {
            break;
        }
    }
    Ok((count, newest))
}

async fn retire(store: &dyn Store, vault: &Vault, id: MasterKeyId, reason: Option<Reason>) -> anyhow::Result<()> {
    if id == vault.masters().id() {
        anyhow::bail!("{id} is the current master key");
    }
    let counts = store.key_counts().await?;
    if let Some((_, count)) = counts.into_iter().find(|(other, _)| *other == id) {
        anyhow::bail!("master key {id} still wraps {count} data keys; `warmledger keys rotate` wraps them anew");
    }
    let source = vault.masters().source();
    if !source.load().await?.iter().any(|key| key.id() == id) {
        anyhow::bail!("there is no master key {id} in {}", source.describe());
    }
    record_access(store, AccessEvent::MasterKeyRetired(about(id, reason))).await?;
    source.remove(id).await?;
    eprintln!("master key {id} is gone from {}", source.describe());
    Ok(())
}
