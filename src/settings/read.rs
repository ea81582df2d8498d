//! From merged entries to typed settings. Every problem has its key and where it was set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use aggregates::Source;
use tls::Certificates;

use super::error::{Origin, SettingProblem};
use super::keys::{SOURCES, Table, Unset, file_key};
use super::layers::{Entries, Entry};
use super::{NatsUrl, SourceSettings, secret_files, values};
use ledger::ingest::signature::{FRESHNESS, Scheme};

/// The source with the keys of the top level.
const MAIN_SOURCE: &str = "coldmailreseller";

/// Reads merged entries one by one, and collects problems.
pub(super) struct EntryReader {
    pub(super) values: BTreeMap<String, Entry>,
    /// The files that secrets were read from, by their keys.
    pub(super) files: BTreeMap<String, PathBuf>,
    pub(super) problems: Vec<SettingProblem>,
    /// All declared settings.
    pub(super) table: Table,
    sources: BTreeSet<String>,
}

impl EntryReader {
    /// Reads the files of secrets.
    pub(super) fn new(mut entries: Entries, table: Table) -> Self {
        let files = secret_files::read(&mut entries, table);
        Self {
            values: entries.values,
            files,
            problems: entries.problems,
            table,
            sources: entries.sources,
        }
    }

    /// Whether a key is set, valid or not.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key, if it is set and valid.
    pub(super) fn get<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let entry = self.values.get(key)?;
        match parse(entry.text.expose()) {
            Ok(value) => Some(value),
            Err(problem) => {
                let origin = entry.origin.clone();
                let key = match self.files.contains_key(key) {
                    true => file_key(key),
                    false => key.to_owned(),
                };
                self.problems.push(SettingProblem { key, origin, problem });
                None
            }
        }
    }

    /// The value of a key, or its default; none if it is invalid.
    pub(super) fn or<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match self.table.unset(key) {
            Some(Unset::Value(default)) if !self.is_set(key) => parse(default).ok(),
            _ => self.get(key, parse),
        }
    }

    /// The value of a key, or its default in the data directory; none if it is invalid.
    pub(super) fn within<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        make: impl FnOnce(PathBuf) -> T,
    ) -> Option<T> {
        match self.table.unset(key) {
            Some(Unset::InDataDir(_, file)) if !self.is_set(key) => {
                let dir = self.values.get("data_dir").map(|entry| entry.text.expose().into());
                // an invalid one is a problem already
                let dir = dir.or_else(|| self.or("data_dir", values::parse_path));
                dir.map(|dir: PathBuf| make(dir.join(file)))
            }
            _ => self.get(key, parse),
        }
    }

    /// Adds a problem of a key, if it is set.
    pub(super) fn refuse(&mut self, key: &str, problem: &str) {
        if let Some(entry) = self.values.get(key) {
            self.problems.push(SettingProblem {
                key: key.to_owned(),
                origin: entry.origin.clone(),
                problem: problem.to_owned(),
            });
        }
    }

    /// Refuses the parts of a setting, unless it is set.
    pub(super) fn refuse_parts_without(&mut self, key: &'static str) {
        if !self.is_set(key) {
            for part in self.table.parts_of(key) {
                self.refuse(part.key, &format!("means nothing without {key}"));
            }
        }
    }

    /// The settings `NAME_root_certificate`, `NAME_client_certificate` and `NAME_client_key`.
    pub(super) fn certificates(&mut self, name: &str) -> Certificates {
        let [root, certificate, key] =
            ["root_certificate", "client_certificate", "client_key"].map(|key| format!("{name}_{key}"));
        for (one, other) in [(&certificate, &key), (&key, &certificate)] {
            if !self.is_set(other) {
                self.refuse(one, &format!("needs {other} too"));
            }
        }
        let client = self
            .get(&certificate, values::parse_path)
            .zip(self.get(&key, values::parse_path));
        Certificates {
            root: self.get(&root, values::parse_path),
            client,
        }
    }

    /// The NATS server, with the certificates that belong to it.
    pub(super) fn nats(&mut self) -> Option<NatsUrl> {
        let certificates = self.certificates("nats");
        self.refuse_parts_without("nats_url");
        let url = self.get("nats_url", NatsUrl::parse)?;
        if url.address.starts_with("nats://") {
            for part in self.table.parts_of("nats_url") {
                self.refuse(part.key, "means nothing with nats://; write tls:// in nats_url");
            }
        }
        Some(NatsUrl { certificates, ..url })
    }

    /// The further sources; their signature scheme defaults to the main source's.
    pub(super) fn sources(&mut self, file: &Origin) -> BTreeMap<Source, SourceSettings> {
        // an invalid one is a problem already
        let signature = self.values.get("signature");
        let signature = signature
            .and_then(|entry| entry.text.expose().parse().ok())
            .unwrap_or_default();
        let freshness = self.values.get("freshness");
        let freshness = freshness.and_then(|entry| values::freshness(entry.text.expose()).ok());
        let freshness = freshness.unwrap_or(FRESHNESS);
        let names = std::mem::take(&mut self.sources);
        names
            .iter()
            .filter_map(|name| self.source(name, file, (signature, freshness)))
            .collect()
    }

    fn source(&mut self, name: &str, file: &Origin, fallback: (Scheme, Duration)) -> Option<(Source, SourceSettings)> {
        let table = format!("{SOURCES}.{name}");
        let prefix = format!("{table}.");
        let set_by = self.values.iter().find(|(key, _)| key.starts_with(&prefix));
        let origin = set_by.map_or_else(|| file.clone(), |(_, entry)| entry.origin.clone());
        let key = format!("{table}.webhook_key");
        let webhook_key = self.get(&key, values::parse_keys);
        let signature = self.get(&format!("{table}.signature"), values::scheme);
        let freshness = self.get(&format!("{table}.freshness"), values::freshness);
        let mut refuse = |key: String, problem: &str| {
            self.problems.push(SettingProblem {
                key,
                origin: origin.clone(),
                problem: problem.to_owned(),
            });
        };
        if name == MAIN_SOURCE {
            refuse(
                table,
                "is the source of the top-level webhook_key, signature and freshness; set it there",
            );
            return None;
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let source = Source::parse(name).ok().filter(|_| name.chars().all(plain));
        if source.is_none() {
            refuse(
                table,
                "is not a source's name; allowed are a-z, 0-9, - and _, at most 128 of them",
            );
        }
        // an unreadable file is a problem already
        let file = file_key(&key);
        if !self.is_set(&key) && self.problems.iter().all(|known| known.key != file) {
            self.problems.push(SettingProblem {
                key,
                origin,
                problem: "is missing; a source needs a key of its own".to_owned(),
            });
        }
        let settings = SourceSettings {
            webhook_key: webhook_key?,
            signature: signature.unwrap_or(fallback.0),
            freshness: freshness.unwrap_or(fallback.1),
        };
        Some((source?, settings))
    }
}
