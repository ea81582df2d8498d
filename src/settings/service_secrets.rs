//! The secrets of a running service, from the settings or the data directory.

use std::path::{Path, PathBuf};

use secret::data_dir::{DataDirError, SecretFile, create_dir, read_or_create, read_secret_file, read_seed};
use secret::{Secret, long_enough};

use super::{Settings, parse_keys};

/// The secrets of a running service, from the settings or the data directory.
pub struct ServiceSecrets {
    /// The main source's keys, at least one.
    pub webhook_keys: Vec<Secret<String>>,
    /// The admin token, which has all scopes.
    pub admin_token: Secret<String>,
    /// The files that this call created, for the operator.
    pub created: Vec<PathBuf>,
}

impl ServiceSecrets {
    /// Takes secrets from the settings, and the rest from the data directory, where missing ones are created.
    ///
    /// # Errors
    /// [`DataDirError`] if the directory can't be used, or a file is readable by others or malformed.
    pub fn prepare(settings: &Settings) -> Result<Self, DataDirError> {
        let dir = settings.data_dir.as_path();
        create_dir(dir)?;
        let mut created = Vec::new();
        let mut read = |file| read_or_create(dir, file, &mut created);
        if settings.ledger_signing_key.is_none() {
            // only checked here: it is read at each signing, as it may be rotated
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
                    long_enough(&token).map_err(|problem| malformed(dir, SecretFile::AdminToken, &problem))?;
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

/// The keys in a data directory's `webhook.key`, without creating any: a simulator on the same machine signs with them.
///
/// # Errors
/// [`DataDirError`] if the file is missing, readable by others or malformed.
pub fn read_webhook_keys(data_dir: &Path) -> Result<Vec<Secret<String>>, DataDirError> {
    let path = SecretFile::WebhookKey.path(data_dir);
    webhook_keys(data_dir, &read_secret_file(&path)?)
}

fn webhook_keys(dir: &Path, text: &str) -> Result<Vec<Secret<String>>, DataDirError> {
    parse_keys(text).map_err(|problem| malformed(dir, SecretFile::WebhookKey, &problem))
}

fn malformed(dir: &Path, file: SecretFile, problem: &str) -> DataDirError {
    DataDirError::Malformed {
        path: file.path(dir),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use secret::data_dir::create_secret_file;

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
            create_secret_file(&file.path(dir.path()), text).expect("write");
            let error = ServiceSecrets::prepare(&settings(dir.path()))
                .err()
                .map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(file.name()) && !error.contains("planted")));
        }
    }
}
