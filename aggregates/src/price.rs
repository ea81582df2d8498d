//! Prices: decimal numbers without a currency, as the provider writes them. Exact: facts hold no floating-point numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Decimals that a price may have.
const DECIMALS: usize = 6;
/// A price of 1, in millionths.
const ONE: i64 = 1_000_000;
/// The most digits before the decimal point.
const DIGITS: usize = 12;

/// A price, in millionths of a currency unit. The provider's documents name no currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Price(i64);

/// The text is not a decimal number of at most twelve digits and six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a price")]
pub struct NotAPrice;

impl Price {
    /// The largest price: that of the most digits.
    const MAX: i64 = 1_000_000_000_000 * ONE - 1;

    /// The sum; the largest price if it does not fit.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(Self::MAX))
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Price {
    type Err = NotAPrice;

    fn from_str(text: &str) -> Result<Self, NotAPrice> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str, most| {
            let plain = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<i64>().ok()).flatten().ok_or(NotAPrice)
        };
        let whole = digits(whole, DIGITS)?;
        if decimals.is_empty() {
            return Err(NotAPrice);
        }
        let decimals = digits(&format!("{decimals:0<DECIMALS$}"), DECIMALS)?;
        Ok(Self(whole * ONE + decimals))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / ONE, self.0 % ONE);
        if decimals == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{decimals:0>DECIMALS$}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_exact() {
        for (text, written) in [
            ("15.88", "15.88"),
            ("11", "11"),
            ("0.10", "0.1"),
            ("3.000001", "3.000001"),
            ("007", "7"),
        ] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), written);
        }
        let sum = (0..10).fold(Price::default(), |sum, _| sum.saturating_add("0.1".parse().unwrap()));
        assert_eq!(sum, "1".parse().unwrap());
        let json = serde_json::to_string(&"15.88".parse::<Price>().unwrap()).unwrap();
        assert_eq!(
            (json.as_str(), serde_json::from_str::<Price>(&json).unwrap()),
            ("\"15.88\"", "15.88".parse().unwrap())
        );
    }

    #[test]
    fn a_sum_that_is_too_large_is_the_largest_price_and_can_be_read_again() {
        let large: Price = "999999999999".parse().unwrap();
        let sum = (0..20).fold(Price::default(), |sum, _| sum.saturating_add(large));
        assert_eq!(sum.to_string(), "999999999999.999999");
        assert_eq!(sum.to_string().parse::<Price>().unwrap(), sum);
    }

    #[test]
    fn anything_else_is_no_price() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "$5",
            "1.2.3",
            "0.1234567",
            "9999999999999",
            "NaN",
            " 1",
        ] {
            assert_eq!(text.parse::<Price>(), Err(NotAPrice), "{text}");
        }
    }
}
