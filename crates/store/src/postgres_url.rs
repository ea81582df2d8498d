//! A `postgres://` URL with libpq's meaning, parsed once. Connecting and printing use the parts; the text is not kept.
//!
//! - `parameters`: libpq's known parameters, and why some are refused
//! - `split`: from the text to parameters
//! - `read`: from parameters to types
//!
//! Source: PostgreSQL manual, 32.1.1.2 "Connection URIs" and 32.1.2 "Parameter Key Words".

mod parameters;
mod read;
mod split;

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use secret::Secret;
use tls::Certificates;

/// Shown in place of a secret.
pub const MASK: &str = "***";
/// Percent-encodes every character except those that need no encoding in a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same for a parameter's value, which may hold a path.
const ENCODED_VALUE: &AsciiSet = &ENCODED.remove(b'/').remove(b':').remove(b',');

/// The address of a PostgreSQL database. `Display` and `Debug` are built from the parts, and hold no password.
#[derive(Clone)]
pub struct PostgresUrl {
    /// The servers, in the order in which they are tried; at least one.
    pub servers: Vec<Server>,
    /// The role; `None` means the operating system's user.
    pub user: Option<String>,
    /// The role's password; `None` means the one in the password file.
    pub password: Option<Secret<String>>,
    /// The password file; `None` means `~/.pgpass`.
    pub passfile: Option<PathBuf>,
    /// The database; `None` means the one with the role's name.
    pub database: Option<String>,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// The client's name as shown by the server.
    pub application_name: Option<String>,
    /// Settings of the session, from `options=-c name=value`. They may hold anything, so they are never shown.
    pub options: Vec<(String, Secret<String>)>,
    /// The time-out for establishing a connection.
    pub connect_timeout: Option<Duration>,
    /// Which of the servers are acceptable.
    pub target_session_attrs: SessionAttrs,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its host; `None` means the default directory of sockets, or `localhost` if there is no socket.
    pub host: Option<Host>,
    /// The port, also part of a socket's name; `None` means 5432.
    pub port: Option<u16>,
}

/// The host of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an address (an IPv6 address without brackets).
    Tcp(String),
    /// The directory of the server's Unix socket.
    Socket(PathBuf),
}

/// Which servers are acceptable: libpq's `target_session_attrs`, limited to servers where a ledger can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionAttrs {
    /// `any`: the first that answers.
    #[default]
    Any,
    /// `read-write`: a server whose sessions may write.
    ReadWrite,
    /// `primary`: a server that is not a standby.
    Primary,
}

/// How a connection over TCP is encrypted. A Unix socket never is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The required security.
    pub mode: SslMode,
    /// The trusted roots, and this client's certificate.
    pub certificates: Certificates,
}

/// The required security of the connection: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encryption if the server offers it, without verifying the server.
    #[default]
    Prefer,
    /// Encryption, without verifying the server.
    Require,
    /// Encryption, and a certificate signed by the root.
    VerifyCa,
    /// Encryption, and a certificate signed by the root for the server's name.
    VerifyFull,
}

impl SslMode {
    const ALL: [Self; 5] = [
        Self::Disable,
        Self::Prefer,
        Self::Require,
        Self::VerifyCa,
        Self::VerifyFull,
    ];

    /// The name in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl SessionAttrs {
    const ALL: [Self; 3] = [Self::Any, Self::ReadWrite, Self::Primary];

    /// The name in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::Primary => "primary",
        }
    }
}

impl PostgresUrl {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT,…/DATABASE?name=value&…`. Missing parts are taken from libpq's
    /// environment variables (`PGHOST`, `PGPASSWORD`, …), which `environment` looks up.
    ///
    /// # Errors
    /// The problem and its remedy, without any part of the text.
    pub fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut parameters = split::split(text)?;
        for (name, variable) in parameters::VARIABLES {
            let value = environment(variable).filter(|value| !value.is_empty());
            if let (false, Some(value)) = (parameters.contains_key(name), value) {
                parameters.insert(name, Secret::new(value));
            }
        }
        read::read(parameters)
    }

    /// The parameters to show after the `?`.
    fn shown(&self) -> Vec<(&'static str, String)> {
        let mut shown = Vec::new();
        if !self.in_authority() {
            let join = |part: fn(&Server) -> String| self.servers.iter().map(part).collect::<Vec<_>>().join(",");
            shown.push(("host", join(Server::host)));
            if self.servers.iter().any(|server| server.port.is_some()) {
                shown.push(("port", join(Server::port)));
            }
        }
        if self.tls.mode != SslMode::default() {
            shown.push(("sslmode", self.tls.mode.as_str().to_owned()));
        }
        let path = |path: &PathBuf| path.display().to_string();
        shown.extend(
            self.tls
                .certificates
                .root
                .as_ref()
                .map(|root| ("sslrootcert", path(root))),
        );
        if let Some((certificate, key)) = &self.tls.certificates.client {
            shown.extend([("sslcert", path(certificate)), ("sslkey", path(key))]);
        }
        shown.extend(self.passfile.as_ref().map(|file| ("passfile", path(file))));
        shown.extend(self.application_name.clone().map(|name| ("application_name", name)));
        if !self.options.is_empty() {
            shown.push(("options", MASK.to_owned()));
        }
        shown.extend(
            self.connect_timeout
                .map(|timeout| ("connect_timeout", timeout.as_secs().to_string())),
        );
        if self.target_session_attrs != SessionAttrs::default() {
            shown.push(("target_session_attrs", self.target_session_attrs.as_str().to_owned()));
        }
        shown
    }

    /// Whether the servers can be written in the URL's authority; a socket's directory cannot.
    fn in_authority(&self) -> bool {
        let named = |server: &Server| matches!(server.host, Some(Host::Tcp(_)));
        self.servers.iter().all(named) || matches!(&self.servers[..], [Server { host: None, .. }])
    }
}

impl Server {
    fn host(&self) -> String {
        match &self.host {
            None => String::new(),
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Socket(directory)) => directory.display().to_string(),
        }
    }

    fn port(&self) -> String {
        self.port.map(|port| port.to_string()).unwrap_or_default()
    }
}

/// In the form of a URL's authority.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(Host::Tcp(name)) if name.contains(':') => write!(f, "[{name}]")?,
            Some(Host::Tcp(name)) => write!(f, "{}", utf8_percent_encode(name, ENCODED))?,
            Some(Host::Socket(directory)) => f.write_str(&directory.to_string_lossy())?,
            None => {}
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{}", utf8_percent_encode(user, ENCODED))?;
        }
        if self.password.is_some() {
            write!(f, ":{MASK}")?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        if self.in_authority() {
            let servers: Vec<String> = self.servers.iter().map(Server::to_string).collect();
            f.write_str(&servers.join(","))?;
        }
        if let Some(database) = &self.database {
            write!(f, "/{}", utf8_percent_encode(database, ENCODED))?;
        }
        for (index, (name, value)) in self.shown().into_iter().enumerate() {
            let before = if index == 0 { '?' } else { '&' };
            let value = if name == "options" {
                value
            } else {
                utf8_percent_encode(&value, ENCODED_VALUE).to_string()
            };
            write!(f, "{before}{name}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
