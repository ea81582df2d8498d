//! `warmledger events evidence`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aggregates::Position;
use anyhow::Context;

use crate::access::{Caller, Reason};
use crate::cli::{open_store, output};
use crate::evidence::{self, Evidence};
use crate::ledger::Reader;
use crate::service::Core;
use crate::settings::Settings;

/// Opens the original at a position, records that, and prints what was found.
pub(super) async fn run(
    settings: &Settings,
    position: Position,
    reason: Reason,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    // where there is no ledger, none is to be made
    open_store(settings).await?.close().await;
    let core = Core::open(settings).await?;
    let reader = Reader::new(Arc::clone(&core.store), Arc::clone(&core.vault));
    let ingest = |source: &str| core.ingests.get(source);
    let found = Evidence::open(&*core.store, &reader, ingest, position).await?;
    let event = evidence::opened(
        position,
        found.subject(),
        reason.into(),
        out.is_some(),
        Caller::cli().facts(),
    );
    core.ledger.record_access(event).await?;
    if let Some(path) = out {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = file.and_then(|mut file| file.write_all(found.body()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::print_json(&found.finding())?;
    drop(found);
    core.close().await;
    Ok(())
}
