//! Where the ledger is stored. A URL may hold a password, which is masked when shown.

use std::{env, fmt, path::PathBuf};

use crate::postgres_url::PostgresUrl;

/// Where the ledger is stored. `Display` and `Debug` mask a password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// The path of an SQLite file, written `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PostgresUrl>),
}

impl DatabaseUrl {
    /// Reads `sqlite:PATH` (taken literally, relative to the working directory) or `postgres://…`, completed by libpq's
    /// environment variables.
    ///
    /// # Errors
    /// The problem and the allowed forms, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("names no file; allowed is sqlite:PATH".to_owned()),
                _ if path.starts_with(":memory:") => {
                    Err("would keep the ledger in memory only; allowed is sqlite:PATH".to_owned())
                }
                _ if path.contains('?') => Err("has options after `?`; allowed is sqlite:PATH".to_owned()),
                _ => Ok(Self::Sqlite(path.into())),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(
                "has an unknown scheme; allowed are sqlite:PATH and postgres://USER:PASSWORD@HOST/DATABASE".into(),
            );
        }
        PostgresUrl::parse(text, |name| env::var(name).ok()).map(|url| Self::Postgres(Box::new(url)))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => fmt::Display::fmt(url, f),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let url = DatabaseUrl::parse(text).expect(text);
        assert_eq!(format!("{url:?}"), url.to_string());
        url.to_string()
    }

    #[test]
    fn an_sqlite_path_is_taken_literally() {
        for text in ["sqlite:a%20b#.db", "sqlite://a%20b#.db"] {
            assert_eq!(shown(text), "sqlite:a%20b#.db");
        }
        assert_eq!(shown("sqlite:///var/lib/x.db"), "sqlite:/var/lib/x.db");
    }

    #[test]
    fn a_bad_database_url_is_refused_without_quoting_it() {
        for text in [
            "",
            "mysql://me:hunter2@db/x",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:x?mode=hunter2",
            "postgres://me:hunter2@db:x/y",
        ] {
            let error = DatabaseUrl::parse(text).expect_err(text);
            assert!(error.contains("allowed") && !error.contains("hunter2"), "{error}");
        }
    }
}
