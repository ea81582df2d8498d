//! Why somebody does something, in their own words.

/// The fewest characters of a reason where one is demanded: enough for a ticket's number or a few words.
const LEAST: usize = 10;
/// The most characters.
const MOST: usize = 500;

/// A reason: at most 500 characters, none of them a control character but line breaks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Reason(String);

impl Reason {
    /// A reason of at least 10 characters. White space at both ends is dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn demanded(text: &str) -> Result<Self, String> {
        match text.trim().chars().count() {
            0..LEAST => Err(format!(
                "has to be at least {LEAST} characters: say what for, e.g. a ticket"
            )),
            _ => Self::given(text),
        }
    }

    /// A reason that was given though none is needed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn given(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let plain = |c: char| !c.is_control() || c == '\n';
        if text.is_empty() || text.chars().count() > MOST || !text.chars().all(plain) {
            return Err(format!("has to be 1 to {MOST} characters without control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::given(&text)
    }
}

impl std::str::FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::given(text)
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
        for bad in ["", "because", "          ", "x\u{0}xxxxxxxxxxxxxxx"] {
            assert!(Reason::demanded(bad).is_err(), "{bad:?}");
        }
        assert!(Reason::demanded(&"x".repeat(500)).is_ok());
        assert!(Reason::demanded(&"x".repeat(501)).is_err());
    }
}
