//! Moments as text: RFC 3339 in UTC, as in facts and views. The texts are byte for byte those of [`Timestamp`]'s own
//! `Display`, written and read without its formatter and parser, which handle all of Temporal.

use std::fmt;
use std::ops::{Deref, Range};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

/// The longest text: `-009999-01-02T03:04:05.123456789Z`.
const LONGEST: usize = 33;
/// Nanoseconds have nine digits.
const DIGITS: usize = 9;

/// A moment's text.
#[derive(Clone, Copy)]
pub struct MomentText {
    bytes: [u8; LONGEST],
    length: usize,
}

impl MomentText {
    /// With as many decimals as needed: none for whole seconds.
    pub fn shortest(moment: Timestamp) -> Self {
        Self::written(moment, None)
    }

    /// With exactly so many decimals, at most nine; further ones are truncated.
    pub fn with_decimals(moment: Timestamp, decimals: usize) -> Self {
        Self::written(moment, Some(decimals.min(DIGITS)))
    }

    fn written(moment: Timestamp, decimals: Option<usize>) -> Self {
        let civil = Offset::UTC.to_datetime(moment);
        let Ok(year) = u32::try_from(civil.year()) else {
            return Self::of_any(moment, decimals);
        };
        let mut text = Self {
            bytes: [b'0'; LONGEST],
            length: 0,
        };
        let two = |number: i8| u32::from(number.unsigned_abs());
        text.digits(year, 4);
        text.push(b'-');
        text.digits(two(civil.month()), 2);
        text.push(b'-');
        text.digits(two(civil.day()), 2);
        text.push(b'T');
        text.digits(two(civil.hour()), 2);
        text.push(b':');
        text.digits(two(civil.minute()), 2);
        text.push(b':');
        text.digits(two(civil.second()), 2);
        let nanoseconds = civil.subsec_nanosecond().unsigned_abs();
        let decimals = decimals.unwrap_or_else(|| needed(nanoseconds));
        if decimals > 0 {
            text.push(b'.');
            let begin = text.length;
            text.digits(nanoseconds, DIGITS);
            text.length = begin + decimals;
        }
        text.push(b'Z');
        text
    }

    /// A moment before the year 0: rare, so it may be slow.
    fn of_any(moment: Timestamp, decimals: Option<usize>) -> Self {
        let written = match decimals {
            Some(decimals) => format!("{moment:.decimals$}"),
            None => moment.to_string(),
        };
        let mut text = Self {
            bytes: [0; LONGEST],
            length: written.len().min(LONGEST),
        };
        text.bytes[..text.length].copy_from_slice(&written.as_bytes()[..text.length]);
        text
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn digits(&mut self, mut number: u32, count: usize) {
        for place in self.bytes[self.length..][..count].iter_mut().rev() {
            // always a digit
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.length += count;
    }
}

/// How many decimals a number of nanoseconds needs.
fn needed(nanoseconds: u32) -> usize {
    let (mut left, mut decimals) = (nanoseconds, DIGITS);
    while decimals > 0 && left.is_multiple_of(10) {
        (left, decimals) = (left / 10, decimals - 1);
    }
    decimals
}

impl Deref for MomentText {
    type Target = str;

    fn deref(&self) -> &str {
        // only digits and signs
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl fmt::Display for MomentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Reads a moment: any text that [`Timestamp`] accepts.
///
/// # Errors
/// Those of [`Timestamp`]'s own parser.
pub fn parse(text: &str) -> Result<Timestamp, jiff::Error> {
    match common(text.as_bytes()) {
        Some(moment) => Ok(moment),
        None => text.parse(),
    }
}

/// A moment in UTC in its usual form: `2026-01-02T03:04:05Z`, or with decimals.
fn common(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let number = |range: Range<usize>| digits(&head[range]);
    if (head[4], head[7], head[10], head[13], head[16]) != (b'-', b'-', b'T', b':', b':') {
        return None;
    }
    let nanoseconds = match tail {
        b"Z" => 0,
        [b'.', decimals @ .., b'Z'] if (1..=DIGITS).contains(&decimals.len()) => {
            digits(decimals)? * 10_u32.pow((DIGITS - decimals.len()) as u32)
        }
        _ => return None,
    };
    let small = |range: Range<usize>| number(range).and_then(|number| i8::try_from(number).ok());
    let civil = DateTime::new(
        i16::try_from(number(0..4)?).ok()?,
        small(5..7)?,
        small(8..10)?,
        small(11..13)?,
        small(14..16)?,
        small(17..19)?,
        i32::try_from(nanoseconds).ok()?,
    );
    Offset::UTC.to_timestamp(civil.ok()?).ok()
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(number * 10 + u32::from(digit))
    })
}

/// Writes a moment's text, for `#[serde(with = "…")]`.
///
/// # Errors
/// Those of the serialiser.
pub fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&MomentText::shortest(*moment))
}

