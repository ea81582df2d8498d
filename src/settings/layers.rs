//! File below environment below flags, merged by the `config` crate into flat entries that know where they came from.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use config::{Config, Environment, FileFormat, Value, ValueKind};

use super::{
    Flags,
    error::{Origin, SettingProblem, SettingsError},
    keys::{self, ENV_PREFIX, Kind, SOURCES},
};

/// A settings file's path and text.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// One set value, as text whatever it was written as. It may be a secret: no `Debug`.
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// All that was set, by key path.
pub(super) struct Entries {
    pub(super) values: BTreeMap<String, Entry>,
    /// The names of the `[sources.NAME]` tables, the empty ones too.
    pub(super) sources: BTreeSet<String>,
    pub(super) problems: Vec<SettingProblem>,
}

const FROM_ENVIRONMENT: &str = "the environment";

/// Merges the layers. Unknown keys and values of a wrong type come back as problems among the entries.
pub(super) fn merge(
    file: Option<File>,
    environment: HashMap<String, String>,
    flags: &Flags,
) -> Result<Entries, SettingsError> {
    let mut entries = Entries {
        values: BTreeMap::new(),
        sources: BTreeSet::new(),
        problems: Vec::new(),
    };
    let environment = check_names(environment, &mut entries.problems);
    let mut builder = Config::builder();
    let path = file.as_ref().map(|file| file.path.clone()).unwrap_or_default();
    if let Some(file) = file {
        check_syntax(&file)?;
        builder = builder.add_source(config::File::from_str(&file.text, FileFormat::Toml));
    }
    builder = builder.add_source(
        Environment::with_prefix("WARMLEDGER")
            .prefix_separator("_")
            .separator("__")
            .ignore_empty(true)
            .source(Some(environment)),
    );
    for (flag, key, text) in flags.set() {
        let value = Value::new(Some(&flag.to_owned()), text);
        builder = builder.set_override(key, value).map_err(|_| unmergeable(&path))?;
    }
    let merged = builder.build().map_err(|_| unmergeable(&path))?;
    flatten(&merged.cache, &mut Vec::new(), &path, flags, &mut entries);
    Ok(entries)
}

/// The library's own text is not shown, as it may quote a value; what could be wrong in a file, `check_syntax` has found.
fn unmergeable(path: &Path) -> SettingsError {
    SettingsError::Invalid(vec![SettingProblem {
        key: "*".to_owned(),
        origin: Origin::File(path.to_owned()),
        problem: "cannot be merged with the environment and the flags".to_owned(),
    }])
}

/// Drops the variables of unknown keys, each with a problem: the library would take them in any letter case.
fn check_names(
    mut environment: HashMap<String, String>,
    problems: &mut Vec<SettingProblem>,
) -> HashMap<String, String> {
    environment.retain(|name, _| {
        let Some(rest) = name.strip_prefix(ENV_PREFIX) else {
            return false;
        };
        let origin = Origin::Environment(name.clone());
        let path: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
        if rest != rest.to_uppercase() {
            let problem = format!("is not in capitals; did you mean `{}`?", name.to_uppercase());
            problems.push(SettingProblem {
                key: path.join("."),
                origin,
                problem,
            });
            return false;
        }
        keys::kind_of(&path, &origin)
            .map_err(|problem| problems.push(problem))
            .is_ok()
    });
    problems.sort_by(|a, b| a.key.cmp(&b.key));
    environment
}

/// Finds a syntax error without showing the line that it is in.
fn check_syntax(file: &File) -> Result<(), SettingsError> {
    let Err(error) = toml::from_str::<toml::Table>(&file.text) else {
        return Ok(());
    };
    let before = file
        .text
        .get(..error.span().map_or(0, |span| span.start))
        .unwrap_or_default();
    Err(SettingsError::Syntax {
        path: file.path.clone(),
        line: before.matches('\n').count() + 1,
        column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
        message: error.message().to_owned(),
    })
}

fn flatten(value: &Value, path: &mut Vec<String>, file: &Path, flags: &Flags, entries: &mut Entries) {
    let origin = match value.origin() {
        Some(FROM_ENVIRONMENT) => Origin::Environment(keys::variable(&path.join("."))),
        Some(flag) => flags
            .set()
            .find(|set| set.0 == flag)
            .map_or(Origin::Default, |set| Origin::Flag(set.0)),
        None => Origin::File(file.to_owned()),
    };
    if let ValueKind::Table(table) = &value.kind
        && (!table.is_empty()
            || path.is_empty()
            || path.first().is_some_and(|first| first == SOURCES && path.len() < 3))
    {
        if let [_, name] = path.as_slice() {
            entries.sources.insert(name.clone());
        }
        let mut names: Vec<&String> = table.keys().collect();
        names.sort();
        for name in names {
            path.push(name.clone());
            flatten(&table[name], path, file, flags, entries);
            path.pop();
        }
        return;
    }
    match keys::kind_of(path, &origin).and_then(|kind| text_of(value, kind, path, &origin)) {
        Ok(text) => {
            entries.values.insert(path.join("."), Entry { text, origin });
        }
        Err(problem) => entries.problems.push(problem),
    }
}

/// Text stays text; a number, or true and false, may be written as either.
fn text_of(value: &Value, kind: Kind, path: &[String], origin: &Origin) -> Result<String, SettingProblem> {
    let found = match &value.kind {
        ValueKind::String(text) => return Ok(text.clone()),
        ValueKind::I64(number) if kind == Kind::Number => return Ok(number.to_string()),
        ValueKind::Boolean(flag) if kind == Kind::Flag => return Ok(flag.to_string()),
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::Float(_) => "a fraction",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    };
    let allowed = match kind {
        Kind::Text => "text in quotes",
        Kind::Number => "a whole number",
        Kind::Flag => "true or false",
    };
    Err(SettingProblem {
        key: path.join("."),
        origin: origin.clone(),
        problem: format!("is {found}; allowed is {allowed}"),
    })
}
