//! Checking the log against itself and against every checkpoint that was signed: has any event been altered, removed, put in
//! or put elsewhere since it was recorded?
//!
//! Layout
//! - `rows`: each row against the hash of its leaf, some thousand at a time
//! - `tree`: the tree that the leaf hashes make, against the stored one
//! - `signed`: checkpoints against that tree
//! - `side_tables`: the tables beside the log, against what its events tell of them: `implied` says what that is, `references`,
//!   `subjects`, `tokens`, `signing_keys`, `master_keys` and `data_keys` compare it
//! - `times`: when events were recorded, against the clock and each other
//! - `schema`: triggers, keys, tables and views, against what the migrations make
//! - `quick`: the tree and the checkpoints from the stored nodes, and a sample of the rows
//!
//! What is checked is the log up to its end at the start, so a live service goes on meanwhile. Memory is bounded, however long
//! the log is.

mod data_keys;
mod implied;
mod master_keys;
mod quick;
mod references;
mod rows;
mod schema;
mod side_tables;
mod signed;
mod signing_keys;
mod subjects;
mod times;
mod tokens;
mod tree;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use signed::Expected;
use store::tasks;
use store::{Outline, Store, StoreError};
use times::Times;
use tlog::{Frontier, NoteVerifier};
use vault::MasterKeySource;

/// At most so many findings of each kind are listed; the first one is what counts.
const LISTED: usize = 5;

/// What to check.
pub struct Options {
    /// Every row and every node; otherwise the stored nodes, the checkpoints, the newest rows and a sample of the others.
    pub full: bool,
    /// Further checkpoints that have to hold, kept outside of the database: what they are called, and the signed notes.
    pub kept: Vec<(String, String)>,
    /// The public keys that checkpoints may be signed with; those that the database names, if there are none.
    pub keys: Vec<NoteVerifier>,
}

/// What kind of thing is wrong, the kinds that name an event first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// Rows are missing.
    Missing,
    /// A row is not what its leaf hash says.
    Altered,
    /// A row is there that should not be.
    Extra,
    /// An event's version is not its place in its stream.
    Version,
    /// The tree that the leaf hashes make is not the stored one.
    Tree,
    /// The log is not what a signed checkpoint says.
    Checkpoint,
    /// The head does not fit the log.
    Head,
    /// References are not those of the events.
    References,
    /// A legal hold or an erasure is not what the events tell.
    Subject,
    /// A data key, a signing key or the master key is missing, broken, or there where it should not be.
    Key,
    /// A token is not what the events tell.
    Token,
    /// A table is missing: nothing was compared with it or, if it is one of the log's own, nothing at all.
    Table,
    /// A trigger, a key, a table or a view is not what the migrations make.
    Schema,
    /// Events are stamped later than it is now, or the log's time was changed.
    Clock,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Extra => "extra",
            Self::Version => "version",
            Self::Tree => "tree",
            Self::Checkpoint => "checkpoint",
            Self::Head => "head",
            Self::References => "references",
            Self::Subject => "subject",
            Self::Key => "key",
            Self::Token => "token",
            Self::Table => "table",
            Self::Schema => "schema",
            Self::Clock => "clock",
        })
    }
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// The first position that it may concern; none if it concerns none.
    pub position: Option<u64>,
    /// The last position that it may concern.
    pub until: Option<u64>,
    /// What differs.
    pub detail: String,
}

impl Finding {
    fn new(kind: FindingKind, positions: impl Into<Option<(u64, u64)>>, detail: impl Into<String>) -> Self {
        let positions = positions.into();
        Self {
            kind,
            position: positions.map(|(first, _)| first),
            until: positions.map(|(_, last)| last),
            detail: detail.into(),
        }
    }
}

/// What a checkpoint covers that was kept outside of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// What it is called.
    pub name: String,
    /// It covers the events 1 to this one; none if it is 0.
    pub size: u64,
    /// How many events were recorded since, which it says nothing of.
    pub since: u64,
}

/// What a check has found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The end of the log when the check began.
    pub head: u64,
    /// The root of the tree over it, in hex.
    pub root: String,
    /// Rows whose leaf was computed anew.
    pub rows: u64,
    /// Signed checkpoints that were compared.
    pub checkpoints: u64,
    /// What those of them cover that were kept outside of the database and can be read.
    pub kept: Vec<Coverage>,
    /// Whether everything was checked.
    pub full: bool,
    /// What is wrong: what names an event first, then by position; at most five of each kind are listed, but for those of the schema.
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub found: u64,
    /// What could not be checked, and why.
    pub warnings: Vec<String>,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        // a table is missed by each part of the log again
        if finding.kind == FindingKind::Table && self.findings.contains(&finding) {
            return;
        }
        self.found += 1;
        let alike = self.findings.iter().filter(|known| known.kind == finding.kind);
        // each trigger that is missing has to be made again
        if finding.kind == FindingKind::Schema || alike.count() < LISTED {
            self.findings.push(finding);
        }
    }

    fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Whether all is well.
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }
}

/// Why a check did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was stopped.
    #[error("stopped before the end")]
    Cancelled,
}

/// Checks the log. `progress` gets how many rows of how many are done. Data keys are not opened.
///
/// # Errors
/// [`VerifyError`] if the check could not be done; whatever it finds is in the report.
pub async fn verify(
    store: Arc<dyn Store>,
    options: &Options,
    progress: impl FnMut(u64, u64),
    stop: &CancellationToken,
) -> Result<Report, VerifyError> {
    verify_with(store, options, None, progress, stop).await
}

