//! `warmledger events evidence`

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aggregates::Position;
use anyhow::Context;

use crate::access::{Caller, Reason};
use crate::cli::output;
use crate::service::Core;
use crate::settings::Settings;
use ledger::Reader;
use ledger::evidence::{self, Evidence};
use store::Mode;

/// Opens the original at a position, records that, and prints the finding.
pub(super) async fn run(
    settings: &Settings,
    position: Position,
    reason: Reason,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    // the reveal is recorded first, so the ledger has to take events
    let core = Core::open(settings, Mode::Existing).await?;
    let reader = Reader::new(Arc::clone(&core.store), Arc::clone(&core.vault));
    let ingest = |source: &str| core.ingests.get(source);
    let found = Evidence::open(&*core.store, &reader, ingest, position).await?;
    // create the file before recording that the body was handed out
    let file = out.map(create).transpose()?;
    let event = evidence::opened(
        position,
        found.subject(),
        reason.into(),
        out.is_some(),
        Caller::cli().facts(),
    );
    core.ledger.record_access(event).await?;
    if let Some((mut file, path)) = file {
        file.write_all(found.body())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::print_json(&found.finding())?;
    drop(found);
    core.close().await;
    Ok(())
}

/// A new file that only its owner reads.
fn create(path: &Path) -> anyhow::Result<(File, &Path)> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.with_context(|| match path.exists() {
        true => format!(
            "{} is there already; choose another name, nothing is overwritten",
            path.display()
        ),
        false => format!("cannot make {}", path.display()),
    })?;
    Ok((file, path))
}
