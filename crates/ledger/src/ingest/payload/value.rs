//! What a value plainly means, whatever JSON type it was written in.

use aggregates::moment;
use jiff::civil::{Date, DateTime};
use jiff::fmt::rfc2822;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::raw::Scalar;

/// The years that a date can be of: earlier ones are no dates of this business, later ones stand for "never", and would
/// outweigh all that is true.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;
/// Seconds since 1970 that stand for a moment: those of 1990 to 2099. Other numbers mean something else, e.g.
/// `20251127195917`.
const SECONDS: std::ops::Range<i128> = 631_152_000..4_102_444_800;

/// A text or a number, as text.
pub(super) fn text<'a>(scalar: &'a Scalar<'_>) -> Option<&'a str> {
    match scalar {
        Scalar::Text(text) => Some(text),
        Scalar::Number(number) => Some(number),
        Scalar::Boolean(_) => None,
    }
}

/// True or false: as such, as a text, or as 1 or 0.
pub(super) fn boolean(scalar: &Scalar<'_>) -> Option<bool> {
    let word = match scalar {
        Scalar::Boolean(value) => return Some(*value),
        Scalar::Number(number) => number,
        Scalar::Text(text) => text.trim(),
    };
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "1.0" => Some(true),
        "false" | "no" | "0" | "0.0" => Some(false),
        _ => None,
    }
}

/// A whole number that is not negative, also with a fraction of zero.
pub(super) fn count(scalar: &Scalar<'_>) -> Option<u32> {
    let number = text(scalar)?.trim();
    let whole = match number.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => number,
    };
    whole.parse().ok()
}

/// A moment in time: RFC 3339; a date with or without a time, in UTC; RFC 2822; a day, month and year where it is plain
/// which is which; seconds or milliseconds since 1970.
pub(super) fn moment(scalar: &Scalar<'_>) -> Option<Timestamp> {
    let text = text(scalar)?.trim();
    let parsed = moment::parse(text)
        .ok()
        .or_else(|| since_1970(text))
        .or_else(|| text.parse::<DateTime>().ok().and_then(utc))
        .or_else(|| text.parse::<Date>().ok().and_then(day))
        .or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
        .or_else(|| midnight_at_the_end(text))
        .or_else(|| day_with_slashes(text))?;
    YEARS
        .contains(&Offset::UTC.to_datetime(parsed).year())
        .then_some(parsed)
}

fn utc(moment: DateTime) -> Option<Timestamp> {
    moment.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn day(date: Date) -> Option<Timestamp> {
    utc(date.to_datetime(jiff::civil::Time::midnight()))
}

/// Seconds since 1970, perhaps with decimals, or milliseconds.
fn since_1970(text: &str) -> Option<Timestamp> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || whole.len() > 18 || decimals.len() > 9 || !plain(whole) || !plain(decimals) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let fraction: i128 = format!("{decimals:0<9}").parse().ok()?;
    let nanoseconds = if SECONDS.contains(&whole) {
        whole * 1_000_000_000 + fraction
    } else if SECONDS.contains(&(whole / 1_000)) {
        whole * 1_000_000 + fraction / 1_000
    } else {
        return None;
    };
    Timestamp::from_nanosecond(nanoseconds).ok()
}

/// Midnight at the end of a day, `2025-11-27T24:00:00Z`: ISO 8601 has it, RFC 3339 has not.
fn midnight_at_the_end(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let rest = time.strip_prefix("24:00")?;
    let begin = format!("{date}T00:00{rest}");
    let begin = moment::parse(&begin)
        .ok()
        .or_else(|| begin.parse::<DateTime>().ok().and_then(utc))?;
    // a day in UTC always has 24 hours; not a single second after midnight belongs to this day
    let second = SignedDuration::from_secs(begin.as_second().rem_euclid(60));
    second.is_zero().then(|| begin.checked_add(24.hours()).ok()).flatten()
}

