//! Errors of settings, and the origin of each value.

use std::{fmt, path::PathBuf};

/// Where a setting's value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// No layer set it.
    Default,
    /// The settings file of this path.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
    /// The command-line flag of this name, e.g. `--listen`.
    Flag(&'static str),
}

impl Origin {
    /// One word: `default`, `file`, `environment` or `flag`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// Which file, variable or flag; `None` for a default.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::File(path) => Some(path.display().to_string()),
            Self::Environment(name) => Some(name.clone()),
            Self::Flag(name) => Some((*name).to_owned()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One setting that can't be used. Never holds the value of a secret key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting `{key}` ({origin}): {problem}")]
pub struct SettingProblem {
    /// The key's path, e.g. `sources.sandbox.signature`.
    pub key: String,
    /// Where it was set.
    pub origin: Origin,
    /// The problem, and the allowed values.
    pub problem: String,
}

/// Why the settings can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings file can't be read.
    #[error("cannot read the settings file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The settings file isn't TOML. The line itself isn't shown: it may hold a secret.
    #[error("settings file {}, line {line}, column {column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// Unknown keys and bad values, all of them (at least one).
    #[error("{}", list(.0))]
    Invalid(Vec<SettingProblem>),
}

fn list(problems: &[SettingProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(SettingProblem::to_string).collect();
    match lines.as_slice() {
        [one] => one.clone(),
        many => format!("{} settings are wrong:\n  {}", many.len(), many.join("\n  ")),
    }
}
