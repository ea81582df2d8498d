//! Settings: `warmledger.toml`, overridden by the environment, overridden by flags.
//!
//! An unknown key or bad value is an error that names the key, where it was set and what is allowed, and never a
//! secret's value.
//!
//! - `declared`: every setting, declared once
//! - `keys`: the declaration of a setting, the keys, and the suggestion for a misspelt one
//! - `layers`: the merge, which remembers where each value came from
//! - `read`, `values`, `url`, `master`: text to types
//! - `secret_files`: secrets in files of their own
//! - `service_secrets`: the secrets of a service, from the settings or the data directory
//! - `effective`, `error`: the settings in effect, masked; what is wrong with one

mod declared;
mod effective;
mod error;
mod keys;
mod layers;
mod master;
mod read;
mod secret_files;
mod service_secrets;
mod url;
mod values;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::declared::SETTINGS;
use self::layers::{Entries, Entry};
pub use self::{
    declared::Settings,
    effective::EffectiveSetting,
    error::{Origin, SettingProblem, SettingsError},
    master::MasterKeySettings,
    service_secrets::{ServiceSecrets, read_webhook_keys},
    url::NatsUrl,
    values::{LogFormat, parse_keys},
};
use ledger::ingest::signature::Scheme;
use proof::checkpoints::SigningKeys;
use secret::Secret;
pub use store::postgres_url::{Host, PostgresUrl, Server, SessionAttrs, SslMode, Tls};
pub use store::url::DatabaseUrl;

/// The settings file that is read, if it exists, when no other is named.
pub const DEFAULT_FILE: &str = "warmledger.toml";

/// The flags of the command line. They may hold a database password: no `Debug`.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--config`: the settings file, which must then exist.
    pub config: Option<PathBuf>,
    /// `--data-dir`
    pub data_dir: Option<String>,
    /// `--database-url`
    pub database_url: Option<Secret<String>>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--log`
    pub log: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
}

impl Flags {
    /// The flags that are given: flag, key, text.
    fn set(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        [
            ("--data-dir", "data_dir", self.data_dir.as_deref()),
            (
                "--database-url",
                "database_url",
                self.database_url.as_ref().map(|url| url.expose().as_str()),
            ),
            ("--listen", "listen", self.listen.as_deref()),
            ("--log", "log", self.log.as_deref()),
            ("--log-format", "log_format", self.log_format.as_deref()),
        ]
        .into_iter()
        .filter_map(|(flag, key, text)| Some((flag, key, text?)))
    }
}

/// One `[sources.NAME]` table. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct SourceSettings {
    /// The keys that this source may sign with, at least one.
    pub webhook_key: Vec<Secret<String>>,
    /// What this source's signatures cover; the main source's scheme unless set.
    pub signature: Scheme,
    /// How far the time of signing may differ from ours; as for the main source unless set.
    pub freshness: Duration,
}

impl Settings {
    /// Loads the settings from the file, the process's environment and the flags.
    ///
    /// # Errors
    /// [`SettingsError`] naming every unknown key and bad value, or why the file can't be read. A missing
    /// [`DEFAULT_FILE`] is no error.
    pub fn load(flags: &Flags) -> Result<Self, SettingsError> {
        let mut environment = HashMap::new();
        let mut problems = Vec::new();
        for (name, value) in env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(keys::ENV_PREFIX)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => drop(environment.insert(name.to_owned(), value)),
                Err(_) => problems.push(SettingProblem {
                    key: name[keys::ENV_PREFIX.len()..].to_lowercase().replace("__", "."),
                    origin: Origin::Environment(name.to_owned()),
                    problem: "is not valid UTF-8".to_owned(),
                }),
            }
        }
        if !problems.is_empty() {
            return Err(SettingsError::Invalid(problems));
        }
        Self::from_layers(read_file(flags.config.as_deref())?, environment, flags)
    }

    /// The defaults and the flags alone, without a file or the environment: for tests and for embedding.
    ///
    /// # Errors
    /// [`SettingsError`] naming every flag with a bad value.
    pub fn from_flags(flags: &Flags) -> Result<Self, SettingsError> {
        Self::from_layers(None, HashMap::new(), flags)
    }

    fn from_layers(
        file: Option<layers::File>,
        environment: HashMap<String, String>,
        flags: &Flags,
    ) -> Result<Self, SettingsError> {
        let origin = file
            .as_ref()
            .map_or(Origin::Default, |file| Origin::File(file.path.clone()));
        declared::read_all(layers::merge(file, environment, flags, SETTINGS)?, &origin)
    }

    /// Where a key's value came from; `key` is its path, e.g. `sources.sandbox.signature`.
    pub fn origin(&self, key: &str) -> &Origin {
        self.entries.get(key).map_or(&Origin::Default, |entry| &entry.origin)
    }

    /// Settings for a demo: the file's and the environment's values about real data are dropped, so that a demo started
    /// in a production directory can't write into its ledger. Flags stay. `fresh_dir` makes the data directory unless a
    /// flag names one.
    ///
    /// # Errors
    /// If the fresh directory can't be made.
    pub fn isolated(mut self, fresh_dir: impl FnOnce() -> std::io::Result<PathBuf>) -> std::io::Result<Self> {
        self.entries.retain(|key, entry| {
            matches!(entry.origin, Origin::Flag(_)) || matches!(key.as_str(), "listen" | "log" | "log_format")
        });
        let named_dir = self.entries.contains_key("data_dir");
        let mut assume = |key: &str, text: String| {
            let (text, origin) = (Secret::new(text), Origin::Default);
            self.entries.insert(key.to_owned(), Entry { text, origin });
        };
        assume("reveal_over_loopback", "true".to_owned());
        if !named_dir {
            let dir = fresh_dir()?.into_os_string().into_string();
            assume(
                "data_dir",
                dir.map_err(|_| std::io::Error::other("its name is not UTF-8"))?,
            );
        }
        let kept = Entries {
            values: self.entries,
            ..Entries::default()
        };
        let settings = declared::read_all(kept, &Origin::Default).map_err(std::io::Error::other)?;
        Ok(Self {
            log: self.log,
            ..settings
        })
    }
}

/// The text of `warmledger.example.toml`: every setting, as a comment, so that a copy of it changes nothing.
pub fn example() -> String {
    SETTINGS.example()
}

fn read_file(named: Option<&Path>) -> Result<Option<layers::File>, SettingsError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(layers::File {
            path: path.to_owned(),
            text,
        })),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

impl From<&Settings> for SigningKeys {
    fn from(settings: &Settings) -> Self {
        Self::new(&settings.data_dir, settings.ledger_signing_key.as_deref())
    }
}
