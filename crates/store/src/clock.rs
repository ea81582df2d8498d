//! The service's clock: UTC in whole microseconds, the precision of both stores.

use aggregates::moment::MomentText;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

/// Now, UTC, rounded down to the microsecond.
pub fn now() -> Timestamp {
    to_micros(Timestamp::now())
}

/// The clock skew that is tolerated: if the newest event is stamped later than the clock by at most this, new events
/// keep its time until the clock has caught up, since the clocks of several hosts differ a little. Beyond it the clock
/// is followed, also backwards.
pub const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// The time at which the next events are recorded at `now`, after an event stamped `last`.
pub fn stamp(now: Timestamp, last: Timestamp) -> Timestamp {
    if is_ahead(last, now) { now } else { now.max(last) }
}

/// Whether a moment is later than another by more than [`TOLERANCE`].
pub fn is_ahead(moment: Timestamp, now: Timestamp) -> bool {
    moment.duration_since(now) > TOLERANCE
}

/// The moment rounded down to the microsecond.
pub fn to_micros(moment: Timestamp) -> Timestamp {
    let down = TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::Floor);
    // rounding down fails only outside of the years -9999 to 9999, where the moment itself would not exist
    moment.round(down).unwrap_or(moment)
}

/// RFC 3339 in UTC with exactly six decimals, so that text order is time order.
pub fn rfc3339_micros(moment: Timestamp) -> String {
    MomentText::with_decimals(moment, 6).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_far_is_followed_and_a_small_step_is_not() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
        assert_eq!(stamp(now, at(-5)), now);
        assert_eq!(stamp(now, at(5)), at(5));
        assert_eq!(stamp(now, at(60)), at(60));
        assert_eq!(stamp(now, at(61)), now);
        assert_eq!(stamp(now, at(86_400)), now);
    }

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
