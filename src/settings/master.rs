//! The source of the master key: a file, the settings themselves, or a file whose keys a transit engine has sealed.

use std::path::PathBuf;

use reqwest::Url;

use super::read::EntryReader;
use super::values;
use sealing::KeyMaterial;
use vault::{TransitSettings, TransitToken};

/// The settings of the master key. Holds secrets: no `Debug`.
#[derive(Clone)]
pub enum MasterKeySettings {
    /// In this file.
    File(PathBuf),
    /// In the setting, the newest first.
    Given(Vec<KeyMaterial>),
    /// In this file, sealed by a transit engine.
    Transit(PathBuf, Box<TransitSettings>),
}

/// Reads all of them. A contradiction is a problem that names both keys.
pub(super) fn read(reader: &mut EntryReader) -> MasterKeySettings {
    let file = reader.within("master_key_file", values::parse_path, PathBuf::from);
    // an unreadable one is a problem already
    let file = file.unwrap_or_default();
    let given = reader.get("master_key", parse_keys);
    let url = reader.get("transit_url", parse_url);
    let key = reader.get("transit_key", parse_name);
    let mount = reader.or("transit_mount", parse_mount);
    let token = reader.get("transit_token", values::parse_token);
    let token_file = reader.get("transit_token_file", values::parse_path);
    let certificates = reader.certificates("transit");
    if reader.is_set("master_key") {
        let others = ["master_key_file", "transit_url"].into_iter();
        for other in others.chain(reader.table.parts_of("transit_url").map(|part| part.key)) {
            reader.refuse(
                other,
                "cannot be set beside master_key: the master key comes from one place",
            );
        }
        return MasterKeySettings::Given(given.unwrap_or_default());
    }
    reader.refuse_parts_without("transit_url");
    if !reader.is_set("transit_url") {
        return MasterKeySettings::File(file);
    }
    if reader.is_set("transit_token") {
        reader.refuse("transit_token_file", "cannot be set beside transit_token");
    } else if !reader.is_set("transit_token_file") {
        reader.refuse("transit_url", "needs transit_token or transit_token_file");
    }
    if !reader.is_set("transit_key") {
        reader.refuse("transit_url", "needs transit_key, the name of the key");
    }
    let token = token.map(TransitToken::Given).or(token_file.map(TransitToken::File));
    match (url, key, mount, token) {
        (Some(url), Some(key), Some(mount), Some(token)) => {
            let transit = TransitSettings {
                url,
                mount,
                key,
                token,
                certificates,
            };
            MasterKeySettings::Transit(file, Box::new(transit))
        }
        // there is a problem already, so this value is not used
        _ => MasterKeySettings::File(file),
    }
}

/// Never quotes the text.
fn parse_keys(text: &str) -> Result<Vec<KeyMaterial>, String> {
    let keys: Option<Vec<KeyMaterial>> = text.split(',').map(|key| KeyMaterial::parse(key.trim())).collect();
    let keys = keys.ok_or_else(|| {
        "does not hold a master key; allowed are 32 bytes in hexadecimal digits or base64, or several such keys \
         separated by commas, the newest first"
            .to_owned()
    })?;
    // only the newest is checked: an older one may stay until it is rotated away
    match keys.first() {
        Some(newest) if newest.is_zero() => Err("is nothing but zeros, which anybody can guess; make a key with \
             `openssl rand -hex 32` and put it first, then run `warmledger keys rotate` if the ledger has keys under the old one"
            .to_owned()),
        _ => Ok(keys),
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let allowed = "allowed is an address such as https://vault.example.com:8200, without a password";
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(url)
        }
        // not quoted: it may hold a password
        _ => Err(format!("is not a server's address; {allowed}")),
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=128).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not the name of a key; allowed are letters, digits, -, _ and ."
        ))
    }
}

