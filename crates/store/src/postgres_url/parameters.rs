//! libpq's parameters: those supported here, and those refused.

use crate::nearest::nearest;

/// The supported parameters.
const KNOWN: [&str; 14] = [
    "host",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
    "connect_timeout",
    "target_session_attrs",
];

/// The environment variables for parameters that a URL leaves out. The driver itself adds `PGOPTIONS`.
pub(super) const VARIABLES: [(&str, &str); 13] = [
    ("host", "PGHOST"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("dbname", "PGDATABASE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
];

const KEEPALIVE: &str =
    "the driver sets none; set the system's net.ipv4.tcp_keepalive_* or the server's tcp_keepalives_*";
const KERBEROS: &str = "the driver knows no GSSAPI";
const BY_RUSTLS: &str = "TLS is done by rustls, which chooses 1.3, or 1.2 if the server is older";

/// The refused parameters: the name, the values that ask for no more than the default, and why.
const REFUSED: [(&str, &[&str], &str); 35] = [
    ("hostaddr", &[], "write the address as the host"),
    (
        "sslpassword",
        &[],
        "a key with a passphrase cannot be read; write it without one, with `openssl pkey -in KEY -out PLAIN`, mode 0600",
    ),
    (
        "channel_binding",
        &["disable", "prefer"],
        "the driver knows no channel binding",
    ),
    (
        "sslnegotiation",
        &["postgres"],
        "TLS is asked for by PostgreSQL's own request",
    ),
    ("sslcompression", &["0"], "TLS is never compressed"),
    ("sslsni", &["1"], "the host's name is always sent"),
    (
        "sslcertmode",
        &["allow"],
        "a certificate is shown if sslcert names one and the server asks",
    ),
    ("sslcrl", &[], "lists of revoked certificates are not read"),
    ("sslcrldir", &[], "lists of revoked certificates are not read"),
    ("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2"], BY_RUSTLS),
    ("ssl_max_protocol_version", &["TLSv1.3"], BY_RUSTLS),
    ("requiressl", &[], "write sslmode=require"),
    ("requirepeer", &[], "the owner of a socket is not checked"),
    ("require_auth", &[], "the server chooses how it authenticates"),
    ("gssencmode", &["disable", "prefer"], KERBEROS),
    ("gsslib", &[], KERBEROS),
    ("gssdelegation", &["0"], KERBEROS),
    ("krbsrvname", &[], KERBEROS),
    ("service", &[], "service files are not read; write the parameters here"),
    (
        "servicefile",
        &[],
        "service files are not read; write the parameters here",
    ),
    (
        "replication",
        &["false", "off", "no", "0"],
        "a ledger is no replication client",
    ),
    ("client_encoding", &["UTF8", "utf8", "auto"], "a ledger is UTF8"),
    ("fallback_application_name", &[], "write application_name"),
    ("load_balance_hosts", &["disable"], "hosts are tried in their order"),
    ("keepalives", &[], KEEPALIVE),
    ("keepalives_idle", &[], KEEPALIVE),
    ("keepalives_interval", &[], KEEPALIVE),
    ("keepalives_count", &[], KEEPALIVE),
    ("tcp_user_timeout", &[], KEEPALIVE),
    ("min_protocol_version", &["3.0"], "the driver speaks 3.0"),
    ("max_protocol_version", &["3.0", "latest"], "the driver speaks 3.0"),
    ("scram_client_key", &[], "write the password"),
    ("scram_server_key", &[], "write the password"),
    ("oauth_issuer", &[], "the driver knows no OAuth"),
    ("sslkeylogfile", &[], "the keys of connections are never written"),
];

/// The supported parameter of this name; `None` for one whose value asks for no more than the default.
///
/// # Errors
/// Why it is refused, or the nearest name. Never quotes an unknown name: it may be a part of a password.
pub(super) fn known(name: &str, value: &str) -> Result<Option<&'static str>, String> {
    if let Some(known) = KNOWN.into_iter().find(|known| *known == name) {
        return Ok(Some(known));
    }
    if let Some((name, harmless, why)) = REFUSED.iter().find(|(refused, ..)| *refused == name) {
        return match harmless {
            _ if harmless.contains(&value) => Ok(None),
            [] => Err(format!("has the parameter {name}, which is not supported: {why}")),
            _ => Err(format!(
                "has the parameter {name}, which is supported as {} only: {why}",
                harmless.join(" or ")
            )),
        };
    }
    let meant = nearest(name, &KNOWN).map_or_else(
        || format!("known are {}", KNOWN.join(", ")),
        |near| format!("did you mean {near}?"),
    );
    Err(format!(
        "has an unknown parameter after the `?`: {meant} (a `&` or `=` inside a value is written %26 or %3D)"
    ))
}
