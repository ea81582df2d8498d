//! The declaration of a setting, the table of all, and errors about wrong keys.

use super::error::{Origin, SettingProblem};
use store::nearest::nearest;

/// The prefix of environment variables.
pub(super) const ENV_PREFIX: &str = "WARMLEDGER_";

/// The table of further senders.
pub(super) const SOURCES: &str = "sources";

/// The kind of a value: how it is written and shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text in quotes.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A secret text.
    Secret,
    /// Secret texts, separated by commas.
    Secrets,
    /// A URL that may hold a password.
    Url,
}

impl Kind {
    /// Whether a value may have to be kept secret.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets | Self::Url)
    }
}

/// The default of a setting.
pub(super) enum Unset {
    /// This value.
    Value(&'static str),
    /// A file in the data directory, after a URL's prefix.
    InDataDir(&'static str, &'static str),
    /// A file in the data directory that is made at the first start; and an example.
    Generated(&'static str, &'static str),
    /// None; and an example.
    Nothing(&'static str),
}

/// One setting.
pub(super) struct Setting {
    /// Its key in a file.
    pub(super) key: &'static str,
    /// The kind of its value.
    pub(super) kind: Kind,
    /// Its default.
    pub(super) unset: Unset,
    /// The setting that this one is a part of.
    pub(super) of: Option<&'static str>,
    /// Its description, line by line.
    pub(super) doc: &'static [&'static str],
}

/// The keys of one `[sources.NAME]` table.
const SOURCE_KEYS: [(&str, Kind); 4] = [
    ("webhook_key", Kind::Secrets),
    ("webhook_key_file", Kind::Text),
    ("signature", Kind::Text),
    ("freshness", Kind::Text),
];

impl Setting {
    /// Its value in the example file: its default, or a sample.
    fn example(&self) -> String {
        let value = match self.unset {
            Unset::Value(value) | Unset::Generated(_, value) | Unset::Nothing(value) => value.to_owned(),
            Unset::InDataDir(prefix, file) => format!("{prefix}./warmledger-data/{file}"),
        };
        match self.kind {
            Kind::Number | Kind::Flag => value,
            _ => format!("{value:?}"),
        }
    }
}

/// The key for the file of a secret.
pub(super) fn file_key(key: &str) -> String {
    format!("{key}_file")
}

/// The environment variable of a key path.
fn variable(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// All settings at the top level, in the order in which they are shown.
#[derive(Clone, Copy)]
pub(super) struct Table(pub(super) &'static [Setting]);

impl Table {
    /// All of them.
    pub(super) fn iter(self) -> impl Iterator<Item = &'static Setting> {
        self.0.iter()
    }

    /// The parts of this setting.
    pub(super) fn parts_of(self, key: &'static str) -> impl Iterator<Item = &'static Setting> {
        self.iter().filter(move |setting| setting.of == Some(key))
    }

    /// The default of a setting.
    pub(super) fn unset(self, key: &str) -> Option<&'static Unset> {
        let declared = self.iter().find(|setting| setting.key == key);
        declared.map(|setting| &setting.unset)
    }

    /// The key for the file of a secret. The master key's are settings of their own, as their files are read
    /// repeatedly.
    pub(super) fn file_key(self, setting: &Setting) -> Option<String> {
        let key = file_key(setting.key);
        (setting.kind.is_secret() && self.iter().all(|other| other.key != key)).then_some(key)
    }

    /// All keys.
    fn keys(self) -> impl Iterator<Item = (String, Kind)> {
        self.iter().flat_map(move |setting| {
            let file = self.file_key(setting).map(|key| (key, Kind::Text));
            [(setting.key.to_owned(), setting.kind)].into_iter().chain(file)
        })
    }

    /// The kind of the value at this path.
    ///
    /// # Errors
    /// A [`SettingProblem`] that suggests the nearest known key, or lists them, when nothing has this path.
    pub(super) fn kind_of(self, path: &[String], origin: &Origin) -> Result<Kind, SettingProblem> {
        let known = match path {
            [key] => self.keys().find(|(known, _)| known == key).map(|(_, kind)| kind),
            [table, _, key] if table == SOURCES => SOURCE_KEYS.iter().find(|known| known.0 == key).map(|known| known.1),
            _ => None,
        };
        known.ok_or_else(|| SettingProblem {
            key: path.join("."),
            origin: origin.clone(),
            problem: self.unknown(path, origin),
        })
    }

    fn unknown(self, path: &[String], origin: &Origin) -> String {
        let own = || self.keys().map(|(key, _)| key).collect::<Vec<_>>();
        let (parent, wrong, known) = match path {
            [table] if table == SOURCES => return "must be tables: [sources.NAME]".to_owned(),
            [table, _] if table == SOURCES => {
                return "must be a table with the keys webhook_key, signature and freshness".to_owned();
            }
            [table, _, .., key] if table == SOURCES => {
                let known = SOURCE_KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
                (&path[..path.len() - 1], key.as_str(), known)
            }
            [key, _, ..] if own().contains(key) => return format!("`{key}` has no keys below it"),
            [first, ..] => (&path[..0], first.as_str(), [own(), vec![SOURCES.to_owned()]].concat()),
            [] => (path, "", own()),
        };
        let spell = |key: &str| {
            let full = [parent.join("."), key.to_owned()].join(".");
            let full = full.trim_start_matches('.');
            match origin {
                Origin::Environment(_) => variable(full),
                _ => full.to_owned(),
            }
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        match nearest(wrong, &known) {
            Some(key) => format!("is unknown; did you mean `{}`?", spell(key)),
            None => format!(
                "is unknown; known are {}",
                known.into_iter().map(spell).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// The text of `warmledger.example.toml`: every setting, as a comment, so that a copy of it changes nothing.
    pub(super) fn example(self) -> String {
        let mut text = "\
# Every setting of warmledger with its default. Copy this file to `warmledger.toml` in the working directory, or name
# another with --config FILE, and uncomment what you change. `warmledger config --example` prints it.
#
# Environment variables override this file: WARMLEDGER_ + the key, with `__` between levels, e.g. WARMLEDGER_LISTEN or
# WARMLEDGER_SOURCES__SANDBOX__WEBHOOK_KEY. Flags override both. `warmledger config` prints what is in effect, and why.
# A file that holds a secret is readable by nobody but its owner and the groups of this process: mode 0600, or 0440 where an
# orchestrator mounts it.
#
# Each secret can stand in a file of its own: KEY_file names it, e.g. WARMLEDGER_ADMIN_TOKEN_FILE. Of KEY and KEY_file the one
# that is set in the higher layer wins. These files are read at the start; master_key_file and transit_token_file again and again.
"
        .to_owned();
        for setting in self.iter() {
            if !setting.doc.is_empty() {
                text.push('\n');
            }
            text.extend(setting.doc.iter().map(|line| format!("#{line}\n")));
            text += &format!("# {} = {}\n", setting.key, setting.example());
            if let Some(key) = self.file_key(setting) {
                text += &format!("# {key} = \"/run/secrets/{}\"\n", setting.key.replace('_', "-"));
            }
        }
        text + "
# Another sender, received at /webhooks/NAME, with keys of its own. Signature and freshness default to those above.
# [sources.sandbox]
# webhook_key = \"the sandbox's API key\"  # or webhook_key_file
# signature = \"timestamp.body\"
# freshness = \"5m\"
"
    }
}
