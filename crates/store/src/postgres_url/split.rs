//! From the text of a URL to parameters, decoded. An ambiguous text is refused: one of its readings would print a
//! password.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::parameters::known;
use secret::Secret;

/// libpq's names and their values in the text.
pub(super) type Parameters = BTreeMap<&'static str, Secret<String>>;

const FORM: &str = "allowed is postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…";
const ENCODE: &str = "cannot be told apart: percent-encode what is special in user, password and values: / as %2F, ? as \
                      %3F, # as %23, @ as %40, % as %25, a space as %20; allowed is postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// Splits the text.
///
/// # Errors
/// The problem, without any part of the text.
pub(super) fn split(text: &str) -> Result<Parameters, String> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or_else(|| format!("is no URL of a PostgreSQL database; {FORM}"))?;
    let foreign = |c: char| c == '#' || c.is_whitespace() || c.is_control();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    // an `@` after the host means that the password, or the user, ended early
    if rest.contains(foreign) || path.contains(['@', '/']) || query.contains(['@', '?']) {
        return Err(ENCODE.to_owned());
    }
    let mut found = Parameters::new();
    let hosts = match authority.rsplit_once('@') {
        Some((who, _)) if who.contains('@') => return Err(ENCODE.to_owned()),
        Some((who, hosts)) => {
            let (user, password) = who
                .split_once(':')
                .map_or((who, None), |(user, rest)| (user, Some(rest)));
            add(&mut found, "user", user)?;
            add(&mut found, "password", password.unwrap_or_default())?;
            hosts
        }
        None => authority,
    };
    let (hosts, ports) = addresses(hosts)?;
    add(&mut found, "host", &hosts)?;
    add(&mut found, "port", &ports)?;
    add(&mut found, "dbname", path)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let Some(name) = known(&decode(name)?, &decode(value)?)? {
            if value.is_empty() {
                return Err(format!("gives no value for the parameter {name}"));
            }
            add(&mut found, name, value)?;
        }
    }
    Ok(found)
}

/// `host:port,[::1]:port,…` as lists of hosts and of ports, which are empty if no port was given.
fn addresses(text: &str) -> Result<(String, String), String> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for address in text.split(',') {
        let (host, rest) = match address.strip_prefix('[') {
            Some(inner) => inner
                .split_once(']')
                .ok_or_else(|| format!("has a `[` without a `]` in the host; {FORM}"))?,
            None => address.find(':').map_or((address, ""), |colon| address.split_at(colon)),
        };
        hosts.push(host);
        ports.push(match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => return Err(format!("has something behind the `]` of the host; {FORM}")),
        });
    }
    if ports.iter().all(|port| port.is_empty()) {
        ports.clear();
    }
    Ok((hosts.join(","), ports.join(",")))
}

/// Adds a value unless it is empty; a name may occur once.
fn add(found: &mut Parameters, name: &'static str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    match found.insert(name, Secret::new(decode(value)?)) {
        None => Ok(()),
        Some(_) => Err(format!("gives {name} twice; write it once")),
    }
}

fn decode(text: &str) -> Result<String, String> {
    let mut parts = text.split('%');
    parts.next();
    let encoded = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !parts.all(encoded) {
        return Err(ENCODE.to_owned());
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(format!("holds percent-encoded bytes that are no text in UTF-8; {FORM}")),
    }
}
