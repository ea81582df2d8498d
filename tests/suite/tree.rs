//! The Merkle tree: its growth, signing and serving, and that any change of the log is found.
//!
//! - `growth`: trees of logs that were written without one
//! - `signing`: checkpoints and keys
//! - `served`: tiles, checkpoints and proofs over HTTP
//! - `external`: all of it against Go's implementation of transparency logs
//! - `tampering`: every way to alter a log, found by `verify`
//! - `side_tables`: the side tables against their events
//! - `recorded`: the record of operations on the log and its keys
//! - `bundles`: audit bundles, and their checker

mod bundles;
mod external;
mod growth;
mod recorded;
mod served;
mod side_tables;
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

/// Verifies the ledger, also against kept checkpoints.
pub async fn check(store: &Arc<dyn Store>, full: bool, kept: &[&str]) -> Report {
    check_with(store, full, kept, None).await
}

/// The same, with master keys.
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
    // tests drop the triggers to alter the log; other tests check that this is found
    let unguarded = |finding: &&Finding| finding.kind == FindingKind::Schema;
    report.found -= report.findings.iter().filter(unguarded).count() as u64;
    report.findings.retain(|finding| !unguarded(&finding));
    report
}
