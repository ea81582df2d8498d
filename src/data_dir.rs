//! The data directory's secret files, made at the first start.
//!
//! Each is made with mode 0600 in a directory of mode 0700; that a group of this process may read it too is no fault (`mode`).
//! A file is written under a temporary name, synced, and then linked to
//! its own name, which fails if it is taken: so a file is there whole or not at all, and of two processes that start at
//! once both use the one that came first.

mod mode;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    secret::{Secret, Wiped},
    settings::{self, Settings},
};

/// More than any of the files needs; keeps a wrong path such as a device from filling the memory.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret that the data directory can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFile {
    /// `webhook.key`: signs webhooks, when no `webhook_key` is set. Several keys may be put there, separated by commas.
    WebhookKey,
    /// `admin.token`: may do everything over HTTP, when no `admin_token` is set.
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
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Somebody else can read a secret file.
    #[error(
        "{} can be read by {to} (mode {mode:04o}); run: chmod 600 {}; where it is mounted, have it mounted with mode 0440",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Who can.
        to: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret file holds something else.
    #[error("{} {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        problem: String,
    },
}

/// The secrets that a running service needs, from the settings or from the data directory.
pub struct ServiceSecrets {
    /// The main source's keys, at least one.
    pub webhook_keys: Vec<Secret<String>>,
    /// The token that may do everything.
    pub admin_token: Secret<String>,
    /// The files that this call created, to be shown to the operator.
    pub created: Vec<PathBuf>,
}

impl ServiceSecrets {
    /// Takes what is set from the settings and the rest from the data directory, where whatever is missing is made.
    ///
    /// # Errors
    /// [`DataDirError`] if the directory can't be used, or a file is readable by others or malformed.
    pub fn prepare(settings: &Settings) -> Result<Self, DataDirError> {
        let dir = settings.data_dir.as_path();
        create_dir(dir)?;
        let mut created = Vec::new();
        let mut read = |file| read_or_create(dir, file, &mut created);
        if settings.ledger_signing_key.is_none() {
            // read again whenever it signs, as it may be rotated
            read(SecretFile::LedgerSigningKey)?;
            read_seed(&SecretFile::LedgerSigningKey.path(dir))?;
        }
        let webhook_keys = match &settings.webhook_key {
            Some(keys) => keys.clone(),
            None => webhook_keys(dir, &read(SecretFile::WebhookKey)?)?,
        };
        let admin_token = match &settings.admin_token {
            Some(token) => token.clone(),
            None => match read(SecretFile::AdminToken)? {
                token if token.chars().all(|c| c.is_ascii_graphic()) => {
                    settings::long_enough(&token)
                        .map_err(|problem| malformed(dir, SecretFile::AdminToken, &problem))?;
                    Secret::new(token.to_string())
                }
                _ => {
                    return Err(malformed(
                        dir,
                        SecretFile::AdminToken,
                        "does not hold one line of visible ASCII",
                    ));
                }
            },
        };
        Ok(Self {
            webhook_keys,
            admin_token,
            created,
        })
    }
}

/// The keys in a data directory's `webhook.key`, without making any: what a simulator on the same machine signs with.
///
/// # Errors
/// [`DataDirError`] if the file is missing, readable by others or malformed.
pub fn read_webhook_keys(data_dir: &Path) -> Result<Vec<Secret<String>>, DataDirError> {
    let path = SecretFile::WebhookKey.path(data_dir);
    webhook_keys(data_dir, &read_secret_file(&path)?)
}

/// Reads a file that holds one secret: its text without white space at the ends.
///
/// # Errors
/// [`DataDirError`] if it can't be read, somebody else than its owner and this process's groups can read it, or it holds no text.
pub fn read_secret_file(path: &Path) -> Result<Wiped<String>, DataDirError> {
    let io = |source| DataDirError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if let Some(to) = mode::strangers(&metadata).map_err(io)? {
        return Err(DataDirError::Exposed {
            path: path.to_owned(),
            to,
            mode: metadata.mode() & 0o7777,
        });
    }
    let mut text = Wiped::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(io)?;
    // some editors write a byte order mark, and CRLF at the end of a line
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(DataDirError::Malformed {
            path: path.to_owned(),
            problem: "is empty".to_owned(),
        }),
        text => Ok(Wiped::new(text.to_owned())),
    }
}

/// Reads a file that holds an Ed25519 seed in hex.
///
/// # Errors
/// As [`read_secret_file`], or [`DataDirError::Malformed`] if it holds something else.
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

/// Makes a file with a new Ed25519 seed. `false`, and nothing written, if there is one already.
///
/// # Errors
/// As [`create_secret_file`].
pub fn create_seed(path: &Path) -> Result<bool, DataDirError> {
    create_secret_file(path, &SecretFile::LedgerSigningKey.generate())
}

/// Puts a secret file in another one's place, durably.
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

fn webhook_keys(dir: &Path, text: &str) -> Result<Vec<Secret<String>>, DataDirError> {
    settings::parse_keys(text).map_err(|problem| malformed(dir, SecretFile::WebhookKey, &problem))
}

