//! The caller's reason, in their own words.

use serde::{Deserialize, Deserializer};

use aggregates::visible::is_invisible;

/// The fewest visible characters of a mandatory reason: enough for a ticket's number or a few words.
const LEAST: usize = 10;
/// The most characters of a reason.
const MOST: usize = 500;

/// A reason: at least 10 visible characters if mandatory, at least one if optional; at most 500 characters, without
/// control characters other than line breaks. Deserialised as mandatory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Reason(String);

impl Reason {
    /// Parses a mandatory reason, of at least 10 visible characters. White space at both ends is dropped.
    ///
    /// # Errors
    /// A message about the problem.
    pub fn demanded(text: &str) -> Result<Self, String> {
        let reason = Self::bounded(text)?;
        match visible(&reason.0) {
            0..LEAST => Err(format!(
                "has to have at least {LEAST} visible characters: say what for, e.g. `ticket 4711: locked out`"
            )),
            _ => Ok(reason),
        }
    }

    /// Parses an optional reason.
    ///
    /// # Errors
    /// A message about the problem.
    pub fn given(text: &str) -> Result<Self, String> {
        let reason = Self::bounded(text)?;
        match visible(&reason.0) {
            0 => Err("is empty: say what for, or leave it out".to_owned()),
            _ => Ok(reason),
        }
    }

    /// Deserialises an optional reason.
    ///
    /// # Errors
    /// As [`given`](Self::given).
    pub fn if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let reason = text.map(|text| Self::given(&text).map_err(serde::de::Error::custom));
        reason.transpose()
    }

    fn bounded(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // marks of direction would reorder the text around the reason
        let plain =
            |c: char| (!c.is_control() || c == '\n') && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if text.chars().count() > MOST || !text.chars().all(plain) {
            return Err(format!(
                "has to be at most {MOST} characters without control characters or marks of direction"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The number of visible characters; white space between two words counts as one.
fn visible(text: &str) -> usize {
    let words = text.split_whitespace();
    let lengths = words.map(|word| word.chars().filter(|c| !is_invisible(*c)).count());
    let lengths: Vec<usize> = lengths.filter(|length| *length > 0).collect();
    lengths.iter().sum::<usize>() + lengths.len().saturating_sub(1)
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::demanded(&text)
    }
}

impl std::str::FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::demanded(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_demanded_says_something() {
        assert_eq!(
            Reason::demanded("  ticket 4711, reset ").map(String::from),
            Ok("ticket 4711, reset".to_owned())
        );
        let unseen = "\u{200b}".repeat(20);
        let padded = format!("a{unseen}b\u{feff}\u{2060}\u{ad}c");
        for bad in [
            "",
            "because",
            "          ",
            "a         b",
            "x\u{0}xxxxxxxxxxxxxxx",
            "ticket \u{202e}4711 reset",
            &unseen,
            &padded,
        ] {
            assert!(Reason::demanded(bad).is_err(), "{bad:?}");
        }
        assert!(Reason::demanded("Kündigung \u{1f510}").is_ok());
        assert!(Reason::demanded(&"x".repeat(500)).is_ok());
        assert!(Reason::demanded(&"x".repeat(501)).is_err());
    }

    #[test]
    fn a_reason_that_is_given_though_none_is_needed_is_not_empty() {
        assert!(Reason::given("yearly").is_ok());
        for bad in ["", " \n ", "\u{200b}\u{2060}", "\u{3164}"] {
            assert!(Reason::given(bad).is_err(), "{bad:?}");
        }
    }
}
