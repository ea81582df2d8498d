//! The types of single settings, and their parsers.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{Span, SpanRelativeTo};
use tracing_subscriber::EnvFilter;

use ledger::ingest::signature::{MAX_FRESHNESS, Scheme};
use secret::{Secret, Wiped};
use store::nearest::nearest;

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The name in settings: `pretty` or `json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(text, [Self::Pretty, Self::Json], Self::as_str)
    }
}

/// Parses the name of a signature scheme.
pub(super) fn scheme(text: &str) -> Result<Scheme, String> {
    named(text, Scheme::ALL, Scheme::as_str)
}

fn named<T: Copy, const N: usize>(text: &str, all: [T; N], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    let names = all.map(&name);
    all.into_iter().find(|one| name(*one) == text).ok_or_else(|| {
        let allowed = names.join(", ");
        match nearest(text, &names) {
            Some(near) => format!("{text:?} is unknown; allowed are {allowed} (did you mean {near}?)"),
            None => format!("{text:?} is unknown; allowed are {allowed}"),
        }
    })
}

/// Parses keys separated by commas; white space around each is dropped.
///
/// # Errors
/// If there is none, an empty one between two commas, or one that is too short. Never quotes the text.
pub fn parse_keys(text: &str) -> Result<Vec<Secret<String>>, String> {
    text.split(',')
        .map(|key| match key.trim() {
            "" => Err("holds an empty key; allowed is one key, or several separated by commas".to_owned()),
            key => secret::long_enough(key).map(|()| Secret::new(key.to_owned())),
        })
        .collect()
}

/// Parses the seeds of Ed25519 keys, separated by commas. Never quotes the text.
pub(super) fn parse_seeds(text: &str) -> Result<Vec<Secret<[u8; 32]>>, String> {
    let seed = |text: &str| {
        let mut seed = Wiped::new([0; 32]);
        let read = hex::decode_to_slice(text.trim(), &mut *seed);
        if read.is_ok() && seed.iter().all(|byte| *byte == 0) {
            return Err(
                "holds nothing but zeros, which anybody can guess; make a key with `openssl rand -hex 32`".to_owned(),
            );
        }
        read.map(|()| Secret::new(*seed)).map_err(|_| {
            "does not hold a signing key; allowed are 64 hexadecimal digits, or several such keys separated by commas, the \
             newest first"
                .to_owned()
        })
    };
    text.split(',').map(seed).collect()
}

/// Parses a bearer token.
///
/// # Errors
/// If it could not be sent in an HTTP header, or is too short. Never quotes the text.
pub(super) fn parse_token(text: &str) -> Result<Secret<String>, String> {
    match text {
        "" => Err("is empty".to_owned()),
        _ if text.chars().all(|c| c.is_ascii_graphic()) => {
            secret::long_enough(text).map(|()| Secret::new(text.to_owned()))
        }
        _ => Err("holds a character that no HTTP header can carry; allowed are visible ASCII characters".to_owned()),
    }
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address; allowed is IP:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080")
    })
}

/// Parses addresses and networks separated by commas; an empty text is an empty list.
pub(super) fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let network = part.parse::<IpNet>().ok();
            let network = network.or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| {
                format!(
                    "{part:?} is not an address; allowed are addresses and networks, such as 10.0.0.7 or 10.0.0.0/8"
                )
            })
        })
        .collect()
}

/// A whole number in a range, at least 1.
pub(super) fn number<T: TryFrom<NonZeroU64>>(least: u64, most: u64) -> impl Fn(&str) -> Result<T, String> {
    move |text: &str| {
        let number = text.trim().parse::<NonZeroU64>().ok();
        let number = number.filter(|number| (least..=most).contains(&number.get()));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("{text:?} is not allowed; allowed is a whole number from {least} to {most}"))
    }
}

/// A number of seconds, at least one.
pub(super) fn seconds(most: u64) -> impl Fn(&str) -> Result<Duration, String> {
    move |text: &str| number(1, most)(text).map(Duration::from_secs)
}

/// A time as people write it, such as 90s, 5m, 24h or 7d, between two bounds in seconds.
pub(super) fn period(least: u64, most: u64) -> impl Fn(&str) -> Result<Duration, String> {
    move |text: &str| {
        // nothing at all needs no unit
        let text = if text.trim() == "0" { "0s" } else { text };
        let span = text.trim().parse::<Span>().ok();
        // a day has 24 hours: what is kept for days is not counted by a calendar
        let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        let length = length.and_then(|length| Duration::try_from(length).ok());
        let length = length.filter(|length| (least..=most).contains(&length.as_secs()) && length.subsec_nanos() == 0);
        length.ok_or_else(|| {
            let (least, most) = (whole(least), whole(most));
            format!("{text:?} is not allowed; allowed is a time from {least} to {most}, such as 90s, 5m, 24h or 7d")
        })
    }
}

/// How far the time of signing may differ from ours: at least a second, at most 30 days.
pub(super) fn freshness(text: &str) -> Result<Duration, String> {
    period(1, MAX_FRESHNESS.as_secs())(text)
}

/// Seconds in the greatest unit that divides them.
pub(super) fn whole(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units
        .into_iter()
        .find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    unit.map_or_else(
        || format!("{seconds}s"),
        |(length, unit)| format!("{}{unit}", seconds / length),
    )
}

/// A limit for each token.
pub(super) fn limit(text: &str) -> Result<NonZeroU32, String> {
    number(1, 100_000)(text)
}

pub(super) fn parse_flag(text: &str) -> Result<bool, String> {
    let allowed = || format!("{text:?} is not allowed; allowed are true and false");
    text.trim().parse().map_err(|_| allowed())
}

pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    if tlog::is_origin(text) {
        Ok(text.to_owned())
    } else {
        Err("cannot name a log; allowed is text without white space and +, e.g. ledger.example.com".to_owned())
    }
}

pub(super) fn parse_path(text: &str) -> Result<std::path::PathBuf, String> {
    if text.is_empty() {
        Err("is empty; allowed is a path".to_owned())
    } else {
        Ok(text.into())
    }
}

/// Checks a tracing filter, also for a misspelt level, which would count as a module's name and silence all others.
pub(super) fn parse_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    const ALLOWED: &str = "allowed is a tracing filter, such as info or warn,warmledger=debug";
    for directive in text.split(',').map(str::trim) {
        let known = LEVELS.contains(&directive.to_lowercase().as_str());
        if let (false, Some(near)) = (
            known || directive.contains(['=', ':', '[']),
            nearest(directive, &LEVELS),
        ) {
            return Err(format!(
                "{directive:?} is not a level (did you mean {near}?); {ALLOWED}"
            ));
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) => Err(format!("is empty; {ALLOWED}")),
        Err(error) => Err(format!("{text:?} is not a filter ({error}); {ALLOWED}")),
    }
}
