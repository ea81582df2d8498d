//! The values of query and path parameters.

use aggregates::Domain;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use ledger::email::EmailAddress;
use projections::Value;
use serde::Deserialize;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

/// The error for a parameter that is not a number.
pub(super) const NO_NUMBER: &str = "has to be a number from 0 on: a position is one, an event's id is not";

/// The most items on a page: 1 to 500.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Limit(u32);

impl Limit {
    const MAX: u32 = 500;

    /// The number.
    pub(in crate::http) fn get(self) -> u32 {
        self.0
    }

    /// A number that the service itself chooses.
    pub(super) fn of(number: u32) -> Self {
        Self(number)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let limit = text.parse().ok().filter(|limit| (1..=Self::MAX).contains(limit));
        limit
            .map(Self)
            .ok_or_else(|| format!("has to be a whole number from 1 to {}", Self::MAX))
    }
}

/// A number from 0 on, such as a position.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Number(pub(in crate::http) u64);

impl TryFrom<String> for Number {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let number = text.parse().map_err(|_| "has to be a position: a number from 0 on");
        number.map(Self)
    }
}

/// A time, or the start of a day in UTC. Years 0 to 9999: what both stores can compare.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct TimeParameter(pub(in crate::http) Timestamp);

impl TryFrom<String> for TimeParameter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let in_range = |year| (0..=9999).contains(&year);
        let day = || {
            let day = text.parse::<Date>().ok().filter(|_| text.len() == "2025-01-31".len())?;
            // the last days of the calendar, which people write for "ever", are beyond the last timestamp
            let start = Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX);
            in_range(day.year()).then_some(start)
        };
        let time = text.parse::<Timestamp>().ok();
        time.filter(|time| in_range(Offset::UTC.to_datetime(*time).year()))
            .or_else(day)
            .map(Self)
            .ok_or_else(|| {
                let plus = if text.contains(' ') { " (write + as %2B)" } else { "" };
                format!("has to be an RFC 3339 time, e.g. 2025-10-27T19:59:17Z{plus}, or a date, e.g. 2025-10-27")
            })
    }
}

/// A domain name, normalised.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct DomainName(pub(in crate::http) Domain);

impl TryFrom<String> for DomainName {
    type Error = aggregates::IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Domain::normalise(&text).map(Self)
    }
}

impl From<DomainName> for Value {
    fn from(name: DomainName) -> Self {
        Self::Text(name.0.into())
    }
}

/// An e-mail address to look for. Personal data.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Email(pub(in crate::http) EmailAddress);

impl Email {
    /// Whether a text is the same address.
    pub(in crate::http) fn is(&self, text: &str) -> bool {
        self.0.is(text)
    }
}

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plus = if text.trim().contains(' ') {
            " (write + as %2B)"
        } else {
            ""
        };
        let address = EmailAddress::parse(&text).map(Self);
        address.map_err(|error| format!("{error}{plus}"))
    }
}

/// Text to be compared with the provider's.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Words(pub(in crate::http) String);

impl TryFrom<String> for Words {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text {
            text if text.is_empty() => Err("is empty"),
            text if text.contains('\0') => Err("holds a character that is not allowed"),
            text => Ok(Self(text)),
        }
    }
}

impl From<Words> for Value {
    fn from(words: Words) -> Self {
        Self::Text(words.0)
    }
}

/// The schema of an enumerated word, for the document. It carries the description, since utoipa drops a field's own
/// where its schema is given by hand.
pub(in crate::http) fn one_of(description: &str, words: &[&'static str]) -> Object {
    ObjectBuilder::new()
        .description(Some(description))
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(words.iter().copied()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        let moment = TimeParameter::try_from(text.to_owned()).ok();
        moment.map(|moment| moment.0.to_string())
    }

    #[test]
    fn a_moment_is_a_time_or_the_start_of_a_day_in_utc() {
        let midnight = Some("2025-10-27T00:00:00Z".to_owned());
        assert_eq!(moment("2025-10-27"), midnight);
        assert_eq!(moment("2025-10-27T02:00:00+02:00"), midnight);
        assert!(moment("9999-12-31").is_some());
        for bad in [
            "",
            "27.10.2025",
            "2025-10-27T00:00:00",
            "2025-13-01",
            "-000001-01-01",
            "20251027",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_limit_is_from_1_to_500() {
        assert_eq!(Limit::default().get(), 50);
        let limit = |text: &str| Limit::try_from(text.to_owned()).map(Limit::get).ok();
        assert_eq!(["0", "501", "", "x", "99999999999"].map(limit), [None; 5]);
        assert_eq!(limit("500"), Some(500));
    }
}
