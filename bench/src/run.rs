//! Runs all parts, one after the other, and reports the results.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;

use crate::database::Database;
use crate::goals::{Findings, table};
use crate::machine::Machine;
use crate::options::{Options, Part};
use crate::payloads::LedgerKind;
use crate::prepared::Prepared;
use crate::progress::note;
use crate::{as_of, batching, growth, limits, peer, rebuild, rounds, start_up, verify};

/// Time-out for each part.
const LIMIT: Duration = Duration::from_secs(3 * 60 * 60);

/// Measures the chosen parts, prints the table and the details, and saves them if requested.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::ask(&options.postgres_url)
        .await
        .context("PostgreSQL: --postgres-url")?;
    let mut findings = Findings::default();
    if options.wants(Part::Ingest) || options.wants(Part::Rebuild) {
        peer::build().await?;
    }
    if options.wants(Part::Ingest) {
        findings.add(bounded("ingest", rounds::findings(options, &machine)).await?);
    }
    if options.wants(Part::Batching) {
        findings.add(bounded("batching", batching::findings(options)).await?);
    }
    let on_ledger = [Part::Limits, Part::Rebuild, Part::Verify, Part::AsOf, Part::StartUp];
    if on_ledger.into_iter().any(|part| options.wants(part)) {
        findings.add(bounded("a large ledger", on_one_ledger(options)).await?);
    }
    if options.wants(Part::Growth) {
        findings.add(bounded("growth", growth::findings(options)).await?);
    }
    let report = report(options, &machine, &findings);
    write!(std::io::stdout(), "{report}")?;
    if options.write_results {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md"), report)?;
    }
    Ok(())
}

/// The parts that need a large ledger share one. Those that add events come last.
async fn on_one_ledger(options: &Options) -> anyhow::Result<Findings> {
    let database = Database::postgres(&options.postgres_url, &options.dir()?).await?;
    let ledger = Prepared::new(database, options.events(), LedgerKind::Orders).await?;
    let mut findings = Findings::default();
    if options.wants(Part::Limits) {
        findings.add(bounded("limits", limits::findings(options, &ledger)).await?);
    }
    if options.wants(Part::Rebuild) {
        findings.add(bounded("rebuild", rebuild::findings(options, &ledger)).await?);
    }
    if options.wants(Part::Verify) {
        findings.add(bounded("verify", verify::findings(options, &ledger)).await?);
    }
    if options.wants(Part::AsOf) {
        findings.add(bounded("reads", as_of::findings(options, &ledger)).await?);
    }
    if options.wants(Part::StartUp) {
        findings.add(bounded("start-up", start_up::findings(options, &ledger)).await?);
    }
    ledger.database.drop_now().await?;
    Ok(findings)
}

async fn bounded(part: &str, measured: impl Future<Output = anyhow::Result<Findings>>) -> anyhow::Result<Findings> {
    note(part);
    let findings = tokio::time::timeout(LIMIT, measured).await;
    findings
        .with_context(|| format!("{part} took longer than {} minutes", LIMIT.as_secs() / 60))?
        .with_context(|| part.to_owned())
}

fn report(options: &Options, machine: &Machine, findings: &Findings) -> String {
    let scale = if options.quick {
        "A short run at a small scale: it shows that everything works, and its figures are not the ones the goals are for.\n"
    } else {
        ""
    };
    format!(
        "# Figures\n\n{machine}\n{scale}\n{}{}",
        table(&findings.rows),
        findings.details
    )
}
