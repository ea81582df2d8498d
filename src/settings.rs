//! Settings: `warmledger.toml`, overridden by the environment, overridden by flags.
//!
//! Anything unknown or wrong is an error that says which key, where it was set and what is allowed, and never the value
//! of a secret.
//!
//! - `keys`: the known keys, and the suggestion for a misspelt one
//! - `layers`: the merge, which remembers where each value came from
//! - `reader`, `read`, `values`, `url`, `master`: text to types
//! - `secret_files`: secrets that stand in files of their own
//! - `service_secrets`: what a service needs, or else the data directory has
//! - `effective`: the way back, masked

mod effective;
mod error;
mod keys;
mod layers;
mod master;
mod read;
mod reader;
mod secret_files;
mod service_secrets;
mod url;
mod values;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    env,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use aggregates::Source;
use ipnet::IpNet;

pub use self::{
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

/// The settings file that is read, if it is there, when no other is named.
pub const DEFAULT_FILE: &str = "warmledger.toml";
const DEFAULT_DATA_DIR: &str = "./warmledger-data";
const ERASURE_JOURNAL: &str = "erasures.jsonl";
const DEFAULT_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));
const DEFAULT_LOG: &str = "info";
const DEFAULT_QUEUE_CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).unwrap(); // checked by the compiler: a constant
const DEFAULT_MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(800).unwrap(); // checked by the compiler: a constant
const DEFAULT_BODY_BUDGET: NonZeroUsize = NonZeroUsize::new(64 * 1024 * 1024).unwrap(); // checked by the compiler: a constant
const DEFAULT_STREAMS_PER_TOKEN: NonZeroU32 = NonZeroU32::new(20).unwrap(); // checked by the compiler: a constant
const DEFAULT_LAG_LIMIT: Duration = Duration::from_secs(60);
const DEFAULT_READY_WITH_PARKED: bool = true;
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
// the unwraps of constants are done by the compiler
const DEFAULT_REVEALS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).unwrap();
const DEFAULT_EVENTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).unwrap();
const DEFAULT_CALLS_PER_TOKEN: NonZeroU32 = NonZeroU32::new(64).unwrap();
const DEFAULT_CONSUMERS_PER_TOKEN: NonZeroU32 = NonZeroU32::new(20).unwrap();
const DEFAULT_MOMENTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// What the command line set. It may hold a database password: no `Debug`.
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
    /// The flags that set something: flag, key, text.
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

/// Everything that can be set. Holds secrets: no `Debug`; [`effective`](Settings::effective) is the safe view.
#[derive(Clone)]
pub struct Settings {
    /// Where the ledger is stored.
    pub database_url: DatabaseUrl,
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Where generated secrets are kept, and the default SQLite file.
    pub data_dir: PathBuf,
    /// The keys under which the main source signs, all accepted; `None` means the data directory's `webhook.key`.
    pub webhook_key: Option<Vec<Secret<String>>>,
    /// What the main source's signatures cover.
    pub signature: Scheme,
    /// Where the key that wraps all data keys comes from.
    pub master_key: MasterKeySettings,
    /// The seeds of the keys that sign checkpoints, the newest first; `None` means the data directory's `ledger-signing.key`.
    pub ledger_signing_key: Option<Vec<Secret<[u8; 32]>>>,
    /// The file that keeps in mind who was erased, whatever becomes of the database.
    pub erasure_journal: PathBuf,
    /// The token that may do everything; `None` means the data directory's `admin.token`.
    pub admin_token: Option<Secret<String>>,
    /// The NATS server that events are published to, if any.
    pub nats_url: Option<NatsUrl>,
    /// A tracing filter.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How many commands may wait for the writer before senders are told to come back later.
    pub queue_capacity: NonZeroUsize,
    /// How many connections there may be, within the process's descriptors.
    pub max_connections: NonZeroUsize,
    /// How many bytes of requests' bodies may be under way.
    pub body_budget_bytes: NonZeroUsize,
    /// How many event streams one token may have open.
    pub streams_per_token: NonZeroU32,
    /// How far a projection may lag behind before the service reports itself not ready.
    pub lag_limit: Duration,
    /// Whether the service reports itself ready while rows of a projection stand still.
    pub ready_with_parked: bool,
    /// How long an open event stream may be silent before a heartbeat is sent.
    pub heartbeat: Duration,
    /// The proxies in front of the service whose headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether credentials and tokens are handed out over loopback without HTTPS.
    pub reveal_over_loopback: bool,
    /// Of how many mailboxes a minute one token may see the credentials.
    pub reveals_per_minute: NonZeroU32,
    /// How many events a minute one token's calls may append.
    pub events_per_minute: NonZeroU32,
    /// How many calls of one token may be under way at the same time.
    pub calls_per_token: NonZeroU32,
    /// How many named consumers one token may have.
    pub consumers_per_token: NonZeroU32,
    /// For how many earlier moments a minute one token may have lists folded.
    pub moments_per_minute: NonZeroU32,
    /// The log's name in its checkpoints; `None` means that it is made up at the first start.
    pub checkpoint_origin: Option<String>,
    /// Further senders by name, each received at `/webhooks/NAME`.
    pub sources: BTreeMap<Source, SourceSettings>,
    origins: BTreeMap<String, Origin>,
    /// The files that secrets were read from, by their keys.
    secret_files: BTreeMap<String, PathBuf>,
}