/// Reads a moment's text, for `#[serde(with = "…")]`.
///
/// # Errors
/// If it is not a text, or not a moment.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Timestamp;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a moment as RFC 3339 has it")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
            parse(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text)
}

/// The same for a moment that may be absent; the field needs `default` too.
pub mod optional {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    #[derive(Deserialize)]
    struct There(#[serde(with = "super")] Timestamp);

    /// Writes the text, or null.
    ///
    /// # Errors
    /// Those of the serialiser.
    pub fn serialize<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => super::serialize(moment, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the text, or null.
    ///
    /// # Errors
    /// As for one that is required.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let found = Option::<There>::deserialize(deserializer)?;
        Ok(found.map(|There(moment)| moment))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments() -> impl Strategy<Value = Timestamp> {
        let seconds = prop_oneof![
            0_i64..4_102_444_800,
            Timestamp::MIN.as_second()..Timestamp::MAX.as_second()
        ];
        let nanoseconds = prop_oneof![
            Just(0_i64),
            (0_i64..1_000).prop_map(|milli| milli * 1_000_000),
            (0_i64..1_000_000).prop_map(|micro| micro * 1_000),
            0_i64..1_000_000_000
        ];
        (seconds, nanoseconds).prop_map(|(seconds, nanoseconds)| {
            let moment = Timestamp::from_second(seconds).unwrap();
            moment
                .checked_add(jiff::SignedDuration::from_nanos(nanoseconds))
                .unwrap()
        })
    }

    #[test]
    fn the_first_and_the_last_moment_have_their_texts() {
        for moment in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert_eq!(&*MomentText::shortest(moment), moment.to_string());
            assert_eq!(&*MomentText::with_decimals(moment, 9), format!("{moment:.9}"));
            assert_eq!(parse(&moment.to_string()).unwrap(), moment);
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.1234567890Z",
            "2026-01-02T24:00:00Z",
            "20/6-01-02T03:04:05Z",
            "2026-01-02",
            "é2026-01-02T03:04:05Z",
        ] {
            assert_eq!(parse(text).is_err(), text.parse::<Timestamp>().is_err(), "{text}");
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_those_of_the_timestamp(moment in moments(), decimals in 0_usize..=9) {
            prop_assert_eq!(&*MomentText::shortest(moment), moment.to_string());
            prop_assert_eq!(&*MomentText::with_decimals(moment, decimals), format!("{moment:.decimals$}"));
        }

        #[test]
        fn a_text_gives_its_moment(moment in moments(), decimals in 0_usize..=9) {
            for text in [moment.to_string(), format!("{moment:.decimals$}")] {
                prop_assert_eq!(parse(&text).unwrap(), text.parse::<Timestamp>().unwrap());
            }
        }

        #[test]
        fn what_nearly_is_one_is_read_as_by_the_timestamp(
            moment in moments(), place in 0_usize..40, byte in "[0-9:TtZz+., -]"
        ) {
            let mut text = moment.to_string();
            let place = place % text.len();
            text.replace_range(place..=place, &byte);
            prop_assert_eq!(parse(&text).ok(), text.parse::<Timestamp>().ok());
        }
    }
}
