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
    /// The driver's options for each server, in the order in which they are to be tried. The driver never sees the text
    /// of the URL, which it would log where it does not understand it.
    pub fn connect_options(&self) -> Vec<PgConnectOptions> {
        self.servers.iter().map(|server| self.options_for(server)).collect()
    }

    /// Reads the certificates that the driver will read, so that an error names the file and says what to do.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`]: somebody has to mend the file.
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
            // without verification nobody has to be believed, but the roots cost little to read
            let read = self.tls.certificates.client_config();
            read.map_err(|error| StoreError::Unsuitable(error.to_string()))?;
        }
        Ok(())
    }

    fn options_for(&self, server: &Server) -> PgConnectOptions {
        // the driver's own way to the password file logs the lines that it cannot read
        let mut options = PgConnectOptions::new_without_pgpass()
            .application_name(self.application_name.as_deref().unwrap_or(NAME))
            .ssl_mode(PgSslMode::Disable);
        // even none would be sent, and pgbouncer takes none
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
            // whatever the environment says that the URL does not
            None => options.ssl_root_cert_from_pem(Vec::new()),
        };
        match &self.tls.certificates.client {
            Some((certificate, key)) => options.ssl_client_cert(certificate).ssl_client_key(key),
            None => options,
        }
    }

    /// The URL's, or that of the password file.
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

/// As libpq, passes over a file that others may read, and says so.
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

/// The password of a line `host:port:database:user:password`, if all four are the wanted ones, or `*`. A backslash takes the
/// next character as it is.
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