/// One `[sources.NAME]` table. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct SourceSettings {
    /// The keys under which this source signs, at least one, all accepted.
    pub webhook_key: Vec<Secret<String>>,
    /// What this source's signatures cover; the main source's scheme unless set.
    pub signature: Scheme,
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
        read::read(layers::merge(file, environment, flags)?, origin)
    }

    /// Where a key's value came from; `key` is its path, e.g. `sources.sandbox.signature`.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// Settings for play: nothing that the file or the environment says about real data is kept, so that a demo started
    /// in a production directory can't write into its ledger. What a flag said stays. `fresh_dir` is the data directory
    /// unless a flag named one.
    pub fn isolated(mut self, fresh_dir: impl FnOnce() -> std::io::Result<PathBuf>) -> std::io::Result<Self> {
        self.origins.retain(|key, origin| {
            matches!(origin, Origin::Flag(_)) || matches!(key.as_str(), "listen" | "log" | "log_format")
        });
        if *self.origin("data_dir") == Origin::Default {
            self.data_dir = fresh_dir()?;
        }
        if *self.origin("database_url") == Origin::Default {
            self.database_url = DatabaseUrl::Sqlite(self.data_dir.join("warmledger.db"));
        }
        self.master_key = MasterKeySettings::File(self.data_dir.join("master.key"));
        self.erasure_journal = self.data_dir.join(ERASURE_JOURNAL);
        self.ledger_signing_key = None;
        self.secret_files.clear();
        self.webhook_key = None;
        self.signature = Scheme::default();
        self.admin_token = None;
        self.nats_url = None;
        self.queue_capacity = DEFAULT_QUEUE_CAPACITY;
        self.max_connections = DEFAULT_MAX_CONNECTIONS;
        self.body_budget_bytes = DEFAULT_BODY_BUDGET;
        self.streams_per_token = DEFAULT_STREAMS_PER_TOKEN;
        self.lag_limit = DEFAULT_LAG_LIMIT;
        self.ready_with_parked = DEFAULT_READY_WITH_PARKED;
        self.heartbeat = DEFAULT_HEARTBEAT;
        self.trusted_proxies.clear();
        self.reveal_over_loopback = true;
        self.reveals_per_minute = DEFAULT_REVEALS_PER_MINUTE;
        self.events_per_minute = DEFAULT_EVENTS_PER_MINUTE;
        self.calls_per_token = DEFAULT_CALLS_PER_TOKEN;
        self.consumers_per_token = DEFAULT_CONSUMERS_PER_TOKEN;
        self.moments_per_minute = DEFAULT_MOMENTS_PER_MINUTE;
        self.checkpoint_origin = None;
        self.sources.clear();
        Ok(self)
    }
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
