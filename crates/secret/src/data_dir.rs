//! The data directory's secret files, created at the first start.
//!
//! Each has mode 0600 in a directory of mode 0700; read access for a group of this process is accepted too (`mode`). A
//! file is written under a temporary name, synced, and then hard-linked to its own name, which fails if that exists: so
//! a file is complete or missing, and two processes that start at once both use the first one.

mod mode;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Secret, Wiped};

/// More than any of the files needs; a wrong path, such as a device, cannot fill the memory.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret that the data directory can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFile {
    /// `webhook.key`: signs webhooks, if no `webhook_key` is set. Several keys may be put there, separated by commas.
    WebhookKey,
    /// `admin.token`: has every scope over HTTP, if no `admin_token` is set.
    AdminToken,
    /// `ledger-signing.key`: the Ed25519 seed that signs the ledger's checkpoints, in hex.
    LedgerSigningKey,
}

impl SecretFile {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebhookKey => "webhook.key",
            Self::AdminToken => "admin.token",
            Self::LedgerSigningKey => "ledger-signing.key",
        }
    }

    /// The file's path in a data directory.
    pub fn path(self, data_dir: &Path) -> PathBuf {
        data_dir.join(self.name())
    }

    fn generate(self) -> Wiped<String> {
        let bytes = Wiped::new(rand::random::<[u8; 32]>());
        Wiped::new(match self {
            Self::WebhookKey | Self::LedgerSigningKey => hex::encode(*bytes),
            Self::AdminToken => format!("wl_{}", BASE64_URL_SAFE_NO_PAD.encode(*bytes)),
        })
    }
}

/// Why the data directory can't be used. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The system refused an operation on a file or directory.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The failed operation.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Other users can read a secret file.
    #[error(
        "{} can be read by {to} (mode {mode:04o}); run: chmod 600 {}; where it is mounted, have it mounted with mode 0440",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The users or groups that can.
        to: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret file is malformed.
    #[error("{} {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The problem and the allowed content.
        problem: String,
    },
}

/// Reads a file that holds one secret: its text, trimmed of white space.
///
/// # Errors
/// [`DataDirError`] if it can't be read, others than its owner and this process's groups can read it, or it is empty.
pub fn read_secret_file(path: &Path) -> Result<Wiped<String>, DataDirError> {
    let io = |source| DataDirError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if let Some(to) = mode::others_who_may_read(&metadata).map_err(io)? {
        return Err(DataDirError::Exposed {
            path: path.to_owned(),
            to,
            mode: metadata.mode() & 0o7777,
        });
    }
    let mut text = Wiped::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(io)?;
    // some editors write a byte order mark, and CRLF line ends
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(DataDirError::Malformed {
            path: path.to_owned(),
            problem: "is empty".to_owned(),
        }),
        text => Ok(Wiped::new(text.to_owned())),
    }
}

/// Who can read a file besides its owner and this process's groups; none if no others can, or that is unknown.
pub fn others_who_read(path: &Path) -> Option<String> {
    mode::others_who_may_read(&fs::metadata(path).ok()?).ok()?
}

/// Reads a file that holds an Ed25519 seed in hex.
///
/// # Errors
/// As [`read_secret_file`], or [`DataDirError::Malformed`] if it is not a seed.
pub fn read_seed(path: &Path) -> Result<Secret<[u8; 32]>, DataDirError> {
    let text = read_secret_file(path)?;
    let mut seed = Wiped::new([0; 32]);
    hex::decode_to_slice(text.as_str(), &mut *seed).map_err(|_| DataDirError::Malformed {
        path: path.to_owned(),
        problem: "does not hold 64 hexadecimal digits".to_owned(),
    })?;
    if seed.iter().all(|byte| *byte == 0) {
        return Err(DataDirError::Malformed {
            path: path.to_owned(),
            problem: "holds nothing but zeros, which anybody can guess; make a key with `openssl rand -hex 32`"
                .to_owned(),
        });
    }
    Ok(Secret::new(*seed))
}

/// Creates a file with a new Ed25519 seed. Returns `false` and writes nothing if the file exists.
///
/// # Errors
/// As [`create_secret_file`].
pub fn create_seed(path: &Path) -> Result<bool, DataDirError> {
    create_secret_file(path, &SecretFile::LedgerSigningKey.generate())
}

/// Replaces a secret file by another one, durably.
///
/// # Errors
/// [`DataDirError`] if the system refuses.
pub fn move_secret_file(from: &Path, to: &Path) -> Result<(), DataDirError> {
    fs::rename(from, to)
        .and_then(|()| File::open(directory(to))?.sync_all())
        .map_err(|source| DataDirError::Io {
            action: "replace",
            path: to.to_owned(),
            source,
        })
}

/// Creates the directory, private to its owner, if it is missing. An existing one keeps its mode: it may be a mounted
/// volume, and the files in it are private themselves.
///
/// # Errors
/// [`DataDirError`] if the system refuses.
pub fn create_dir(dir: &Path) -> Result<(), DataDirError> {
    let io = |source| DataDirError::Io {
        action: "create the directory",
        path: dir.to_owned(),
        source,
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)
}

/// Reads a secret file of the data directory, or creates it if it is missing and adds its path to `created`.
///
/// # Errors
/// [`DataDirError`] if the directory can't be used, or the file is readable by others or empty.
pub fn read_or_create(dir: &Path, kind: SecretFile, created: &mut Vec<PathBuf>) -> Result<Wiped<String>, DataDirError> {
    let path = kind.path(dir);
    match read_secret_file(&path) {
        Err(DataDirError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        read => return read,
    }
    if create_secret_file(&path, &kind.generate())? {
        created.push(path.clone());
    }
    read_secret_file(&path)
}

/// Creates a file of mode 0600 with one line, atomically. Returns `false` and writes nothing if the file exists: two
/// processes that start at once both use the first one.
///
/// # Errors
/// [`DataDirError`] if the system refuses.
pub fn create_secret_file(path: &Path, text: &str) -> Result<bool, DataDirError> {
    match create(directory(path), path, text) {
        Ok(()) => Ok(true),
        Err(source) if source.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(DataDirError::Io {
            action: "create",
            path: path.to_owned(),
            source,
        }),
    }
}

fn create(dir: &Path, path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let linked = write_synced(&temporary, text).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    linked?;
    removed?;
    // Without this a crash could lose the file name of a secret that was already used to seal or sign.
    File::open(dir)?.sync_all()
}

/// Atomically replaces a file by one of mode 0600 with these lines: a reader sees either the old or the new one.
///
/// # Errors
/// [`DataDirError`] if the system refuses; then the old file is unchanged.
pub fn replace_secret_file(path: &Path, text: &str) -> Result<(), DataDirError> {
    let replace = || {
        let dir = directory(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = dir.join(format!(".{name}.{:016x}", rand::random::<u64>()));
        let replaced = write_synced(&temporary, text).and_then(|()| fs::rename(&temporary, path));
        if replaced.is_err() {
            // it may not exist at all
            let _ = fs::remove_file(&temporary);
        }
        replaced?;
        File::open(dir)?.sync_all()
    };
    replace().map_err(|source| DataDirError::Io {
        action: "replace",
        path: path.to_owned(),
        source,
    })
}

/// The directory of a file.
fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
