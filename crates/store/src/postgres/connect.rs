//! From a parsed URL to the driver's options.

use std::env;
use std::io::ErrorKind;
use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::StoreError;
use crate::postgres_url::{Host, PostgresUrl, Server, SslMode};
use secret::data_dir::{self, DataDirError};
use secret::{Secret, Wiped};
use tls::Certificates;

/// The client's name, unless the URL gives one.
const NAME: &str = "warmledger";

impl PostgresUrl {
    /// The driver's options for each server, in the order in which they are tried. The driver never gets the text of
    /// the URL, parts of which it would log if it does not understand them.
    pub fn connect_options(&self) -> Vec<PgConnectOptions> {
        self.servers.iter().map(|server| self.options_for(server)).collect()
    }

    /// Reads the certificates before the driver does, so that an error names the file and the remedy.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`]: an operator has to repair the file.
    pub(super) fn check_certificates(&self) -> Result<(), StoreError> {
        let Certificates { root, client } = &self.tls.certificates;
        if self.tls.mode == SslMode::VerifyCa
            && root.as_deref().map(Path::as_os_str) != env::var_os("SSL_CERT_FILE").as_deref()
        {
            tracing::warn!(
                "sslmode=verify-ca: the driver believes the authorities of the system too, and so whoever has a certificate by \
                 one of them for any name; write sslmode=verify-full, or name the file of sslrootcert in SSL_CERT_FILE too"
            );
        }
        let verifies = matches!(self.tls.mode, SslMode::VerifyCa | SslMode::VerifyFull);
        if verifies || client.is_some() {
            // without verification no root is needed, but reading the roots is cheap
            let read = self.tls.certificates.client_config();
            read.map_err(|error| StoreError::Unsuitable(error.to_string()))?;
        }
        Ok(())
    }

    fn options_for(&self, server: &Server) -> PgConnectOptions {
        // the driver's own reader of the password file logs malformed lines
        let mut options = PgConnectOptions::new_without_pgpass()
            .application_name(self.application_name.as_deref().unwrap_or(NAME))
            .ssl_mode(PgSslMode::Disable);
        // even an empty list would be sent, and pgbouncer accepts none
        if !self.options.is_empty() {
            options = options.options(self.options.iter().map(|(name, value)| (name, value.expose())));
        }
        if let Some(port) = server.port {
            options = options.port(port);
        }
        if let Some(user) = &self.user {
            options = options.username(user);
        }
        if let Some(database) = &self.database {
            options = options.database(database);
        }
        options = match &server.host {
            Some(Host::Socket(directory)) => options.socket(directory),
            Some(Host::Tcp(name)) => self.encrypted(options.host(name)),
            None if options.get_host().starts_with('/') => options,
            None => self.encrypted(options),
        };
        match self.password_for(&options) {
            Some(password) => options.password(password.expose()),
            None => options,
        }
    }

    fn encrypted(&self, mut options: PgConnectOptions) -> PgConnectOptions {
        options = options.ssl_mode(match self.tls.mode {
            SslMode::Disable => PgSslMode::Disable,
            SslMode::Prefer => PgSslMode::Prefer,
            SslMode::Require => PgSslMode::Require,
            SslMode::VerifyCa => PgSslMode::VerifyCa,
            SslMode::VerifyFull => PgSslMode::VerifyFull,
        });
        options = match &self.tls.certificates.root {
            Some(root) => options.ssl_root_cert(root),
            // overrides the environment, which the URL does not name
            None => options.ssl_root_cert_from_pem(Vec::new()),
        };
        match &self.tls.certificates.client {
            Some((certificate, key)) => options.ssl_client_cert(certificate).ssl_client_key(key),
            None => options,
        }
    }

    /// The URL's password, or the password file's.
    fn password_for(&self, options: &PgConnectOptions) -> Option<Secret<String>> {
        if let Some(password) = &self.password {
            return Some(password.clone());
        }
        let file = match &self.passfile {
            Some(file) => file.clone(),
            None => env::home_dir()?.join(".pgpass"),
        };
        let text = read_private(&file)?;
        let socket = options.get_socket().is_some() || options.get_host().starts_with('/');
        let host = if socket { "localhost" } else { options.get_host() };
        let user = options.get_username();
        let database = options.get_database().unwrap_or(user);
        let wanted = [host, &options.get_port().to_string(), database, user];
        text.lines().find_map(|line| password_in(line, wanted))
    }
}

/// Reads the password file; like libpq, skips one that others may read, and logs that.
fn read_private(file: &Path) -> Option<Wiped<String>> {
    match data_dir::read_secret_file(file) {
        Ok(text) => Some(text),
        Err(DataDirError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(%error, "the password file is not used");
            None
        }
    }
}

/// The password of a line `host:port:database:user:password`, if each of the four matches the wanted one or is `*`. A
/// backslash escapes the next character.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<Secret<String>> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            c => {
                let c = if c == '\\' { characters.next().unwrap_or(c) } else { c };
                fields.last_mut()?.push(c);
            }
        }
    }
    let password = Secret::new(fields.pop()?);
    let fits = fields.len() == 4 && !line.starts_with('#');
    let fits = fits
        && fields
            .iter()
            .zip(wanted)
            .all(|(field, wanted)| field == "*" || field == wanted);
    fits.then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_password_file_is_read_as_libpq_reads_it() {
        let found = |line: &str| password_in(line, ["db", "5432", "ledger", "me"]).map(|found| found.expose().clone());
        assert_eq!(found("db:5432:ledger:me:p:a\\\\ss\\:"), Some("p:a\\ss:".to_owned()));
        assert_eq!(found("*:*:*:me:secret "), Some("secret ".to_owned()));
        for other in ["db:5432:ledger:you:x", "db:5432:ledger:x", "#db:5432:ledger:me:x", ""] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
