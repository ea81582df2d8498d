//! Every setting, declared once: its key, its type, its default and what it does. The struct [`Settings`], what the file, the
//! environment and the flags may set, `warmledger config` and `warmledger.example.toml` follow from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use aggregates::Source;
use ipnet::IpNet;

use super::error::{Origin, SettingsError};
use super::keys::{Kind, Setting, Table, Unset};
use super::layers::{Entries, Entry};
use super::read::EntryReader;
use super::values::{self, LogFormat};
use super::{DatabaseUrl, MasterKeySettings, NatsUrl, SourceSettings};
use ledger::ingest::signature::Scheme;
use secret::Secret;

macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! of {
    () => {
        None
    };
    ($of:ident) => {
        Some(stringify!($of))
    };
}

/// What counts where nothing is set: of a declaration's last part.
macro_rules! unset {
    (or $value:literal) => {
        Unset::Value($value)
    };
    (within $file:literal, $prefix:literal $($make:expr)?) => {
        Unset::InDataDir($prefix, $file)
    };
    (generated $file:literal, $example:literal) => {
        Unset::Generated($file, $example)
    };
    ($optional:ident $example:literal) => {
        Unset::Nothing($example)
    };
}

/// Reads one setting; none if it is not good.
macro_rules! read {
    ($reader:ident $key:expr, $parse:expr, or $default:literal) => {
        $reader.or($key, $parse)
    };
    ($reader:ident $key:expr, $parse:expr, within $file:literal, $prefix:literal $make:expr) => {
        $reader.within($key, $parse, $make)
    };
    ($reader:ident $key:expr, $parse:expr, list $example:literal) => {
        Some($reader.get($key, $parse).unwrap_or_default())
    };
    ($reader:ident $key:expr, $parse:expr, $optional:ident $($rest:tt)*) => {
        Some($reader.get($key, $parse))
    };
}

