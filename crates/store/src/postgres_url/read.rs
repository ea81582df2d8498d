//! Parameters to types.

use std::path::PathBuf;
use std::time::Duration;

use super::split::Parameters;
use super::{Host, PostgresUrl, Server, SessionAttrs, SslMode, Tls};
use secret::Secret;
use tls::Certificates;

/// Reads the parameters.
///
/// # Errors
/// The problem and the allowed values, without any value.
pub(super) fn read(mut found: Parameters) -> Result<PostgresUrl, String> {
    let tls = tls(&mut found)?;
    let mut take = |name| found.remove(name).map(|value| value.expose().clone());
    let servers = servers(take("host"), take("port"))?;
    let database = take("dbname");
    if database
        .as_deref()
        .is_some_and(|name| name.contains("://") || name.contains('='))
    {
        return Err("gives a whole connection string as dbname; allowed is a database's name".to_owned());
    }
    let timeout = take("connect_timeout").map(|text| text.parse::<u32>());
    let timeout = timeout
        .transpose()
        .map_err(|_| "has a connect_timeout that is no whole number of seconds".to_owned())?;
    let attrs = take("target_session_attrs")
        .map(|text| session_attrs(&text))
        .transpose()?;
    let options = take("options").map(|text| options(&text)).transpose()?;
    Ok(PostgresUrl {
        servers,
        user: take("user"),
        passfile: take("passfile").map(PathBuf::from),
        database,
        application_name: take("application_name"),
        options: options.unwrap_or_default(),
        // in libpq 0 means no time-out; the store has its own
        connect_timeout: timeout
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
        target_session_attrs: attrs.unwrap_or_default(),
        password: found.remove("password"),
        tls,
    })
}

fn servers(hosts: Option<String>, ports: Option<String>) -> Result<Vec<Server>, String> {
    let hosts: Vec<Option<Host>> = hosts.as_deref().unwrap_or_default().split(',').map(host).collect();
    let port = |text: &str| {
        match text {
        "" => Ok(None),
        _ => text.parse().ok().filter(|port| *port != 0).map(Some).ok_or(
            "has a port that is not allowed; allowed are 1 to 65535 (if it is a part of the password, there is an `@` missing, or a \
             character to be percent-encoded)",
        ),
    }
    };
    let ports: Vec<Option<u16>> = ports
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .map(port)
        .collect::<Result<_, _>>()?;
    let ports = match (ports.len(), hosts.len()) {
        (1, many) => vec![ports[0]; many],
        (same, hosts) if same == hosts => ports,
        _ => return Err("gives more or fewer ports than hosts; give one port, or one for each host".to_owned()),
    };
    let servers = hosts.into_iter().zip(ports);
    Ok(servers.map(|(host, port)| Server { host, port }).collect())
}

fn host(text: &str) -> Option<Host> {
    match text {
        "" => None,
        _ if text.starts_with('/') => Some(Host::Socket(text.into())),
        _ => Some(Host::Tcp(text.to_owned())),
    }
}

fn session_attrs(text: &str) -> Result<SessionAttrs, String> {
    let named = SessionAttrs::ALL.into_iter().find(|attrs| attrs.as_str() == text);
    named.ok_or_else(|| {
        "has a target_session_attrs that is not any, read-write or primary: a ledger is written to".to_owned()
    })
}

fn tls(found: &mut Parameters) -> Result<Tls, String> {
    let mut take = |name| found.remove(name).map(|value| value.expose().clone());
    let root = take("sslrootcert");
    let mode = take("sslmode").map(
        |text| match SslMode::ALL.into_iter().find(|mode| mode.as_str() == text) {
            Some(mode) => Ok(mode),
            None if text == "allow" => {
                Err("has sslmode=allow, which is not supported: write prefer, or better verify-full".to_owned())
            }
            None => {
                let names = SslMode::ALL.map(SslMode::as_str).join(", ");
                Err(format!("has an unknown sslmode; allowed are {names}"))
            }
        },
    );
    let mode = mode.transpose()?;
    let system = root.as_deref() == Some("system");
    let mode = match mode {
        None if system => SslMode::VerifyFull,
        Some(mode) if system && mode != SslMode::VerifyFull => {
            return Err(format!(
                "has sslrootcert=system with sslmode={}: anybody can have a certificate that the system trusts, so the \
                 name has to be checked; write sslmode=verify-full",
                mode.as_str()
            ));
        }
        mode => mode.unwrap_or_default(),
    };
    let root = root.filter(|_| !system).map(PathBuf::from);
    let mode = match (mode, &root) {
        // as in libpq
        (SslMode::Require, Some(_)) => SslMode::VerifyCa,
        (SslMode::Prefer | SslMode::Disable, Some(_)) => {
            return Err(format!(
                "has sslrootcert with sslmode={}, which would check nothing; write sslmode=verify-full",
                mode.as_str()
            ));
        }
        (SslMode::VerifyCa, None) => {
            return Err(
                "has sslmode=verify-ca without sslrootcert: anybody can have a certificate that the system trusts; name \
                 the file of the server's certificate authority, or write sslmode=verify-full"
                    .to_owned(),
            );
        }
        (mode, _) => mode,
    };
    let client = match (take("sslcert"), take("sslkey")) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        _ => return Err("needs both sslcert and sslkey, or neither".to_owned()),
    };
    Ok(Tls {
        mode,
        certificates: Certificates { root, client },
    })
}

/// `-c name=value`, `-cname=value` and `--name=value`, separated by white space; a backslash escapes the next
/// character.
fn options(text: &str) -> Result<Vec<(String, Secret<String>)>, String> {
    let refused = || "has options other than `-c name=value` or `--name=value`".to_owned();
    let mut words = words(text).into_iter();
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => setting.to_owned(),
            None if word == "-c" => words.next().ok_or_else(refused)?,
            None => word.strip_prefix("-c").ok_or_else(refused)?.to_owned(),
        };
        let (name, value) = setting.split_once('=').ok_or_else(refused)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(refused());
        }
        options.push((name.replace('-', "_"), Secret::new(value.to_owned())));
    }
    Ok(options)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => word.extend(characters.next()),
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
