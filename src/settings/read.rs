//! From merged entries to typed settings. Every problem is collected, so that one start shows them all.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use aggregates::Source;

use ledger::ingest::signature::Scheme;

use super::{
    DatabaseUrl, NatsUrl, Settings, SettingsError, SourceSettings,
    error::{Origin, SettingProblem},
    keys::SOURCES,
    layers::Entries,
    master,
    reader::EntryReader,
    secret_files, values,
};

/// The source whose keys are those at the top level.
const MAIN_SOURCE: &str = "coldmailreseller";

impl EntryReader {
    fn source(&mut self, name: &str, file: &Origin, fallback: Scheme) -> Option<(Source, SourceSettings)> {
        let table = format!("{SOURCES}.{name}");
        let prefix = format!("{table}.");
        let set_by = self.values.iter().find(|(key, _)| key.starts_with(&prefix));
        let origin = set_by.map_or_else(|| file.clone(), |(_, entry)| entry.origin.clone());
        let webhook_key = self.get(&format!("{table}.webhook_key"), values::parse_keys);
        let signature = self
            .get(&format!("{table}.signature"), values::scheme)
            .unwrap_or(fallback);
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
                "is the source of the top-level webhook_key and signature; set it there",
            );
            return None;
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let source = Source::parse(name).ok().filter(|_| name.chars().all(plain));
        if source.is_none() {
            refuse(
                table.clone(),
                "is not a source's name; allowed are a-z, 0-9, - and _, at most 128 of them",
            );
        }
        // one whose file cannot be read has a problem already
        let has_key = self.values.contains_key(&format!("{table}.webhook_key"));
        if !has_key
            && !self
                .problems
                .iter()
                .any(|known| known.key == format!("{table}.webhook_key_file"))
        {
            self.problems.push(SettingProblem {
                key: format!("{table}.webhook_key"),
                origin,
                problem: "is missing; a source needs a key of its own".to_owned(),
            });
        }
        Some((
            source?,
            SourceSettings {
                webhook_key: webhook_key?,
                signature,
            },
        ))
    }
}

