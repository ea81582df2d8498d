//! The settings as they are in effect, safe to print.

use std::path::Path;

use serde::Serialize;

use super::keys::{SECRETS, SOURCES, file_key};
use super::{MasterKeySettings, Origin, Settings};
use secret::data_dir::{SecretFile, others_who_read};
use secret::{Secret, Wipe};
use store::postgres_url::MASK;
use tls::Certificates;
use vault::TransitToken;

/// One setting as it is in effect. A secret shows only whether it is set, or which file it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// The key's path, e.g. `listen` or `sources.sandbox.signature`.
    pub key: String,
    /// The value, masked; `None` if it is not set and needs not be.
    pub value: Option<String>,
    /// `default`, `file`, `environment` or `flag`.
    pub origin: &'static str,
    /// Which file, variable or flag; `None` for a default.
    pub from: Option<String>,
}

impl Settings {
    /// The settings file, if secrets stand in it that others can read; and who can.
    pub fn exposed_file(&self) -> Option<(&Path, String)> {
        let shows_password = |url: String| url.contains(MASK);
        let secret = |key: &&str| match *key {
            "database_url" => shows_password(self.database_url.to_string()),
            "nats_url" => self
                .nats_url
                .as_ref()
                .is_some_and(|url| shows_password(url.to_string())),
            _ => true,
        };
        let keys = SECRETS.into_iter().chain(["master_key", "transit_token"]);
        let sources = self
            .sources
            .keys()
            .map(|name| format!("{SOURCES}.{}.webhook_key", name.as_str()));
        let named: Vec<String> = keys.filter(secret).map(str::to_owned).chain(sources).collect();
        named.iter().find_map(|key| match self.origin(key) {
            Origin::File(path) => Some((path.as_path(), others_who_read(path)?)),
            _ => None,
        })
    }

    /// Every setting in effect with its origin, secrets masked, in the order of `warmledger.example.toml`.
    pub fn effective(&self) -> Vec<EffectiveSetting> {
        let generated = |file: SecretFile| from_file(&file.path(&self.data_dir));
        let mut rows = vec![
            self.row("database_url", Some(self.database_url.to_string())),
            self.row("listen", Some(self.listen.to_string())),
            self.row("data_dir", Some(self.data_dir.display().to_string())),
            self.row(
                "webhook_key",
                Some(
                    self.webhook_key
                        .as_deref()
                        .map_or_else(|| generated(SecretFile::WebhookKey), count),
                ),
            ),
            self.row("signature", Some(self.signature.to_string())),
        ];
        rows.extend(self.master_key_rows());
        rows.extend([
            self.row(
                "ledger_signing_key",
                Some(
                    self.ledger_signing_key
                        .as_deref()
                        .map_or_else(|| generated(SecretFile::LedgerSigningKey), count),
                ),
            ),
            self.row("erasure_journal", Some(self.erasure_journal.display().to_string())),
            self.row(
                "admin_token",
                Some(
                    self.admin_token
                        .as_ref()
                        .map_or_else(|| generated(SecretFile::AdminToken), |_| "(set)".to_owned()),
                ),
            ),
            self.row("nats_url", self.nats_url.as_ref().map(ToString::to_string)),
        ]);
        if let Some(nats) = &self.nats_url {
            rows.extend(self.certificate_rows("nats", &nats.certificates));
        }
        rows.extend([
            self.row("log", Some(self.log.clone())),
            self.row("log_format", Some(self.log_format.as_str().to_owned())),
            self.row("queue_capacity", Some(self.queue_capacity.to_string())),
            self.row("max_connections", Some(self.max_connections.to_string())),
            self.row("body_budget_bytes", Some(self.body_budget_bytes.to_string())),
            self.row("streams_per_token", Some(self.streams_per_token.to_string())),
            self.row("lag_limit_seconds", Some(self.lag_limit.as_secs().to_string())),
            self.row("ready_with_parked", Some(self.ready_with_parked.to_string())),
            self.row("heartbeat_seconds", Some(self.heartbeat.as_secs().to_string())),
            self.row("trusted_proxies", self.networks()),
            self.row("reveal_over_loopback", Some(self.reveal_over_loopback.to_string())),
            self.row("reveals_per_minute", Some(self.reveals_per_minute.to_string())),
            self.row("events_per_minute", Some(self.events_per_minute.to_string())),
            self.row("calls_per_token", Some(self.calls_per_token.to_string())),
            self.row("consumers_per_token", Some(self.consumers_per_token.to_string())),
            self.row("moments_per_minute", Some(self.moments_per_minute.to_string())),
            self.row("checkpoint_origin", self.checkpoint_origin.clone()),
        ]);
        for (name, source) in &self.sources {
            rows.push(self.row(&format!("sources.{name}.webhook_key"), Some(count(&source.webhook_key))));
            rows.push(self.row(&format!("sources.{name}.signature"), Some(source.signature.to_string())));
        }
        rows
    }

    /// Those of the way that is in use.
    fn master_key_rows(&self) -> Vec<EffectiveSetting> {
        let (file, transit) = match &self.master_key {
            MasterKeySettings::Given(keys) => {
                let keys = match keys.len() {
                    1 => "(set)".to_owned(),
                    many => format!("(set, {many} keys)"),
                };
                return vec![self.row("master_key", Some(keys))];
            }
            MasterKeySettings::File(file) => (file, None),
            MasterKeySettings::Transit(file, transit) => (file, Some(transit)),
        };
        let mut rows = vec![self.row("master_key_file", Some(file.display().to_string()))];
        if let Some(transit) = transit {
            rows.push(self.row("transit_url", Some(transit.url.to_string())));
            rows.push(self.row("transit_key", Some(transit.key.clone())));
            rows.push(self.row("transit_mount", Some(transit.mount.clone())));
            rows.push(match &transit.token {
                TransitToken::Given(_) => self.row("transit_token", Some("(set)".to_owned())),
                TransitToken::File(path) => self.row("transit_token_file", Some(path.display().to_string())),
            });
            rows.extend(self.certificate_rows("transit", &transit.certificates));
        }
        rows
    }

    /// Those that are set.
    fn certificate_rows(&self, name: &str, certificates: &Certificates) -> Vec<EffectiveSetting> {
        let client = certificates.client.as_ref();
        let files = [
            ("root_certificate", certificates.root.as_ref()),
            ("client_certificate", client.map(|(certificate, _)| certificate)),
            ("client_key", client.map(|(_, key)| key)),
        ];
        files
            .into_iter()
            .filter_map(|(key, file)| Some(self.row(&format!("{name}_{key}"), Some(file?.display().to_string()))))
            .collect()
    }

    /// None if there are none.
    fn networks(&self) -> Option<String> {
        let networks: Vec<String> = self.trusted_proxies.iter().map(ToString::to_string).collect();
        (!networks.is_empty()).then(|| networks.join(","))
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

fn from_file(path: &Path) -> String {
    format!("(from file {})", path.display())
}

fn count<T: Wipe>(keys: &[Secret<T>]) -> String {
    match keys.len() {
        1 => "(set)".to_owned(),
        many => format!("(set, {many} keys)"),
    }
}
