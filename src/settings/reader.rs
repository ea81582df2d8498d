//! Reading merged entries: each value by its type, and every problem with its key and where it was set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tls::Certificates;

use super::error::{Origin, SettingProblem};
use super::keys::file_key;
use super::layers::Entry;
use super::values;

/// Merged entries that are read one by one, and the problems that were found.
pub(super) struct EntryReader {
    pub(super) values: BTreeMap<String, Entry>,
    /// The files that secrets were read from, by their keys.
    pub(super) files: BTreeMap<String, PathBuf>,
    pub(super) problems: Vec<SettingProblem>,
}

impl EntryReader {
    /// Whether a key is set, be it good or not.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Where a key was set, if it was.
    pub(super) fn origin(&self, key: &str) -> Option<Origin> {
        self.values.get(key).map(|entry| entry.origin.clone())
    }

    /// The value of a key, if it is set and good.
    pub(super) fn get<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let entry = self.values.get(key)?;
        match parse(&entry.text) {
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

    /// Adds a problem of a key, if it is set.
    pub(super) fn refuse(&mut self, key: &str, problem: &str) {
        if let Some(origin) = self.origin(key) {
            self.problems.push(SettingProblem {
                key: key.to_owned(),
                origin,
                problem: problem.to_owned(),
            });
        }
    }
}
