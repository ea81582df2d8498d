//! The known keys, and how a wrong one is explained.

use super::error::{Origin, SettingProblem};
use store::nearest::nearest;

/// What the environment's variables start with.
pub(super) const ENV_PREFIX: &str = "WARMLEDGER_";

/// The table of further senders.
pub(super) const SOURCES: &str = "sources";

/// What a value must be written as in a settings file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
}

/// The keys at the top level.
pub(super) const KEYS: [(&str, Kind); 44] = [
    ("database_url", Kind::Text),
    ("database_url_file", Kind::Text),
    ("listen", Kind::Text),
    ("data_dir", Kind::Text),
    ("webhook_key", Kind::Text),
    ("webhook_key_file", Kind::Text),
    ("signature", Kind::Text),
    ("master_key_file", Kind::Text),
    ("master_key", Kind::Text),
    ("transit_url", Kind::Text),
    ("transit_key", Kind::Text),
    ("transit_mount", Kind::Text),
    ("transit_token", Kind::Text),
    ("transit_token_file", Kind::Text),
    ("ledger_signing_key", Kind::Text),
    ("ledger_signing_key_file", Kind::Text),
    ("transit_root_certificate", Kind::Text),
    ("transit_client_certificate", Kind::Text),
    ("transit_client_key", Kind::Text),
    ("erasure_journal", Kind::Text),
    ("admin_token", Kind::Text),
    ("admin_token_file", Kind::Text),
    ("nats_url", Kind::Text),
    ("nats_url_file", Kind::Text),
    ("nats_root_certificate", Kind::Text),
    ("nats_client_certificate", Kind::Text),
    ("nats_client_key", Kind::Text),
    ("log", Kind::Text),
    ("log_format", Kind::Text),
    ("queue_capacity", Kind::Number),
    ("max_connections", Kind::Number),
    ("body_budget_bytes", Kind::Number),
    ("streams_per_token", Kind::Number),
    ("lag_limit_seconds", Kind::Number),
    ("ready_with_parked", Kind::Flag),
    ("heartbeat_seconds", Kind::Number),
    ("trusted_proxies", Kind::Text),
    ("reveal_over_loopback", Kind::Flag),
    ("reveals_per_minute", Kind::Number),
    ("events_per_minute", Kind::Number),
    ("calls_per_token", Kind::Number),
    ("consumers_per_token", Kind::Number),
    ("moments_per_minute", Kind::Number),
    ("checkpoint_origin", Kind::Text),
];

/// The keys of one `[sources.NAME]` table.
pub(super) const SOURCE_KEYS: [(&str, Kind); 3] = [
    ("webhook_key", Kind::Text),
    ("webhook_key_file", Kind::Text),
    ("signature", Kind::Text),
];

/// The secrets that may stand in a file which `KEY_file` names, beside those of the master key, whose files are looked at again.
pub(super) const SECRETS: [&str; 5] = [
    "database_url",
    "webhook_key",
    "ledger_signing_key",
    "admin_token",
    "nats_url",
];

/// The key that names the file of a secret.
pub(super) fn file_key(key: &str) -> String {
    format!("{key}_file")
}

/// How the value at this path is written.
///
/// # Errors
/// A [`SettingProblem`] that suggests the nearest known key, or lists them, when nothing has this path.
pub(super) fn kind_of(path: &[String], origin: &Origin) -> Result<Kind, SettingProblem> {
    let find = |keys: &[(&str, Kind)], name: &str| keys.iter().find(|(key, _)| *key == name).map(|(_, kind)| *kind);
    let known = match path {
        [key] => find(&KEYS, key),
        [table, _, key] if table == SOURCES => find(&SOURCE_KEYS, key),
        _ => None,
    };
    known.ok_or_else(|| SettingProblem {
        key: path.join("."),
        origin: origin.clone(),
        problem: unknown(path, origin),
    })
}

fn unknown(path: &[String], origin: &Origin) -> String {
    let names = |keys: &[(&'static str, Kind)]| keys.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    let (parent, wrong, known) = match path {
        [table] if table == SOURCES => return "must be tables: [sources.NAME]".to_owned(),
        [table, _] if table == SOURCES => {
            return "must be a table with the keys webhook_key and signature".to_owned();
        }
        [table, _, .., key] if table == SOURCES => (&path[..path.len() - 1], key.as_str(), names(&SOURCE_KEYS)),
        [key, _, ..] if KEYS.iter().any(|(known, _)| known == key) => return format!("`{key}` has no keys below it"),
        [first, ..] => (&path[..0], first.as_str(), [names(&KEYS), vec![SOURCES]].concat()),
        [] => (path, "", names(&KEYS)),
    };
    let spell = |key: &str| {
        let full = [parent.join("."), key.to_owned()].join(".");
        let full = full.trim_start_matches('.');
        match origin {
            Origin::Environment(_) => variable(full),
            _ => full.to_owned(),
        }
    };
    match nearest(wrong, &known) {
        Some(key) => format!("is unknown; did you mean `{}`?", spell(key)),
        None => format!(
            "is unknown; known are {}",
            known.into_iter().map(spell).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The environment variable of a key's path.
pub(super) fn variable(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.replace('.', "__").to_uppercase())
}
