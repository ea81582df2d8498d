//! The Merkle tree: how it grows, what is signed and served of it, and that whatever is done to the log shows.
//!
//! - `growth`: trees of logs that were written without one
//! - `signing`: checkpoints and keys
//! - `served`: tiles, checkpoints and proofs over HTTP
//! - `external`: all of it against Go's implementation of transparency logs
//! - `tampering`: every way to alter a log, found by `verify`
//! - `beside`: the tables beside the log, against what its events tell of them
//! - `recorded`: what is done with the log and its keys
//! - `bundles`: what an auditor gets, and what the checker in it says

mod beside;
mod bundles;
mod external;
mod growth;
mod recorded;
mod served;
mod signing;
mod tampering;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use warmledger::checkpoints::CheckpointSigner;
use warmledger::settings::ServiceSecrets;
use warmledger::store::Store;
use warmledger::vault::MasterKeySource;
use warmledger::verify::{Finding, FindingKind, Options, Report, verify_with};

use crate::support::Database;

/// A signer on a test's database and data directory.
async fn signer(database: &Database, store: &Arc<dyn Store>) -> CheckpointSigner {
    ServiceSecrets::prepare(&database.settings()).unwrap();
    let dir = database.dir.path().to_owned();
    let origin = Some("ledger.test/1");
    CheckpointSigner::open(Arc::clone(store), dir, origin).await.unwrap()
}

/// Checks everything, also against checkpoints that somebody kept.
pub async fn check(store: &Arc<dyn Store>, full: bool, kept: &[&str]) -> Report {
    check_with(store, full, kept, None).await
}

/// The same, with master keys at hand.
async fn check_with(
    store: &Arc<dyn Store>,
    full: bool,
    kept: &[&str],
    masters: Option<Arc<dyn MasterKeySource>>,
) -> Report {
    let kept = kept.iter().map(|note| ("kept".to_owned(), (*note).to_owned()));
    let options = Options {
        full,
        kept: kept.collect(),
        keys: Vec::new(),
    };
    let report = verify_with(
        Arc::clone(store),
        &options,
        masters,
        |_, _| {},
        &CancellationToken::new(),
    )
    .await;
    let mut report = report.unwrap();
    // tests take the guards away to get at the log: that this shows has tests of its own
    let unguarded = |finding: &&Finding| finding.kind == FindingKind::Schema;
    report.found -= report.findings.iter().filter(unguarded).count() as u64;
    report.findings.retain(|finding| !unguarded(&finding));
    report
}
