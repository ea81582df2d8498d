//! Ranges of time in queries: `from`, `to`, and the time zone of their days.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, ToSpan, Zoned};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{Problem, take};
use store::clock;

/// The parameters as they are written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Only from then on: an RFC 3339 time, a day (`2025-11-01`, `today`, `yesterday`, `-7d` for seven days ago), or
    /// hours from now (`-24h`).
    #[param(example = "-7d")]
    from: Option<String>,
    /// Only up to then: of a time, only what is before it; of a day, the whole day. Written like `from`.
    #[param(example = "today")]
    to: Option<String>,
    /// The time zone of the days, by its name in the IANA database; UTC if it is not given.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
}

/// A range of time; either end may be open. It comes before the [`Query`](super::Query) of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Range {
    /// The first moment of it.
    pub(in crate::http) from: Option<Timestamp>,
    /// The first moment after it.
    pub(in crate::http) to: Option<Timestamp>,
    /// The time zone that was named.
    pub(in crate::http) zone: Option<TimeZone>,
}

/// The first moment of a range and the first after it, for the command line: written as in a query.
///
/// # Errors
/// What is wrong, beginning with `from`, `to` or `tz`.
pub(crate) fn of_words(
    from: Option<String>,
    to: Option<String>,
    tz: Option<String>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), String> {
    let range = Range::read(&Written { from, to, tz }, clock::now())?;
    Ok((range.from, range.to))
}

impl<S: Send + Sync> FromRequestParts<S> for Range {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let written: Written = take(parts, &["from", "to", "tz"])?;
        Self::read(&written, clock::now()).map_err(|problem| Problem::bad_request(format!("query parameter {problem}")))
    }
}

impl IntoParams for Range {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Written::into_params(|| Some(ParameterIn::Query))
    }
}

/// One end of a range.
enum End {
    Time(Timestamp),
    Day(Date),
}

impl Range {
    fn read(written: &Written, now: Timestamp) -> Result<Self, String> {
        let zone = match &written.tz {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("tz: {name:?} is no time zone of the IANA database; one is written like Europe/Berlin")
            })?,
        };
        let now = now.to_zoned(zone.clone());
        let end = |name: &str, text: &Option<String>| {
            let end = text.as_ref().map(|text| {
                End::parse(text, &now).ok_or_else(|| {
                    let plus = if text.trim().contains(' ') { " (write + as %2B)" } else { "" };
                    format!(
                        "{name}: has to be an RFC 3339 time, e.g. 2025-10-27T19:59:17Z{plus}, a day, e.g. 2025-10-27, today \
                         or -7d, or hours from now, e.g. -24h"
                    )
                })
            });
            end.transpose()
        };
        let start_of = |day: Date| {
            day.to_zoned(zone.clone())
                .map_or(Timestamp::MAX, |start| start.timestamp())
        };
        let from = end("from", &written.from)?.map(|end| match end {
            End::Time(time) => time,
            End::Day(day) => start_of(day),
        });
        let to = end("to", &written.to)?.map(|end| match end {
            End::Time(time) => time,
            End::Day(day) => day.tomorrow().map_or(Timestamp::MAX, start_of),
        });
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(format!(
                "to: the range is empty, since it ends at {to} and begins at {from}"
            ));
        }
        Ok(Self {
            from,
            to,
            zone: written.tz.is_some().then_some(zone),
        })
    }
}

impl End {
    fn parse(text: &str, now: &Zoned) -> Option<Self> {
        let in_range = |year| (0..=9999).contains(&year);
        let today = now.date();
        match text {
            "today" => return Some(Self::Day(today)),
            "yesterday" => return today.yesterday().ok().map(Self::Day),
            "tomorrow" => return today.tomorrow().ok().map(Self::Day),
            _ => {}
        }
        if let Some(end) = Self::relative(text, now) {
            let year = match &end {
                Self::Time(time) => Offset::UTC.to_datetime(*time).year(),
                Self::Day(day) => day.year(),
            };
            return in_range(year).then_some(end);
        }
        if text.len() == "2025-01-31".len()
            && let Ok(day) = text.parse::<Date>()
        {
            return in_range(day.year()).then_some(Self::Day(day));
        }
        let time = text.parse::<Timestamp>().ok()?;
        in_range(Offset::UTC.to_datetime(time).year()).then_some(Self::Time(time))
    }