/// A day as `27/11/2025` or `11/27/2025`: only if a month of it cannot be the other way round.
fn day_with_slashes(text: &str) -> Option<Timestamp> {
    let mut numbers = text.split('/').map(|number| number.parse::<i16>().ok());
    let (one, two, year) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() || text.len() > "27/11/2025".len() {
        return None;
    }
    let (month, of_month) = match (one, two) {
        (1..=12, 13..=31) => (one, two),
        (13..=31, 1..=12) => (two, one),
        (one, two) if one == two => (one, one),
        _ => return None,
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(of_month).ok()?)
        .ok()
        .and_then(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let moment = moment(&Scalar::Text(text.into()));
        moment.map(|moment| moment.to_string())
    }

    #[test]
    fn a_moment_is_what_it_plainly_means() {
        for (text, means) in [
            ("2025-11-27T19:59:17.294Z", "2025-11-27T19:59:17.294Z"),
            ("2025-11-27T21:59:17+02:00", "2025-11-27T19:59:17Z"),
            ("2025-11-27T10:00:00", "2025-11-27T10:00:00Z"),
            ("2025-11-27 10:00:00", "2025-11-27T10:00:00Z"),
            ("2025-11-27", "2025-11-27T00:00:00Z"),
            ("20251127", "2025-11-27T00:00:00Z"),
            (" 2025-11-27\n", "2025-11-27T00:00:00Z"),
            ("1764273557", "2025-11-27T19:59:17Z"),
            ("1764273557.294", "2025-11-27T19:59:17.294Z"),
            ("1764273557294", "2025-11-27T19:59:17.294Z"),
            ("Thu, 27 Nov 2025 19:59:17 +0000", "2025-11-27T19:59:17Z"),
            ("27 Nov 2025 19:59:17 GMT", "2025-11-27T19:59:17Z"),
            ("27/11/2025", "2025-11-27T00:00:00Z"),
            ("11/27/2025", "2025-11-27T00:00:00Z"),
            ("11/11/2025", "2025-11-11T00:00:00Z"),
            ("2025-11-27T24:00:00Z", "2025-11-28T00:00:00Z"),
            ("2025-12-31T24:00:00.000Z", "2026-01-01T00:00:00Z"),
            ("2025-11-27T24:00:00+02:00", "2025-11-27T22:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(means), "{text}");
        }
        let number = moment(&Scalar::Number("1764273557")).map(|moment| moment.to_string());
        assert_eq!(number.as_deref(), Some("2025-11-27T19:59:17Z"));
    }

    #[test]
    fn what_could_be_two_days_or_none_is_not_read() {
        for text in [
            "N/A",
            "never",
            "tomorrow",
            "0",
            "-1",
            "1",
            "20",
            "99999999999999999999",
            "20251127195917",
            "202511271959",
            "100000000",
            "9999-12-31",
            "9999-12-31T23:59:59Z",
            "2999-12-31",
            "0000-00-00",
            "1969-12-31",
            "-004000-01-01T00:00:00Z",
            "03/04/2025",
            "31/02/2025",
            "27/11/25/1",
            "2025-11-27T24:00:01Z",
            "2025-11-27T24:30:00Z",
            "2025-11-27T25:00:00Z",
            "1.2.3",
            "1e10",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(moment(&Scalar::Boolean(true)).is_none());
    }

    #[test]
    fn truth_and_numbers_are_read_from_texts() {
        for (text, means) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("1", Some(true)),
            ("yes", Some(true)),
            ("false", Some(false)),
            (" 0 ", Some(false)),
            ("no", Some(false)),
            ("2", None),
            ("on the moon", None),
        ] {
            assert_eq!(boolean(&Scalar::Text(text.into())), means, "{text}");
        }
        assert_eq!(boolean(&Scalar::Number("1")), Some(true));
        assert_eq!(boolean(&Scalar::Number("0")), Some(false));
        for (text, means) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("3.5", None),
            ("-1", None),
            ("1e2", None),
            ("4294967296", None),
        ] {
            assert_eq!(count(&Scalar::Number(text)), means, "{text}");
            assert_eq!(count(&Scalar::Text(text.into())), means, "{text}");
        }
    }
}
