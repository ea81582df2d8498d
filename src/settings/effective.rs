//! The settings as they are in effect, safe to print.

use std::path::Path;

use serde::Serialize;

use super::declared::SETTINGS;
use super::keys::{Kind, SOURCES, Setting, Unset, file_key};
use super::values::whole;
use super::{Origin, Settings};
use secret::data_dir::others_who_read;
use store::postgres_url::MASK;

/// One setting in effect. A secret shows only whether it is set, or which file it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// The key's path, e.g. `listen` or `sources.sandbox.signature`.
    pub key: String,
    /// The value, masked; `None` if it is optional and not set.
    pub value: Option<String>,
    /// `default`, `file`, `environment` or `flag`.
    pub origin: &'static str,
    /// Which file, variable or flag; `None` for a default.
    pub from: Option<String>,
}

impl Settings {
    /// The settings file, if it holds secrets that others can read; and who can.
    pub fn exposed_file(&self) -> Option<(&Path, String)> {
        let secret = |setting: &&Setting| match setting.kind {
            Kind::Url => self.url(setting.key).is_some_and(|url| url.contains(MASK)),
            kind => kind.is_secret(),
        };
        let keys = SETTINGS.iter().filter(secret).map(|setting| setting.key.to_owned());
        let sources = self.sources.keys().map(|name| format!("{SOURCES}.{name}.webhook_key"));
        keys.chain(sources).find_map(|key| match self.origin(&key) {
            Origin::File(path) => Some((path.as_path(), others_who_read(path)?)),
            _ => None,
        })
    }

    /// Every setting in effect with its origin, secrets masked, in the order of `warmledger.example.toml`. Parts of
    /// another setting are left out where they have no effect.
    pub fn effective(&self) -> Vec<EffectiveSetting> {
        let is_set = |key: &str| self.entries.contains_key(key);
        let counts = |setting: &&Setting| match (setting.of, &setting.unset) {
            _ if is_set(setting.key) => true,
            (Some(of), Unset::Value(_)) => is_set(of),
            (Some(_), _) => false,
            (None, _) => !(setting.key == "master_key_file" && is_set("master_key")),
        };
        let own = SETTINGS.iter().filter(counts);
        let mut rows: Vec<_> = own.map(|setting| self.row(setting.key, self.shown(setting))).collect();
        for (name, source) in &self.sources {
            let of_source = |key: &str, value| self.row(&format!("{SOURCES}.{name}.{key}"), Some(value));
            rows.push(of_source("webhook_key", count(source.webhook_key.len())));
            rows.push(of_source("signature", source.signature.to_string()));
            rows.push(of_source("freshness", whole(source.freshness.as_secs())));
        }
        rows
    }

    fn url(&self, key: &str) -> Option<String> {
        match key {
            "nats_url" => self.nats_url.as_ref().map(ToString::to_string),
            _ => Some(self.database_url.to_string()),
        }
    }

    fn shown(&self, setting: &Setting) -> Option<String> {
        let in_data_dir = |file: &str| self.data_dir.join(file).display().to_string();
        let text = self.entries.get(setting.key).map(|entry| entry.text.expose().trim());
        match (setting.kind, text) {
            (Kind::Url, _) => self.url(setting.key),
            (Kind::Secret, Some(_)) => Some(count(1)),
            (Kind::Secrets, Some(text)) => Some(count(text.split(',').count())),
            (_, Some(text)) => Some(text.to_owned()),
            (_, None) => match setting.unset {
                Unset::Value(value) => Some(value.to_owned()),
                Unset::InDataDir(_, file) => Some(in_data_dir(file)),
                Unset::Generated(file, _) => Some(format!("(from file {})", in_data_dir(file))),
                Unset::Nothing(_) => None,
            },
        }
    }

    fn row(&self, key: &str, value: Option<String>) -> EffectiveSetting {
        let origin: &Origin = self.origin(key);
        let file = self.secret_files.get(key).map(|path| path.display().to_string());
        EffectiveSetting {
            key: if file.is_some() { file_key(key) } else { key.to_owned() },
            value: file.or(value),
            origin: origin.kind(),
            from: origin.detail(),
        }
    }
}

fn count(keys: usize) -> String {
    match keys {
        1 => "(set)".to_owned(),
        many => format!("(set, {many} keys)"),
    }
}
