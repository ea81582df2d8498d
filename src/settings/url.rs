//! URLs that may hold a password: shown masked, given away only on demand.

use std::{fmt, path::PathBuf};

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::secret::Secret;

const MASK: &str = "***";

/// Where the ledger is stored. `Display` and `Debug` mask a password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// The path of an SQLite file, written `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(Secret<String>),
}

impl DatabaseUrl {
    /// Reads `sqlite:PATH` (taken literally, relative to the working directory) or `postgres://…`.
    ///
    /// # Errors
    /// What is wrong and what is allowed, without the text itself.
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
        match Url::parse(text) {
            Ok(_) => Ok(Self::Postgres(Secret::new(text.to_owned()))),
            Err(error) => Err(format!(
                "is not a URL ({error}); allowed is postgres://USER:PASSWORD@HOST/DATABASE"
            )),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&masked(url.expose())),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A NATS server, `nats://…` or `tls://…`. `Display` and `Debug` mask whatever stands before the `@`: it may be a token.
#[derive(Clone)]
pub struct NatsUrl(Secret<String>);

impl NatsUrl {
    /// Reads a NATS server's URL.
    ///
    /// # Errors
    /// What is wrong and what is allowed, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "nats" | "tls") && url.has_host() => {
                Ok(Self(Secret::new(text.to_owned())))
            }
            _ => Err("is not a NATS server; allowed are nats://HOST:4222 and tls://HOST:4222".to_owned()),
        }
    }

    /// The server's address, and apart from it who connects.
    pub fn server(&self) -> NatsServer {
        let mut server = NatsServer {
            address: String::new(),
            user: None,
            password: None,
        };
        // `parse` has read it before
        if let Ok(mut url) = Url::parse(self.0.expose()) {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            server.user = Some(decode(url.username())).filter(|user| !user.is_empty());
            server.password = url.password().map(|password| Secret::new(decode(password)));
            // a URL with a host takes both
            let cleared = url.set_username("").and_then(|()| url.set_password(None));
            if cleared.is_ok() {
                server.address = url.into();
            }
        }
        server
    }
}

/// What a NATS server's URL says.
pub struct NatsServer {
    /// The URL without credentials.
    pub address: String,
    /// The user's name; without a password, a token.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret<String>>,
}

impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = masked(self.0.expose());
        match (text.split_once("://"), text.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => write!(f, "{scheme}://{MASK}@{rest}"),
            _ => f.write_str(&text),
        }
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL without its password and without the value of any parameter that could be one.
fn masked(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return MASK.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return format!("{}://{MASK}", url.scheme());
    }
    url.set_fragment(None);
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let secret = |key: &str| {
        ["pass", "secret", "token", "key"]
            .iter()
            .any(|part| key.to_lowercase().contains(part))
    };
    if pairs.iter().any(|(key, _)| secret(key)) {
        url.query_pairs_mut().clear().extend_pairs(
            pairs
                .iter()
                .map(|(key, value)| (key, if secret(key) { MASK } else { value })),
        );
    }
    url.into()
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
    fn a_database_password_is_never_shown() {
        assert_eq!(
            shown("postgres://me:hunter2@db:5432/ledger"),
            "postgres://me:***@db:5432/ledger"
        );
        assert_eq!(
            shown("postgres://me@db/ledger?password=hunter2&sslmode=require"),
            "postgres://me@db/ledger?password=***&sslmode=require"
        );
        assert_eq!(
            shown("postgresql:///ledger?host=/run/postgresql&PASS%77ord=hunter2"),
            "postgresql:///ledger?host=%2Frun%2Fpostgresql&PASSword=***"
        );
    }

    #[test]
    fn a_nats_token_is_never_shown() {
        assert_eq!(
            NatsUrl::parse("nats://t0ken@n:4222")
                .map(|url| url.to_string())
                .as_deref(),
            Ok("nats://***@n:4222")
        );
        assert_eq!(
            NatsUrl::parse("nats://a:b@n").map(|url| format!("{url:?}")).as_deref(),
            Ok("nats://***@n")
        );
        assert_eq!(
            NatsUrl::parse("nats://n:4222").map(|url| url.to_string()).as_deref(),
            Ok("nats://n:4222")
        );
        assert!(NatsUrl::parse("http://n").is_err());
    }

    #[test]
    fn a_nats_address_holds_no_credentials() {
        let server = |text: &str| NatsUrl::parse(text).map(|url| url.server()).expect(text);
        let both = server("tls://me:p%40ss@n:4222");
        assert_eq!(
            (both.address.as_str(), both.user.as_deref()),
            ("tls://n:4222", Some("me"))
        );
        assert_eq!(
            both.password.map(|password| password.expose().clone()),
            Some("p@ss".to_owned())
        );
        let token = server("nats://t0ken@n");
        assert_eq!(
            (token.address.as_str(), token.user.as_deref()),
            ("nats://n", Some("t0ken"))
        );
        assert!(token.password.is_none());
        assert_eq!(server("nats://n:4222").user, None);
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