    /// Days, weeks or hours from now; a plus sign in a query arrives as a blank.
    fn relative(text: &str, now: &Zoned) -> Option<Self> {
        let (sign, digits) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' | b' ' => (1, &text[1..]),
            _ => (1, text),
        };
        let (number, unit) = digits.split_at_checked(digits.len().checked_sub(1)?)?;
        if !number.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let number: i64 = number.parse::<u32>().ok()?.into();
        let day = |span: Span| now.date().checked_add(span).ok().map(Self::Day);
        match unit {
            "h" => {
                let later = now.timestamp().checked_add(SignedDuration::from_hours(sign * number));
                later.ok().map(Self::Time)
            }
            "d" => day(0.days().try_days(sign * number).ok()?),
            "w" => day(0.weeks().try_weeks(sign * number).ok()?),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-11-05T23:30:00Z";

    fn read(from: &str, to: &str, tz: &str) -> Result<(Option<String>, Option<String>), String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let written = Written {
            from: given(from),
            to: given(to),
            tz: given(tz),
        };
        let range = Range::read(&written, NOW.parse().unwrap())?;
        let text = |end: Option<Timestamp>| end.map(|end| end.to_string());
        Ok((text(range.from), text(range.to)))
    }

    fn found(from: &str, to: &str) -> Result<(Option<String>, Option<String>), String> {
        Ok((Some(from.to_owned()), Some(to.to_owned())))
    }

    #[test]
    fn the_day_of_an_end_is_in_the_range_and_its_time_is_not() {
        assert_eq!(
            read("2025-11-01", "2025-11-03", ""),
            found("2025-11-01T00:00:00Z", "2025-11-04T00:00:00Z")
        );
        assert_eq!(
            read("2025-11-01T02:00:00+02:00", "2025-11-03T00:00:00Z", ""),
            found("2025-11-01T00:00:00Z", "2025-11-03T00:00:00Z")
        );
        assert_eq!(
            read("2025-11-03", "2025-11-03", ""),
            found("2025-11-03T00:00:00Z", "2025-11-04T00:00:00Z")
        );
        assert_eq!(read("", "", ""), Ok((None, None)));
        assert!(read("", "9999-12-31", "").is_ok());
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        // it is the 6th in Berlin already
        assert_eq!(
            read("today", "today", "Europe/Berlin"),
            found("2025-11-05T23:00:00Z", "2025-11-06T23:00:00Z")
        );
        assert_eq!(
            read("today", "today", ""),
            found("2025-11-05T00:00:00Z", "2025-11-06T00:00:00Z")
        );
        // the day on which the clocks went back had 25 hours
        assert_eq!(
            read("2025-10-26", "2025-10-26", "Europe/Berlin"),
            found("2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z")
        );
    }

    #[test]
    fn an_end_can_be_relative_to_now() {
        assert_eq!(
            read("-7d", "yesterday", ""),
            found("2025-10-29T00:00:00Z", "2025-11-05T00:00:00Z")
        );
        for week in ["+7d", " 7d", "7d", "1w", "+1w"] {
            assert_eq!(
                read("today", week, ""),
                found("2025-11-05T00:00:00Z", "2025-11-13T00:00:00Z"),
                "{week}"
            );
        }
        assert_eq!(
            read("-24h", "0h", ""),
            found("2025-11-04T23:30:00Z", "2025-11-05T23:30:00Z")
        );
    }

    #[test]
    fn an_empty_range_and_what_is_no_time_say_so() {
        for (from, to) in [
            ("2025-11-03", "2025-11-02"),
            ("2025-11-03T00:00:00Z", "2025-11-03T00:00:00Z"),
            ("today", "-1d"),
        ] {
            assert!(
                read(from, to, "").unwrap_err().contains("the range is empty"),
                "{from} {to}"
            );
        }
        for bad in [
            "x",
            "7",
            "-d",
            "--7d",
            "7y",
            "-99999999999d",
            "-3000000d",
            "-99999999h",
            "27.10.2025",
            "2025-10-27T00:00:00",
            "2025-13-01",
            "-000001-01-01",
            "é",
            "h",
        ] {
            assert!(read(bad, "", "").is_err(), "{bad}");
        }
        assert!(read("", "", "Europe/Nowhere").unwrap_err().contains("tz"));
    }
}