/// As [`verify`]; a full check opens the data keys too, if the master keys of this source do.
///
/// # Errors
/// As [`verify`].
pub async fn verify_with(
    store: Arc<dyn Store>,
    options: &Options,
    masters: Option<Arc<dyn MasterKeySource>>,
    progress: impl FnMut(u64, u64),
    stop: &CancellationToken,
) -> Result<Report, VerifyError> {
    match check(store, options, masters.as_ref(), progress, stop).await {
        Err(VerifyError::Store(error)) if error.is_missing_table() => {
            let mut report = Report {
                full: options.full,
                ..Report::default()
            };
            let detail = format!("a table was removed, and nothing else could be checked without it: {error}");
            report.add(Finding::new(FindingKind::Table, None, detail));
            Ok(report)
        }
        checked => checked,
    }
}

async fn check(
    store: Arc<dyn Store>,
    options: &Options,
    masters: Option<&Arc<dyn MasterKeySource>>,
    mut progress: impl FnMut(u64, u64),
    stop: &CancellationToken,
) -> Result<Report, VerifyError> {
    // the checkpoints' end first: what is signed while this runs may cover more than the log that is checked
    let newest = store.latest_checkpoint().await?;
    let outline = store.outline().await?;
    let mut report = Report {
        head: outline.end().unsigned_abs(),
        full: options.full,
        ..Report::default()
    };
    ends(&outline, &mut report);
    let newest = newest.map_or(0, |checkpoint| checkpoint.id);
    let mut expected = Expected::new(&*store, options, newest, report.head).await?;
    report.kept = expected.coverage();
    report.warnings.extend(report.kept.iter().filter(|kept| kept.size == 0).map(|kept| {
        format!(
            "the checkpoint {} covers no event: it was signed while the log was empty, and holds against any log; keep a newer \
             one",
            kept.name
        )
    }));
    report.add_all(expected.unusable());
    report.add_all(expected.beyond(report.head).await?);
    schema::check(&*store, &mut report).await?;
    let times = Arc::new(Times::read(&*store, report.head).await?);
    let seen = if options.full {
        report.add_all(expected.misnumbered().await?);
        // beside the rest: it goes by an index, and there mostly waits
        let streams = Arc::clone(&store);
        let misversioned = AbortOnDropHandle::new(tokio::spawn(async move { streams.misversioned().await }));
        let checked = tree::check(
            &store,
            &outline,
            (&mut expected, &times),
            masters,
            &mut report,
            &mut progress,
            stop,
        );
        let seen = checked.await?;
        let first = tasks::outcome(misversioned.await).unwrap_or_else(|| Err(StoreError::ending()))?;
        if let Some(first) = first {
            let detail = "its version is not its place in its stream";
            report.add(Finding::new(FindingKind::Version, (first.0, first.0), detail));
        }
        seen
    } else {
        quick::check(
            &store,
            &outline,
            (&mut expected, &times),
            &mut report,
            &mut progress,
            stop,
        )
        .await?
    };
    times.finish(&seen, &mut report);
    last_time(&*store, &outline, &mut report).await?;
    report.checkpoints = expected.compared();
    report
        .findings
        .sort_by_key(|finding| (finding.kind, finding.position.unwrap_or(u64::MAX)));
    Ok(report)
}

/// Whether the head and the outermost rows fit.
fn ends(outline: &Outline, report: &mut Report) {
    let head = outline.end();
    if let Some(first) = outline.first.filter(|first| *first < 1) {
        let detail = format!("a row has position {first}, and the first one is 1");
        report.add(Finding::new(FindingKind::Extra, None, detail));
    }
    match outline.last {
        Some(last) if last > head => {
            let beyond = (head.unsigned_abs() + 1, last.unsigned_abs());
            let detail = format!("the head says that the log ends at {head}");
            report.add(Finding::new(FindingKind::Extra, beyond, detail));
        }
        last => {
            let last = last.unwrap_or_default().max(0);
            if last < head {
                let gone = (last.unsigned_abs() + 1, head.unsigned_abs());
                let detail = format!("the log ends at {last}, and the head says that it ends at {head}");
                report.add(Finding::new(FindingKind::Missing, gone, detail));
            }
        }
    }
    let Some(stored) = &outline.head else {
        let detail = "there is no head: the row that says where the log ends was removed, and nothing can be appended";
        report.add(Finding::new(FindingKind::Head, None, detail));
        return;
    };
    if stored.tree_size != head {
        let size = stored.tree_size;
        let detail = format!(
            "the tree covers {size} events, and the head says that there are {head}; the next start builds the rest"
        );
        report.add(Finding::new(FindingKind::Head, None, detail));
    }
}

/// Whether the head has the time of the last event. No later event is recorded with an earlier one.
async fn last_time(store: &dyn Store, outline: &Outline, report: &mut Report) -> Result<(), StoreError> {
    let Some(stored) = &outline.head else { return Ok(()) };
    let (head, mut time) = (stored.position, None);
    let read = store
        .scan(head..head + 1, &mut |row| time = Some(row.recorded_at.to_owned()))
        .await;
    match read {
        // a row that cannot be read has been found
        Err(StoreError::Corrupt(_)) => return Ok(()),
        read => read?,
    }
    if let Some(time) = time.filter(|time| *time != stored.recorded_at) {
        let detail = format!(
            "the head says that the last event was recorded at {}, and its row says {time}",
            stored.recorded_at
        );
        report.add(Finding::new(FindingKind::Head, None, detail));
    }
    Ok(())
}

/// The frontier that the head has, if it is one.
fn stored_frontier(outline: &Outline) -> Option<Frontier> {
    let head = outline.head.as_ref()?;
    let size = u64::try_from(head.tree_size).ok()?;
    Frontier::from_bytes(size, &head.frontier)
}
