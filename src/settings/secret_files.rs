//! Secrets in files of their own, as an orchestrator mounts them: `KEY_file` names the file with the value of `KEY`.
//! Both are one setting: the higher layer wins, and both in one layer are a contradiction.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use super::error::{Origin, SettingProblem};
use super::keys::{SOURCES, Table, file_key};
use super::layers::{Entries, Entry};
use super::values;
use secret::{Secret, data_dir};

/// Sets each setting to the text of its named file. Returns the files by key.
pub(super) fn read(entries: &mut Entries, table: Table) -> BTreeMap<String, PathBuf> {
    let values = &mut entries.values;
    let own = table.iter().filter(|setting| table.file_key(setting).is_some());
    let own = own.map(|setting| setting.key.to_owned());
    let of_sources = entries
        .sources
        .iter()
        .map(|name| format!("{SOURCES}.{name}.webhook_key"));
    let mut files = BTreeMap::new();
    for key in own.chain(of_sources) {
        let named_by = file_key(&key);
        let Some(Entry { text, origin }) = values.remove(&named_by) else {
            continue;
        };
        let set = values.get(&key).map(|entry| rank(&entry.origin));
        let read = match set.map(|set| set.cmp(&rank(&origin))) {
            Some(std::cmp::Ordering::Greater) => continue,
            Some(std::cmp::Ordering::Equal) => Err(format!("cannot be set beside {key}")),
            Some(std::cmp::Ordering::Less) | None => of_file(text.expose()),
        };
        match read {
            Ok((path, text)) => {
                values.insert(key.clone(), Entry { text, origin });
                files.insert(key, path);
            }
            Err(problem) => {
                // a lower layer's value must not apply instead
                values.remove(&key);
                entries.problems.push(SettingProblem {
                    key: named_by,
                    origin,
                    problem,
                });
            }
        }
    }
    files
}

fn of_file(path: &str) -> Result<(PathBuf, Secret<String>), String> {
    let path = values::parse_path(path)?;
    match data_dir::read_secret_file(&path) {
        Ok(text) => Ok((path, Secret::new(text.to_string()))),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            Err(format!("{error}{cause}"))
        }
    }
}