/// A path of names.
fn parse_mount(text: &str) -> Result<String, String> {
    let trimmed = text.trim_matches('/');
    let named = trimmed.split('/').map(parse_name).collect::<Result<Vec<_>, _>>();
    named
        .map(|names| names.join("/"))
        .map_err(|_| format!("{text:?} is not the path of an engine, such as transit"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::settings::{Flags, MasterKeySettings, Settings};
    use vault::TransitToken;

    const KEY: &str = "7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b";

    fn load(environment: &[(&str, &str)]) -> Result<Settings, String> {
        let named = environment
            .iter()
            .map(|(key, value)| (format!("WARMLEDGER_{key}"), (*value).to_owned()));
        let environment: HashMap<String, String> = named.collect();
        Settings::from_layers(None, environment, &Flags::default()).map_err(|error| error.to_string())
    }

    fn refused(environment: &[(&str, &str)], words: &[&str]) {
        let error = load(environment).err().expect("an error");
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(!error.contains(KEY) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_master_key_of_the_environment_is_never_shown() {
        let settings = load(&[("MASTER_KEY", &format!("{KEY}, {KEY}"))]).expect("settings");
        assert!(matches!(&settings.master_key, MasterKeySettings::Given(keys) if keys.len() == 2));
        let shown = serde_json::to_string(&settings.effective()).expect("json");
        assert!(shown.contains("(set, 2 keys)") && !shown.contains(KEY), "{shown}");
        refused(
            &[("MASTER_KEY", "hunter2")],
            &["`master_key`", "WARMLEDGER_MASTER_KEY", "base64"],
        );
        refused(&[("MASTER_KEY", &format!("{KEY},"))], &["`master_key`"]);
        let guessed = "00".repeat(32);
        refused(
            &[("MASTER_KEY", &guessed)],
            &["`master_key`", "anybody can guess", "openssl rand"],
        );
        load(&[("MASTER_KEY", &format!("{KEY},{guessed}"))]).expect("an older one waits for its rotation");
    }

    #[test]
    fn a_transit_engine_needs_an_address_a_key_and_one_token() {
        let url = ("TRANSIT_URL", "https://vault.example.com:8200/");
        let (key, token) = (
            ("TRANSIT_KEY", "warmledger"),
            ("TRANSIT_TOKEN", "hunter2-hunter2-hunter2"),
        );
        let settings = load(&[url, key, token, ("TRANSIT_MOUNT", "/kms/transit/")]).expect("settings");
        let MasterKeySettings::Transit(file, transit) = &settings.master_key else {
            panic!("another way");
        };
        assert!(file.ends_with("master.key"));
        assert_eq!(
            (transit.mount.as_str(), transit.key.as_str()),
            ("kms/transit", "warmledger")
        );
        assert!(matches!(&transit.token, TransitToken::Given(token) if token.expose() == "hunter2-hunter2-hunter2"));
        let shown = serde_json::to_string(&settings.effective()).expect("json");
        assert!(shown.contains("kms/transit") && !shown.contains("hunter2"), "{shown}");

        refused(&[url, token], &["`transit_url`", "transit_key"]);
        refused(&[url, key], &["`transit_url`", "transit_token_file"]);
        refused(
            &[url, key, token, ("TRANSIT_TOKEN_FILE", "/t")],
            &["`transit_token_file`", "beside transit_token"],
        );
        refused(
            &[key, token],
            &["`transit_key`", "`transit_token`", "without transit_url"],
        );
        refused(
            &[("TRANSIT_URL", "https://me:hunter2@vault"), key, token],
            &["`transit_url`", "without a password"],
        );
        refused(&[url, token, ("TRANSIT_KEY", "a/b")], &["`transit_key`"]);
        refused(&[url, token, key, ("TRANSIT_MOUNT", "a/../b")], &["`transit_mount`"]);
    }

    #[test]
    fn the_master_key_comes_from_one_place() {
        refused(
            &[("MASTER_KEY", KEY), ("MASTER_KEY_FILE", "/k")],
            &["`master_key_file`", "beside master_key"],
        );
        refused(
            &[("MASTER_KEY", KEY), ("TRANSIT_URL", "http://v")],
            &["`transit_url`", "beside master_key"],
        );
    }
}
