//! `warmledger backup`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::{interrupt, output};
use crate::backup;
use crate::settings::{DatabaseUrl, MasterKeySettings, Settings};
use proof::checkpoints::Witness;
use secret::data_dir::SecretFile;

/// The arguments of `warmledger backup`.
#[derive(Args)]
#[command(after_help = "\
The copy is the ledger as it was at one moment; the service may run meanwhile. It is mode 0600, compared with the signed
checkpoints and on disk when the command ends, and no file is ever overwritten. The keys are not in it, on purpose: the command
names the files to keep, and they belong somewhere else.

To restore: stop the service, put the copy in the place of the database (and remove what ends in -wal and -shm), put back the
keys and the newest erasures.jsonl, and start. With PostgreSQL use pg_dump or a base backup.

Examples:
  warmledger backup --out /backup/ledger-2026-11-30.db
  warmledger backup --out copy.db --json && warmledger --database-url sqlite:copy.db verify --full")]
pub struct BackupArgs {
    /// The file to write; there must be none yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Print what was written as JSON
    #[arg(long)]
    pub json: bool,
}

/// The backup, as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    file: PathBuf,
    bytes: u64,
    /// The position of the last event in it.
    head: u64,
    /// The root of the tree over its events, in hex.
    root: String,
    seconds: f64,
    /// Files and settings that a restore also needs, to be kept elsewhere.
    keep_apart: Vec<String>,
}

/// Writes the copy.
///
/// # Errors
/// If the ledger is on PostgreSQL, or the copy can't be written or fails its check.
pub async fn run(args: BackupArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let DatabaseUrl::Sqlite(path) = &settings.database_url else {
        bail!(
            "{} is on PostgreSQL, which has its own ways: `pg_dump --format=custom`, or a base backup with \
             `pg_basebackup` and an archive of the write-ahead log",
            settings.database_url
        );
    };
    let begun = Instant::now();
    let stop = interrupt::token()?;
    let store = crate::service::open_store(&settings, store::Mode::ReadOnly).await?;
    let witness = Witness::in_dir(&settings.data_dir);
    let kept = witness.note()?.map(|note| (witness.path().display().to_string(), note));
    let backup = tokio::select! {
        backup = backup::to_file(&*store, path, &args.out, kept.into_iter().collect(), &stop) => backup,
        () = stop.cancelled() => bail!("interrupted; nothing was written"),
    }
    .with_context(|| format!("no backup of {} was made", settings.database_url))?;
    let written = Written {
        file: args.out,
        bytes: backup.bytes,
        head: backup.report.head,
        root: backup.report.root,
        seconds: begun.elapsed().as_secs_f64(),
        keep_apart: keep_apart(&settings),
    };
    store.close().await;
    for warning in &backup.report.warnings {
        eprintln!("warning: {warning}");
    }
    if args.json {
        output::print_json(&written)?;
    } else {
        output::print(&text(&written))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The files and settings outside of the database.
fn keep_apart(settings: &Settings) -> Vec<String> {
    let file = |file: SecretFile| file.path(&settings.data_dir).display().to_string();
    let journal = settings.erasure_journal.display();
    let mut keep = vec![match &settings.master_key {
        MasterKeySettings::File(path) => path.display().to_string(),
        MasterKeySettings::Given(_) => "the setting master_key".to_owned(),
        MasterKeySettings::Transit(path, transit) => {
            format!("{} and the key {} of the transit engine", path.display(), transit.key)
        }
    }];
    keep.push(format!("{journal} (always the newest)"));
    if settings.ledger_signing_key.is_none() {
        keep.push(file(SecretFile::LedgerSigningKey));
    }
    if settings.webhook_key.is_none() {
        keep.push(file(SecretFile::WebhookKey));
    }
    if settings.admin_token.is_none() {
        keep.push(file(SecretFile::AdminToken));
    }
    keep
}

fn text(written: &Written) -> String {
    let Written {
        file,
        bytes,
        head,
        root,
        seconds,
        keep_apart,
    } = written;
    let mut text = format!(
        "{}: {bytes} bytes, events 1 to {head}, root {root}, {seconds:.1} s\nKeep apart from it, for a restore needs them:\n",
        file.display()
    );
    for place in keep_apart {
        text += &format!("  {place}\n");
    }
    text
}
