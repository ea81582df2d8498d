//! A backup of a ledger on SQLite: one file, taken while the service runs, checked before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use proof::verify::{self, Options, Report, VerifyError};
use store::{Mode, SqliteStore, Store, StoreError, copy_sqlite};

/// A finished backup.
pub struct Backup {
    /// The verification of the copy: its head, its root, and no findings.
    pub report: Report,
    /// The size of the file, in bytes.
    pub bytes: u64,
}

/// Why the backup failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file exists already.
    #[error("{} exists already: name another file", .0.display())]
    Exists(PathBuf),
    /// An I/O error.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file, or its directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The database could not be copied, or the copy could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy could not be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The copy lacks events that were recorded before it was begun.
    #[error("the copy ends at position {copied}, but the ledger was at {before} already: it is not kept")]
    Short {
        /// The last position of the copy.
        copied: u64,
        /// The head of the ledger before copying.
        before: u64,
    },
    /// The ledger is unsound, and so is its copy.
    #[error("the copy does not hold what was signed, and is not kept: {0}; run `warmledger verify --full`")]
    Unsound(String),
}

/// Copies the database at `source` to `out`: mode 0600, synced to disk, and checked against the signed checkpoints in
/// it and `kept`, which are pairs of name and note.
///
/// # Errors
/// [`BackupError`]; there is no file at `out` then, unless it was there before.
pub async fn to_file(
    store: &dyn Store,
    source: &Path,
    out: &Path,
    kept: Vec<(String, String)>,
    stop: &CancellationToken,
) -> Result<Backup, BackupError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    let directory = out
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if out.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(out.to_owned()));
    }
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    remove_abandoned(directory, &name);
    let unfinished = Unfinished(directory.join(format!(".{name}.{:016x}", rand::random::<u64>())));
    let path = unfinished.0.as_path();
    // create it as private; SQLite accepts an empty file
    let mut private = OpenOptions::new();
    private.write(true).create_new(true).mode(0o600);
    private.open(path).map_err(io(path))?;
    let before = store.head().await?.position.0;
    copy_sqlite(source, path).await?;
    let copy: Arc<dyn Store> = Arc::new(SqliteStore::open(path, Mode::Existing).await?);
    let options = Options {
        full: false,
        kept,
        keys: Vec::new(),
    };
    let report = verify::verify(Arc::clone(&copy), &options, |_, _| {}, stop).await;
    copy.close().await;
    let report = report?;
    if report.head < before {
        return Err(BackupError::Short {
            copied: report.head,
            before,
        });
    }
    if let Some(finding) = report.findings.first() {
        return Err(BackupError::Unsound(finding.detail.clone()));
    }
    let file = File::open(path).map_err(io(path))?;
    file.sync_all().map_err(io(path))?;
    let bytes = file.metadata().map_err(io(path))?.len();
    // a link, as a rename would overwrite an existing file
    match fs::hard_link(path, out) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(BackupError::Exists(out.to_owned())),
        linked => linked.map_err(io(out))?,
    }
    drop(unfinished);
    File::open(directory)
        .and_then(|dir| dir.sync_all())
        .map_err(io(directory))?;
    Ok(Backup { report, bytes })
}

/// Removes files of this name that killed backups have left behind: no backup takes so long.
fn remove_abandoned(directory: &Path, name: &str) {
    const ABANDONED_AFTER: Duration = Duration::from_hours(24);
    let start = format!(".{name}.");
    let is_ours = |file: &str| {
        let rest = file.strip_prefix(&start)?;
        let (random, end) = rest.split_at_checked(16)?;
        let is_random = random.bytes().all(|digit| digit.is_ascii_hexdigit());
        (is_random && ENDS.contains(&end)).then_some(())
    };
    // files whose metadata can't be read stay
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|data| data.modified()).ok();
        let age = age.and_then(|modified| modified.elapsed().ok());
        if entry.file_name().to_str().and_then(is_ours).is_some() && age.is_some_and(|age| age > ABANDONED_AFTER) {
            let path = entry.path();
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!("removed {}, which a killed backup had left", path.display()),
                Err(error) => tracing::warn!(%error, "cannot remove {}", path.display()),
            }
        }
    }
}

/// The suffixes of a database's files.
const ENDS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// A temporary database that is removed on drop, with its side files.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        for end in ENDS {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%error, "cannot remove {}", Path::new(&path).display());
                }
                _ => {}
            }
        }
    }
}