fn malformed(dir: &Path, file: SecretFile, problem: &str) -> DataDirError {
    DataDirError::Malformed {
        path: file.path(dir),
        problem: problem.to_owned(),
    }
}

/// Creates the directory, private to its owner, if it isn't there. One that is there keeps its mode: it may be a
/// mounted volume, and the files in it are private by themselves.
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

fn read_or_create(dir: &Path, kind: SecretFile, created: &mut Vec<PathBuf>) -> Result<Wiped<String>, DataDirError> {
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

/// Makes a file of mode 0600 with one line, whole or not at all. `false`, and nothing written, if there is one already:
/// of two processes that start at once, both use the one that came first.
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
    // Without this a crash could lose the name of a secret that something was already sealed or signed with.
    File::open(dir)?.sync_all()
}

/// Writes a file of mode 0600 with these lines in the place of the one that is there: whoever reads it sees the one or
/// the other, whole.
///
/// # Errors
/// [`DataDirError`] if the system refuses; the old file is untouched then.
pub fn replace_secret_file(path: &Path, text: &str) -> Result<(), DataDirError> {
    let replace = || {
        let dir = directory(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = dir.join(format!(".{name}.{:016x}", rand::random::<u64>()));
        let replaced = write_synced(&temporary, text).and_then(|()| fs::rename(&temporary, path));
        if replaced.is_err() {
            // it may not even have been made
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

/// The directory that a file is in.
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

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::settings::Flags;

    fn settings(dir: &Path) -> Settings {
        let data_dir = dir.to_str().map(str::to_owned);
        Settings::from_flags(&Flags {
            data_dir,
            ..Flags::default()
        })
        .expect("settings")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).map(|data| data.mode() & 0o7777).expect("metadata")
    }

    #[test]
    fn the_first_start_makes_private_files_and_the_second_reads_them() {
        let parent = tempfile::tempdir().expect("directory");
        let dir = parent.path().join("a/b");
        let first = ServiceSecrets::prepare(&settings(&dir)).expect("secrets");
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(first.created.len(), 3);
        assert!(first.created.iter().all(|path| mode(path) == 0o600));
        assert_eq!(
            fs::read_dir(&dir).map(Iterator::count).ok(),
            Some(3),
            "no temporary file is left"
        );
        assert!(first.admin_token.expose().starts_with("wl_") && first.admin_token.expose().len() == 3 + 43);
        assert_eq!(first.webhook_keys[0].expose().len(), 64);

        let second = ServiceSecrets::prepare(&settings(&dir)).expect("secrets");
        assert!(second.created.is_empty());
        assert_eq!(second.admin_token.expose(), first.admin_token.expose());
        assert_eq!(
            read_webhook_keys(&dir).map(|keys| keys[0].expose().clone()).ok(),
            Some(first.webhook_keys[0].expose().clone())
        );
    }

    #[test]
    fn many_processes_that_start_at_once_agree() {
        let dir = tempfile::tempdir().expect("directory");
        let settings = settings(dir.path());
        let starts = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| ServiceSecrets::prepare(&settings).ok()))
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok().flatten())
                .collect::<Vec<_>>()
        });
        assert_eq!(starts.len(), 8);
        assert_eq!(
            starts.iter().map(|start| start.created.len()).sum::<usize>(),
            3,
            "each file is made once"
        );
        assert!(
            starts
                .iter()
                .all(|start| start.admin_token.expose() == starts[0].admin_token.expose())
        );
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("directory");
        let path = SecretFile::WebhookKey.path(dir.path());
        fs::write(&path, "planted").expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        let error = ServiceSecrets::prepare(&settings(dir.path()))
            .err()
            .map(|error| error.to_string());
        let error = error.expect("an error");
        assert!(
            error.contains(&format!("chmod 600 {}", path.display())) && !error.contains("planted"),
            "{error}"
        );
    }

    #[test]
    fn a_restart_succeeds_after_the_files_were_given_to_our_group() {
        let dir = tempfile::tempdir().expect("directory");
        let first = ServiceSecrets::prepare(&settings(dir.path())).expect("secrets");
        for mode in [0o660, 0o440] {
            for path in &first.created {
                fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
            }
            let again = ServiceSecrets::prepare(&settings(dir.path())).expect("secrets");
            assert_eq!(again.admin_token.expose(), first.admin_token.expose());
        }
    }

    #[test]
    fn a_malformed_secret_is_refused_without_quoting_it() {
        for (file, text) in [
            (SecretFile::LedgerSigningKey, "planted"),
            (SecretFile::WebhookKey, "planted,,"),
            (SecretFile::AdminToken, "planted x"),
            (SecretFile::AdminToken, "planted-short"),
            (SecretFile::WebhookKey, "planted-short"),
            (SecretFile::LedgerSigningKey, &"00".repeat(32)),
        ] {
            let dir = tempfile::tempdir().expect("directory");
            create(dir.path(), &file.path(dir.path()), text).expect("write");
            let error = ServiceSecrets::prepare(&settings(dir.path()))
                .err()
                .map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(file.name()) && !error.contains("planted")));
        }
    }
}