/// Reads the settings; `file` is where a `[sources.NAME]` table without keys must come from.
pub(super) fn read(entries: Entries, file: Origin) -> Result<Settings, SettingsError> {
    let Entries {
        values: mut set,
        sources: names,
        mut problems,
    } = entries;
    let files = secret_files::read(&mut set, &names, &mut problems);
    let mut reader = EntryReader {
        values: set,
        files,
        problems,
    };
    let data_dir = reader
        .get("data_dir", values::parse_path)
        .unwrap_or_else(|| PathBuf::from(super::DEFAULT_DATA_DIR));
    let database_url = reader
        .get("database_url", DatabaseUrl::parse)
        .unwrap_or_else(|| DatabaseUrl::Sqlite(data_dir.join("warmledger.db")));
    let master_key = master::read(&mut reader, data_dir.join("master.key"));
    let signature = reader.get("signature", values::scheme).unwrap_or_default();
    let mut sources = BTreeMap::new();
    for name in &names {
        sources.extend(reader.source(name, &file, signature));
    }
    let settings = Settings {
        database_url,
        master_key,
        erasure_journal: reader
            .get("erasure_journal", values::parse_path)
            .unwrap_or_else(|| data_dir.join(super::ERASURE_JOURNAL)),
        signature,
        sources,
        listen: reader
            .get("listen", values::parse_address)
            .unwrap_or(super::DEFAULT_LISTEN),
        webhook_key: reader.get("webhook_key", values::parse_keys),
        ledger_signing_key: reader.get("ledger_signing_key", values::parse_seeds),
        admin_token: reader.get("admin_token", values::parse_token),
        nats_url: nats(&mut reader),
        log: reader
            .get("log", values::parse_filter)
            .unwrap_or_else(|| super::DEFAULT_LOG.to_owned()),
        log_format: reader.get("log_format", str::parse).unwrap_or_default(),
        queue_capacity: reader
            .get("queue_capacity", |text| count(text, 1, 1_000_000))
            .unwrap_or(super::DEFAULT_QUEUE_CAPACITY),
        max_connections: reader
            .get("max_connections", |text| count(text, 16, 1_000_000))
            .unwrap_or(super::DEFAULT_MAX_CONNECTIONS),
        // two bodies of 1 MiB at least
        body_budget_bytes: reader
            .get("body_budget_bytes", |text| count(text, 2 << 20, 1 << 40))
            .unwrap_or(super::DEFAULT_BODY_BUDGET),
        streams_per_token: reader
            .get("streams_per_token", limit)
            .unwrap_or(super::DEFAULT_STREAMS_PER_TOKEN),
        lag_limit: reader
            .get("lag_limit_seconds", |text| {
                values::parse_number(text, 1, 86_400).map(Duration::from_secs)
            })
            .unwrap_or(super::DEFAULT_LAG_LIMIT),
        ready_with_parked: reader
            .get("ready_with_parked", values::parse_flag)
            .unwrap_or(super::DEFAULT_READY_WITH_PARKED),
        heartbeat: reader
            .get("heartbeat_seconds", |text| {
                values::parse_number(text, 1, 300).map(Duration::from_secs)
            })
            .unwrap_or(super::DEFAULT_HEARTBEAT),
        trusted_proxies: reader
            .get("trusted_proxies", values::parse_networks)
            .unwrap_or_default(),
        reveal_over_loopback: reader
            .get("reveal_over_loopback", values::parse_flag)
            .unwrap_or_default(),
        reveals_per_minute: reader
            .get("reveals_per_minute", limit)
            .unwrap_or(super::DEFAULT_REVEALS_PER_MINUTE),
        events_per_minute: reader
            .get("events_per_minute", limit)
            .unwrap_or(super::DEFAULT_EVENTS_PER_MINUTE),
        calls_per_token: reader
            .get("calls_per_token", limit)
            .unwrap_or(super::DEFAULT_CALLS_PER_TOKEN),
        consumers_per_token: reader
            .get("consumers_per_token", limit)
            .unwrap_or(super::DEFAULT_CONSUMERS_PER_TOKEN),
        moments_per_minute: reader
            .get("moments_per_minute", limit)
            .unwrap_or(super::DEFAULT_MOMENTS_PER_MINUTE),
        checkpoint_origin: reader.get("checkpoint_origin", values::parse_origin),
        data_dir,
        origins: reader
            .values
            .into_iter()
            .map(|(key, entry)| (key, entry.origin))
            .collect(),
        secret_files: reader.files,
    };
    if reader.problems.is_empty() {
        Ok(settings)
    } else {
        Err(SettingsError::Invalid(reader.problems))
    }
}

fn nats(reader: &mut EntryReader) -> Option<NatsUrl> {
    let certificates = reader.certificates("nats");
    if !reader.is_set("nats_url") {
        for key in ["root_certificate", "client_certificate", "client_key"] {
            reader.refuse(&format!("nats_{key}"), "means nothing without nats_url");
        }
    }
    let url = reader.get("nats_url", NatsUrl::parse)?;
    if url.address.starts_with("nats://") {
        for key in ["root_certificate", "client_certificate", "client_key"] {
            reader.refuse(
                &format!("nats_{key}"),
                "means nothing with nats://; write tls:// in nats_url",
            );
        }
    }
    Some(NatsUrl { certificates, ..url })
}

/// A limit for each token.
fn limit(text: &str) -> Result<NonZeroU32, String> {
    let number = values::parse_number(text, 1, 100_000)?;
    u32::try_from(number)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(|| format!("{text:?} is not allowed"))
}

fn count(text: &str, least: u64, most: u64) -> Result<NonZeroUsize, String> {
    let number = values::parse_number(text, least, most)?;
    usize::try_from(number)
        .ok()
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| format!("{text:?} is not allowed"))
}
