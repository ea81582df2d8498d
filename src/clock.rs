//! The service's clock: UTC in whole microseconds, which is what both stores keep.

use aggregates::moment::MomentText;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// Now, UTC, rounded down to the microsecond.
pub fn now() -> Timestamp {
    to_micros(Timestamp::now())
}

/// The moment rounded down to the microsecond.
pub fn to_micros(moment: Timestamp) -> Timestamp {
    let down = TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::Floor);
    // rounding down fails only outside of the years -9999 to 9999, where the moment itself would not exist
    moment.round(down).unwrap_or(moment)
}

/// RFC 3339 in UTC with exactly six decimals, so that the order of the text is the order of time.
pub fn rfc3339_micros(moment: Timestamp) -> String {
    MomentText::with_decimals(moment, 6).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_moment_always_has_six_decimals() {
        assert_eq!(
            rfc3339_micros("2026-01-02T03:04:05Z".parse().unwrap()),
            "2026-01-02T03:04:05.000000Z"
        );
        let fine: Timestamp = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        assert_eq!(rfc3339_micros(to_micros(fine)), "2026-01-02T03:04:05.123456Z");
    }
}