/// `field "KEY": TYPE = KIND(PARSE) UNSET(…);`: what is read by itself; the key is the field's name unless it is given. Then
/// `key: KIND(OF) UNSET(…);`: what `master` and `nats` read together.
macro_rules! settings {
    (
        fields {$(
            $(#[doc = $doc:literal])*
            $field:ident $($key:literal)?: $type:ty = $kind:ident($parse:expr) $unset:ident($($default:tt)*);
        )*}
        parts {$(
            $(#[doc = $part_doc:literal])*
            $part:ident: $part_kind:ident$(($of:ident))? $part_unset:ident($($part_default:tt)*);
        )*}
    ) => {
        /// Everything that can be set. Holds secrets: no `Debug`; [`effective`](Settings::effective) is the safe view.
        #[derive(Clone)]
        pub struct Settings {
            $(
                $(#[doc = $doc])*
                pub $field: $type,
            )*
            /// Where the key that wraps all data keys comes from.
            pub master_key: MasterKeySettings,
            /// The NATS server that events are published to, if any.
            pub nats_url: Option<NatsUrl>,
            /// Further senders by name, each received at `/webhooks/NAME`.
            pub sources: BTreeMap<Source, SourceSettings>,
            /// What was set, and where.
            pub(super) entries: BTreeMap<String, Entry>,
            /// The files that secrets were read from, by their keys.
            pub(super) secret_files: BTreeMap<String, PathBuf>,
        }

        /// All settings at the top level, in the order in which they are shown.
        pub(super) const SETTINGS: Table = Table(&[
            $(Setting {
                key: key!($field $($key)?),
                kind: Kind::$kind,
                unset: unset!($unset $($default)*),
                of: None,
                doc: &[$($doc),*],
            },)*
            $(Setting {
                key: stringify!($part),
                kind: Kind::$part_kind,
                unset: unset!($part_unset $($part_default)*),
                of: of!($($of)?),
                doc: &[$($part_doc),*],
            },)*
        ]);

        /// Reads all of them. Every problem is collected, so that one start shows them all.
        ///
        /// # Errors
        /// [`SettingsError::Invalid`] with all of them.
        pub(super) fn read_all(entries: Entries, file: &Origin) -> Result<Settings, SettingsError> {
            let mut reader = EntryReader::new(entries, SETTINGS);
            $(let $field = read!(reader key!($field $($key)?), $parse, $unset $($default)*);)*
            let master_key = super::master::read(&mut reader);
            let nats_url = reader.nats();
            let sources = reader.sources(file);
            match ($($field,)*) {
                ($(Some($field),)*) if reader.problems.is_empty() => Ok(Settings {
                    $($field,)*
                    master_key,
                    nats_url,
                    sources,
                    entries: reader.values,
                    secret_files: reader.files,
                }),
                _ => Err(SettingsError::Invalid(reader.problems)),
            }
        }
    };
}

settings! {
    fields {
        /// Where the ledger is stored: sqlite:PATH (default: warmledger.db in data_dir) or postgres://USER:PASSWORD@HOST/DATABASE,
        /// with libpq's parameters: ?sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem. In user and password write / as %2F, ? as %3F,
        /// # as %23, @ as %40 and % as %25. What the URL leaves open is taken from PGHOST, PGPASSWORD, … and ~/.pgpass.
        database_url: DatabaseUrl = Url(DatabaseUrl::parse) within("warmledger.db", "sqlite:" DatabaseUrl::Sqlite);

        /// Where the service listens, as IP:PORT. Put TLS in front of any address but loopback.
        listen: SocketAddr = Text(values::parse_address) or("127.0.0.1:8080");

        /// Where the generated keys are kept, and the default database. Made at the first start, private to its owner.
        data_dir: PathBuf = Text(values::parse_path) or("./warmledger-data");

        /// The key under which the provider signs its webhooks, or several separated by commas: all are accepted, for rotation.
        /// Each has 16 bytes at least. Default: the generated data_dir/webhook.key.
        webhook_key: Option<Vec<Secret<String>>> = Secrets(values::parse_keys) generated("webhook.key", "the partner API key");

        /// What a signature covers: timestamp.body, timestampbody or body.
        signature: Scheme = Text(values::scheme) or("timestamp.body");

        /// How far the time at which a webhook was signed may differ from the time at which it comes, such as 90s, 5m or 24h; for a relay
        /// that signs once and delivers later. 1s to 30d.
        freshness: Duration = Text(values::freshness) or("5m");

        /// How long webhooks that were refused are kept aside, sealed, so that `warmledger refused replay` can take them in once the right
        /// key is configured; 0s keeps none. At most 90d.
        refused_keep: Duration = Text(values::period(0, 90 * 86_400)) or("7d");

        /// How many bytes of them are kept at most. Half is for senders from whose address an authentic webhook came before, and no address
        /// has more than an eighth. 1048576 (1 MiB) or more.
        refused_max_bytes: NonZeroUsize = Number(values::number(1 << 20, 1 << 40)) or("67108864");

        /// How long the deliveries of webhooks are listed: what came, from where, and how it was answered. 1h to 3650d.
        deliveries_keep: Duration = Text(values::period(3_600, 3_650 * 86_400)) or("30d");

        /// The key that signs the ledger's checkpoints, as 64 hexadecimal digits. To rotate it: the new one, a comma, the old one, in every
        /// process, then `warmledger keys rotate-signing`. Default: the generated data_dir/ledger-signing.key.
        ledger_signing_key: Option<Vec<Secret<[u8; 32]>>> =
            Secrets(values::parse_seeds) generated("ledger-signing.key", "64 hexadecimal digits");

        /// The file that keeps in mind who was erased, so that a restored backup does not bring anybody back. Back it up often, and
        /// apart from the database. Default: erasures.jsonl in data_dir.
        erasure_journal: PathBuf = Text(values::parse_path) within("erasures.jsonl", "" PathBuf::from);

        /// The bearer token that may do everything, of 16 bytes at least. Default: the generated data_dir/admin.token.
        admin_token: Option<Secret<String>> = Secret(values::parse_token) generated("admin.token", "a long random text");

        /// What is logged, as a tracing filter, e.g. "warn,warmledger=debug".
        log: String = Text(values::parse_filter) or("info");

        /// How log lines look on stderr: pretty or json.
        log_format: LogFormat = Text(LogFormat::from_str) or("pretty");

        /// How many webhooks may wait to be recorded; more are answered 503 with Retry-After. 1 to 1000000.
        queue_capacity: NonZeroUsize = Number(values::number(1, 1_000_000)) or("4096");

        /// How many connections there may be at once; no more are taken than the process may open files, less 128 for the database.
        /// Beyond that, each new one takes the place of the one that has been silent the longest. 16 to 1000000.
        max_connections: NonZeroUsize = Number(values::number(16, 1_000_000)) or("800");

        /// How many bytes of requests' bodies may be in memory at once, those of webhooks that wait to be recorded included; beyond that
        /// the body that has been arriving the longest, or a new one, is answered 503 with Retry-After. 2097152 (2 MiB) or more.
        body_budget_bytes: NonZeroUsize = Number(values::number(2 << 20, 1 << 40)) or("67108864");

        /// How many event streams one token may have open; more are answered 429. All streams together are half of max_connections at
        /// most. 1 to 100000.
        streams_per_token: NonZeroU32 = Number(values::limit) or("20");

        /// How many seconds a projection may lag behind before /readyz answers 503. 1 to 86400.
        lag_limit "lag_limit_seconds": Duration = Number(values::seconds(86_400)) or("60");

        /// Whether /readyz stays 200 while rows of a projection are parked, since an event could not be folded into them: true or
        /// false. Webhooks are recorded and all other rows are kept up to date either way, and /readyz names the projection.
        ready_with_parked: bool = Flag(values::parse_flag) or("true");

        /// After how many seconds without an event a heartbeat is sent on an open event stream. 1 to 300.
        heartbeat "heartbeat_seconds": Duration = Number(values::seconds(300)) or("15");

        /// The proxies in front of the service, as addresses or networks separated by commas. Only from these X-Forwarded-For (who
        /// calls), X-Forwarded-Proto (whether over https) and Forwarded (RFC 7239: both) are believed. Credentials and tokens are
        /// handed out over https only. A proxy on the same machine is named too: 127.0.0.1, ::1. Default: none.
        trusted_proxies: Vec<IpNet> = Text(values::parse_networks) list("10.0.0.7, 192.168.0.0/16");

        /// Whether credentials and tokens are handed out over loopback without https: true or false. Only where no proxy or tunnel on
        /// this machine forwards calls from elsewhere: they would come over loopback too.
        reveal_over_loopback: bool = Flag(values::parse_flag) or("false");

        /// Of how many mailboxes a minute one token may see the credentials, each mailbox of a domain and of a webhook's body counted; more
        /// are answered 429 with Retry-After. Each process counts for itself. 1 to 100000.
        reveals_per_minute: NonZeroU32 = Number(values::limit) or("30");

        /// How many events a minute the calls of one token may append: what people do is recorded for ever. More are answered 429 with
        /// Retry-After. Each process counts for itself. 1 to 100000.
        events_per_minute: NonZeroU32 = Number(values::limit) or("120");

        /// How many calls of one token may be under way at the same time in a process; more are answered 429. 1 to 100000.
        calls_per_token: NonZeroU32 = Number(values::limit) or("64");

        /// How many named consumers of the feed one token may have. 1 to 100000.
        consumers_per_token: NonZeroU32 = Number(values::limit) or("20");

        /// For how many earlier moments a minute one token may have lists folded (asOf); moments whose rows are still kept do not count. More
        /// are answered 429 with Retry-After. Each process counts for itself. 1 to 100000.
        moments_per_minute: NonZeroU32 = Number(values::limit) or("20");

        /// The log's name in its signed checkpoints, best a URL of yours without the scheme. It is kept at the first start, and cannot be
        /// changed later. Default: warmledger/ and 16 random hexadecimal digits.
        checkpoint_origin: Option<String> = Text(values::parse_origin) optional("ledger.example.com");

    }

    parts {
        /// The key that wraps all data keys, in a file that is looked at every two seconds: a new key is put on a line before the others.
        /// Without it nothing that is sealed can be read again: keep a copy elsewhere.
        /// Default: the generated data_dir/master.key.
        master_key_file: Text within("master.key", "");

        /// Instead of a file: the master key itself, 32 bytes in hexadecimal digits or base64; several separated by commas, the
        /// newest first, for rotation. Better set by WARMLEDGER_MASTER_KEY. Not beside master_key_file or transit_url.
        master_key: Secrets(master_key_file) optional("64 hexadecimal digits");

        /// A transit engine of HashiCorp Vault or OpenBao, which seals the keys in master_key_file: the file alone can
        /// open nothing. Asked at the start and for a rotation, never for an event. All of this is off unless transit_url is set:
        /// the name of the key in the engine, and where the engine is mounted (default: transit); the token, or a file that holds it
        /// and that an agent may renew, and which may encrypt, decrypt and rewrap with that key; for https the PEM files of the
        /// authority that the server's certificate has to be signed by (default: those of the system), and of the certificate and key
        /// by which this service shows who it is.
        transit_url: Text(master_key_file) optional("https://vault.example.com:8200");
        transit_key: Text(transit_url) optional("warmledger");
        transit_mount: Text(transit_url) or("transit");
        transit_token: Secret(transit_url) optional("hvs.…");
        transit_token_file: Text(transit_url) optional("/run/secrets/vault-token");
        transit_root_certificate: Text(transit_url) optional("/etc/ssl/vault-ca.pem");
        transit_client_certificate: Text(transit_url) optional("/etc/ssl/warmledger.pem");
        transit_client_key: Text(transit_url) optional("/etc/ssl/warmledger.key");

        /// The NATS server that every event is published to, by JetStream; nats:// or tls://, credentials before the @. For tls:// the
        /// same three files as for the transit engine. Default: none, and nothing is published.
        nats_url: Url optional("nats://127.0.0.1:4222");
        nats_root_certificate: Text(nats_url) optional("/etc/ssl/nats-ca.pem");
        nats_client_certificate: Text(nats_url) optional("/etc/ssl/warmledger.pem");
        nats_client_key: Text(nats_url) optional("/etc/ssl/warmledger.key");
    }
}
