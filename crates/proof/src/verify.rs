//! Checks the log against itself and against every signed checkpoint: has any event been altered, removed, inserted or
//! moved since it was recorded?
//!
//! Layout
//! - `rows`: each row against the hash of its leaf, some thousand at a time
//! - `tree`: the tree over the leaf hashes, against the stored one
//! - `signed`: checkpoints against that tree
//! - `side_tables`: the side tables, against the events: `implied` collects what the events imply, `references`,
//!   `subjects`, `tokens`, `signing_keys`, `master_keys` and `data_keys` compare it
//! - `emails`: the hashes of e-mail addresses, against the sealed sections
//! - `times`: when events were recorded, against the clock and each other
//! - `schema`: triggers, keys, tables and views, against those that the migrations create
//! - `quick`: the tree and the checkpoints from the stored nodes, and a sample of the rows
//!
//! The check covers the log up to its head at the start, so a live service can go on meanwhile. Memory is bounded for
//! any length of the log.

mod data_keys;
mod emails;
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

/// At most so many findings of each kind are listed; the first one matters most.
const LISTED: usize = 5;

/// The options of a check.
pub struct Options {
    /// Every row and node; otherwise the stored nodes, the checkpoints, the newest rows and a sample of the others.
    pub full: bool,
    /// Further checkpoints that have to match, kept outside the database: their names, and the signed notes.
    pub kept: Vec<(String, String)>,
    /// The public keys that checkpoints may be signed with; if there are none, those in the database.
    pub keys: Vec<NoteVerifier>,
}

/// The kind of a finding; the kinds that name an event come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// Rows are missing.
    Missing,
    /// A row does not match its leaf hash.
    Altered,
    /// A row should not exist.
    Extra,
    /// An event's version is not its place in its stream.
    Version,
    /// The tree over the leaf hashes differs from the stored one.
    Tree,
    /// The log differs from a signed checkpoint.
    Checkpoint,
    /// The head does not fit the log.
    Head,
    /// References differ from those of the events.
    References,
    /// A legal hold or an erasure differs from the events.
    Subject,
    /// A data key, a signing key or the master key is missing, broken, or unexpected.
    Key,
    /// A token differs from the events.
    Token,
    /// A table is missing: nothing was compared with it or, if it is one of the log's own, nothing at all.
    Table,
    /// A trigger, a key, a table or a view differs from the migrations'.
    Schema,
    /// Events are stamped later than now, or the log's time was changed.
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

/// A problem, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// The first position that it may concern; none if it concerns none.
    pub position: Option<u64>,
    /// The last position that it may concern.
    pub until: Option<u64>,
    /// The difference.
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

/// The coverage of a checkpoint kept outside the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Its name.
    pub name: String,
    /// It covers the events 1 to this one; no event if it is 0.
    pub size: u64,
    /// How many later events it does not cover.
    pub since: u64,
}

/// The result of a check.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The head of the log when the check began.
    pub head: u64,
    /// The root of the tree over it, in hex.
    pub root: String,
    /// Rows whose leaf was recomputed.
    pub rows: u64,
    /// Signed checkpoints compared.
    pub checkpoints: u64,
    /// The coverage of the readable checkpoints kept outside the database.
    pub kept: Vec<Coverage>,
    /// Whether everything was checked.
    pub full: bool,
    /// The findings: those that name an event first, then by position; at most five of each kind, except for the
    /// schema's.
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub found: u64,
    /// The parts that could not be checked, and why.
    pub warnings: Vec<String>,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        // each part of the check reports a missing table again
        if finding.kind == FindingKind::Table && self.findings.contains(&finding) {
            return;
        }
        self.found += 1;
        let alike = self.findings.iter().filter(|known| known.kind == finding.kind);
        // each missing trigger has to be listed, for repair
        if finding.kind == FindingKind::Schema || alike.count() < LISTED {
            self.findings.push(finding);
        }
    }

    fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Whether nothing was found.
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }
}

/// Why a check was not completed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The check was stopped.
    #[error("stopped before the end")]
    Cancelled,
}

/// Checks the log. `progress` gets the number of rows done and their total. Data keys are not opened.
///
/// # Errors
/// [`VerifyError`] if the check could not be completed; its findings are in the report.
pub async fn verify(
    store: Arc<dyn Store>,
    options: &Options,
    progress: impl FnMut(u64, u64),
    stop: &CancellationToken,
) -> Result<Report, VerifyError> {
    verify_with(store, options, None, progress, stop).await
}

/// As [`verify`]; a full check also opens the data keys with the master keys of this source, and with them the personal
/// sections, for the hashes of the addresses in them.
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
    // the newest checkpoint is read first: one signed during the check may cover more than the log being checked
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
        // in parallel: it reads an index, and mostly waits for the database
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
        emails::check(&store, report.head, masters, &mut report, stop).await?;
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

/// Checks that the head and the outermost rows match.
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

/// Checks that the head has the time of the last event: a later event must not be recorded with an earlier one.
async fn last_time(store: &dyn Store, outline: &Outline, report: &mut Report) -> Result<(), StoreError> {
    let Some(stored) = &outline.head else { return Ok(()) };
    let (head, mut time) = (stored.position, None);
    let read = store
        .scan(head..head + 1, &mut |row| time = Some(row.recorded_at.to_owned()))
        .await;
    match read {
        // an unreadable row was already reported
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

/// The frontier in the head, if it is valid.
fn stored_frontier(outline: &Outline) -> Option<Frontier> {
    let head = outline.head.as_ref()?;
    let size = u64::try_from(head.tree_size).ok()?;
    Frontier::from_bytes(size, &head.frontier)
}
