//! Merges file, environment and flags, the highest layer last, into flat entries with their origins.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use toml::{Table, Value};

use super::Flags;
use super::error::{Origin, SettingProblem, SettingsError};
use super::keys::{ENV_PREFIX, Kind, SOURCES, Table as Known};
use secret::Secret;

/// A settings file's path and text.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// One set value, as text whatever its type was. It may be a secret: no `Debug`.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) text: Secret<String>,
    pub(super) origin: Origin,
}

/// All set values, by key path.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) values: BTreeMap<String, Entry>,
    /// The names of the `[sources.NAME]` tables, including empty ones.
    pub(super) sources: BTreeSet<String>,
    pub(super) problems: Vec<SettingProblem>,
}

/// Merges the layers. Unknown keys and wrong types are returned as problems in the entries.
pub(super) fn merge(
    file: Option<File>,
    environment: HashMap<String, String>,
    flags: &Flags,
    known: Known,
) -> Result<Entries, SettingsError> {
    let mut entries = Entries::default();
    if let Some(file) = file {
        let table = parse(&file)?;
        entries.flatten(Value::Table(table), &mut Vec::new(), &Origin::File(file.path), known);
    }
    for (name, text) in BTreeMap::from_iter(environment) {
        entries.variable(name, text, known);
    }
    for (flag, key, text) in flags.set() {
        entries.put(key.to_owned(), text.to_owned(), Origin::Flag(flag));
    }
    Ok(entries)
}

/// A syntax error does not quote its line.
fn parse(file: &File) -> Result<Table, SettingsError> {
    file.text.parse().map_err(|error: toml::de::Error| {
        let end = error.span().map_or(0, |span| span.start);
        let before = file.text.get(..end).unwrap_or_default();
        SettingsError::Syntax {
            path: file.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            message: error.message().to_owned(),
        }
    })
}

impl Entries {
    fn put(&mut self, key: String, text: String, origin: Origin) {
        let text = Secret::new(text);
        self.values.insert(key, Entry { text, origin });
    }

    /// An empty variable sets nothing.
    fn variable(&mut self, name: String, text: String, known: Known) {
        let Some(rest) = name.strip_prefix(ENV_PREFIX) else {
            return;
        };
        let path: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
        let origin = Origin::Environment(name.clone());
        let checked = match rest == rest.to_uppercase() {
            true => known.kind_of(&path, &origin).map(drop),
            false => Err(SettingProblem {
                key: path.join("."),
                origin: origin.clone(),
                problem: format!("is not in capitals; did you mean `{}`?", name.to_uppercase()),
            }),
        };
        match checked {
            Err(problem) => self.problems.push(problem),
            Ok(()) if text.is_empty() => {}
            Ok(()) => {
                self.sources.extend(path.get(1).cloned());
                self.put(path.join("."), text, origin);
            }
        }
    }

    fn flatten(&mut self, value: Value, path: &mut Vec<String>, origin: &Origin, known: Known) {
        let holds_tables = |path: &[String]| path.first().is_none_or(|first| first == SOURCES && path.len() < 3);
        match value {
            Value::Table(table) if !table.is_empty() || holds_tables(path) => {
                if let [_, name] = path.as_slice() {
                    self.sources.insert(name.clone());
                }
                for (name, value) in table {
                    path.push(name);
                    self.flatten(value, path, origin, known);
                    path.pop();
                }
            }
            value => match known
                .kind_of(path, origin)
                .and_then(|kind| text_of(value, kind, path, origin))
            {
                Ok(text) => self.put(path.join("."), text, origin.clone()),
                Err(problem) => self.problems.push(problem),
            },
        }
    }
}

/// Text is unchanged; a number or a boolean may be written either way.
fn text_of(value: Value, kind: Kind, path: &[String], origin: &Origin) -> Result<String, SettingProblem> {
    let found = match value {
        Value::String(text) => return Ok(text),
        Value::Integer(number) if kind == Kind::Number => return Ok(number.to_string()),
        Value::Boolean(flag) if kind == Kind::Flag => return Ok(flag.to_string()),
        Value::Boolean(_) => "true or false",
        Value::Float(_) => "a fraction",
        Value::Integer(_) => "a number",
        Value::Datetime(_) => "a time",
        Value::Table(_) => "a table",
        Value::Array(_) => "a list",
    };
    let allowed = match kind {
        Kind::Number => "a whole number",
        Kind::Flag => "true or false",
        _ => "text in quotes",
    };
    Err(SettingProblem {
        key: path.join("."),
        origin: origin.clone(),
        problem: format!("is {found}; allowed is {allowed}"),
    })
}