/// The layer of a value: a higher one wins.
fn rank(origin: &Origin) -> u8 {
    match origin {
        Origin::Default => 0,
        Origin::File(_) => 1,
        Origin::Environment(_) => 2,
        Origin::Flag(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use crate::settings::layers::File;
    use crate::settings::{Flags, Settings};
    use secret::Secret;

    const SEED: &str = "7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b";

    fn load(file: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Settings, String> {
        let named = environment
            .iter()
            .map(|(key, value)| (format!("WARMLEDGER_{key}"), (*value).to_owned()));
        let file = File {
            path: "warmledger.toml".into(),
            text: file.to_owned(),
        };
        let environment: HashMap<String, String> = named.collect();
        Settings::from_layers(Some(file), environment, flags).map_err(|error| error.to_string())
    }

    fn secret(dir: &Path, name: &str, text: &str) -> String {
        let path = dir.join(name);
        fs::write(&path, format!("{text}\n")).expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o440)).expect("chmod");
        path.display().to_string()
    }

    #[test]
    fn every_secret_can_stand_in_a_file_and_is_never_shown() {
        let dir = tempfile::tempdir().expect("directory");
        let files = [
            ("DATABASE_URL", "postgres://me:hunter2@db/ledger"),
            ("WEBHOOK_KEY", "hunter3-of-the-test,hunter4-of-the-test"),
            ("LEDGER_SIGNING_KEY", SEED),
            ("ADMIN_TOKEN", "hunter5-of-the-test"),
            ("NATS_URL", "nats://me:hunter6@n:4222"),
            ("SOURCES__SANDBOX__WEBHOOK_KEY", "hunter7-of-the-test"),
        ];
        let named: Vec<(String, String)> = files
            .iter()
            .map(|(key, text)| (format!("{key}_FILE"), secret(dir.path(), key, text)))
            .collect();
        let environment: Vec<(&str, &str)> = named.iter().map(|(key, path)| (key.as_str(), path.as_str())).collect();
        let settings = load("", &environment, &Flags::default()).expect("settings");
        assert_eq!(settings.database_url.to_string(), "postgres://me:***@db/ledger");
        let webhook_keys = settings.webhook_key.as_deref().expect("keys");
        assert_eq!(
            webhook_keys.iter().map(|key| key.expose().as_str()).collect::<Vec<_>>(),
            ["hunter3-of-the-test", "hunter4-of-the-test"]
        );
        assert_eq!(
            settings.ledger_signing_key.as_deref().map(|keys| *keys[0].expose()),
            Some([0x7b; 32])
        );
        assert_eq!(
            settings.admin_token.as_ref().map(|token| token.expose().as_str()),
            Some("hunter5-of-the-test")
        );
        let server = settings.nats_url.as_ref().expect("NATS");
        assert_eq!(
            server.password.as_ref().map(|password| password.expose().as_str()),
            Some("hunter6")
        );
        let sandbox = settings.sources.values().next().expect("a source");
        assert_eq!(sandbox.webhook_key[0].expose(), "hunter7-of-the-test");
        let shown = serde_json::to_string(&settings.effective()).expect("json");
        assert!(!shown.contains("hunter") && !shown.contains(SEED), "{shown}");
        for (key, path) in &named {
            let key = key.to_lowercase().replace("__", ".");
            assert!(
                shown.contains(&format!("\"{key}\"")) && shown.contains(path),
                "{key}: {shown}"
            );
        }
    }

    #[test]
    fn the_higher_layer_wins_and_both_in_one_contradict_each_other() {
        let dir = tempfile::tempdir().expect("directory");
        let path = secret(dir.path(), "token", "token-of-the-file");
        let token = |file: &str, environment: &[(&str, &str)]| {
            let settings = load(file, environment, &Flags::default())?;
            Ok::<_, String>(
                settings
                    .admin_token
                    .map(|token| token.expose().clone())
                    .unwrap_or_default(),
            )
        };
        assert_eq!(
            token("admin_token = 'token-of-the-settings'", &[("ADMIN_TOKEN_FILE", &path)]).as_deref(),
            Ok("token-of-the-file")
        );
        let named = format!("admin_token_file = '{path}'");
        assert_eq!(token(&named, &[]).as_deref(), Ok("token-of-the-file"));
        assert_eq!(
            token(&named, &[("ADMIN_TOKEN", "token-of-the-environment")]).as_deref(),
            Ok("token-of-the-environment")
        );
        let both = token(
            "",
            &[("ADMIN_TOKEN", "hunter2-of-the-test"), ("ADMIN_TOKEN_FILE", &path)],
        );
        let error = both.expect_err("a contradiction");
        assert!(
            error.contains("`admin_token_file`") && error.contains("beside admin_token"),
            "{error}"
        );
        let flags = Flags {
            database_url: Some(Secret::new("sqlite:other.db".to_owned())),
            ..Flags::default()
        };
        let settings = load("", &[("DATABASE_URL_FILE", "/nowhere")], &flags).expect("the flag wins");
        assert_eq!(settings.database_url.to_string(), "sqlite:other.db");
    }

    #[test]
    fn a_file_that_is_no_good_is_named_and_never_quoted() {
        let dir = tempfile::tempdir().expect("directory");
        let open = secret(dir.path(), "open", "hunter2-of-the-test");
        fs::set_permissions(&open, Permissions::from_mode(0o644)).expect("chmod");
        let bad = secret(dir.path(), "bad", "hunter2-of-the-test,,");
        for (key, path, word) in [
            ("ADMIN_TOKEN_FILE", "/nowhere/token", "No such file"),
            ("ADMIN_TOKEN_FILE", &*open, "chmod 600"),
            ("WEBHOOK_KEY_FILE", &*bad, "empty key"),
            ("LEDGER_SIGNING_KEY_FILE", &*bad, "64 hexadecimal digits"),
        ] {
            let error = load("", &[(key, path)], &Flags::default()).err().expect("an error");
            let key = format!("`{}`", key.to_lowercase());
            assert!(
                error.contains(&key) && error.contains(word) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
