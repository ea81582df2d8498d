//! Free text, dates and other values, read tolerantly.

use std::fmt::Display;

use aggregates::{Domain, moment};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use super::{MAX_WORD_CHARS, PayloadProblem};
use aggregates::visible::is_blank;

/// The most characters of a reason kept in the facts; the original keeps all.
pub(super) const MAX_TEXT_CHARS: usize = 1_000;

/// Free text, fit for any database and screen: control characters become U+FFFD, longer text ends in `…`.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut kept: String = clean.clone().take(max).collect();
    if clean.count() > max {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// An event's name as a fact. A name that is not plain letters, digits, `.`, `_`, `-` or `:` may be anything, such as
/// an address, and stays in the sealed original.
pub(super) fn event_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    if name.chars().all(plain) {
        shorten(name, MAX_WORD_CHARS)
    } else {
        "(not a plain name)".to_owned()
    }
}

/// Free text that may be absent or blank, without e-mail addresses: facts are kept for ever, so addresses stay in the
/// sealed original.
pub(super) fn optional_text(text: Option<String>, max: usize) -> Option<String> {
    let text = shorten(&without_addresses(text?), max);
    (!is_blank(&text)).then_some(text)
}

fn without_addresses(text: String) -> String {
    if !text.contains('@') {
        return text;
    }
    let plain = |word| if str::contains(word, '@') { "(an address)" } else { word };
    text.split_whitespace().map(plain).collect::<Vec<_>>().join(" ")
}

/// A moment: RFC 3339, or a date with or without time, taken as UTC.
pub(super) fn moment(text: Option<&str>, path: impl Display + Copy) -> Result<Option<Timestamp>, PayloadProblem> {
    let Some(text) = text.map(str::trim).filter(|text| !is_blank(text)) else {
        return Ok(None);
    };
    let parsed = moment::parse(text)
        .or_else(|_| {
            text.parse::<DateTime>()
                .and_then(|moment| moment.to_zoned(TimeZone::UTC))
                .map(|z| z.timestamp())
        })
        .or_else(|_| {
            text.parse::<Date>()
                .and_then(|date| date.to_zoned(TimeZone::UTC))
                .map(|z| z.timestamp())
        })
        .map_err(|_| PayloadProblem::at(path, "is not a date"))?;
    let year = Offset::UTC.to_datetime(parsed).year();
    if (1970..=9998).contains(&year) {
        Ok(Some(parsed))
    } else {
        Err(PayloadProblem::at(path, "is not a date since 1970"))
    }
}

/// A domain name that may be absent or blank.
pub(super) fn domain(text: Option<&str>, path: impl Display) -> Result<Option<Domain>, PayloadProblem> {
    let Some(text) = text.map(str::trim).filter(|text| !is_blank(text)) else {
        return Ok(None);
    };
    Domain::normalise(text)
        .map(Some)
        .map_err(|error| PayloadProblem::at(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_loses_control_characters_and_what_is_too_long() {
        assert_eq!(shorten(" a\0b\n ", 10), "a\u{fffd}b");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(optional_text(Some("  ".to_owned()), 4), None);
    }

    #[test]
    fn free_text_loses_addresses() {
        let kept = |text: &str| optional_text(Some(text.to_owned()), 1_000);
        assert_eq!(
            kept("owner <ann@example.com>, or\tbob@example.com refused").as_deref(),
            Some("owner (an address) or (an address) refused")
        );
        assert_eq!(kept("ann@example.com").as_deref(), Some("(an address)"));
        assert_eq!(kept("Pool  empty").as_deref(), Some("Pool  empty"));
    }

    #[test]
    fn a_moment_is_rfc_3339_or_a_date_in_utc() {
        let read = |text| moment(Some(text), "x").ok().flatten().map(|moment| moment.to_string());
        assert_eq!(
            read("2025-11-27T19:59:17.294Z").as_deref(),
            Some("2025-11-27T19:59:17.294Z")
        );
        assert_eq!(
            read("2025-11-27T21:59:17+02:00").as_deref(),
            Some("2025-11-27T19:59:17Z")
        );
        assert_eq!(read("2025-11-27").as_deref(), Some("2025-11-27T00:00:00Z"));
        assert_eq!(read("2025-11-27T10:00:00").as_deref(), Some("2025-11-27T10:00:00Z"));
        assert!(moment(Some("tomorrow"), "x").is_err());
        assert!(moment(Some("-4000-01-01T00:00:00Z"), "x").is_err());
        assert!(moment(Some(""), "x").is_ok_and(|moment| moment.is_none()));
    }
}
