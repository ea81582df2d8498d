//! Webhooks go first: while they come in faster than views need to follow, folding waits, but never for long.

use std::time::{Duration, Instant};

use aggregates::Position;

/// So many events a second are a flood.
const FLOOD: f64 = 1_000.0;
/// How long folding waits for a flood to end.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whether there is a flood, and since when.
pub(super) struct Flood {
    seen: (Position, Instant),
    since: Option<Instant>,
}

impl Flood {
    pub(super) fn new(tail: Position, now: Instant) -> Self {
        Self {
            seen: (tail, now),
            since: None,
        }
    }

    /// Whether folding should wait for the moment, given the newest position.
    pub(super) fn goes_first(&mut self, tail: Position, now: Instant) -> bool {
        let (seen, at) = std::mem::replace(&mut self.seen, (tail, now));
        let appended = tail.0.saturating_sub(seen.0) as f64;
        if appended < FLOOD * now.duration_since(at).as_secs_f64() {
            self.since = None;
            return false;
        }
        let waited = now.duration_since(*self.since.get_or_insert(now));
        if waited >= LONGEST_WAIT {
            self.since = None;
        }
        waited < LONGEST_WAIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_goes_first_and_a_trickle_does_not() {
        let begun = Instant::now();
        let after = |millis: u64| begun + Duration::from_millis(millis);
        let mut flood = Flood::new(Position(0), begun);
        assert!(!flood.goes_first(Position(99), after(100)));
        assert!(flood.goes_first(Position(200), after(200)));
        assert!(!flood.goes_first(Position(201), after(300)));
        assert!(
            !flood.goes_first(Position(1_100), after(1_300)),
            "after a long rest it takes more"
        );
        assert!(flood.goes_first(Position(2_200), after(2_300)));
    }

    #[test]
    fn no_flood_goes_first_for_ever() {
        let begun = Instant::now();
        let mut flood = Flood::new(Position(0), begun);
        let waits =
            (1..=60).map(|tenth| flood.goes_first(Position(tenth * 1_000), begun + Duration::from_millis(tenth * 100)));
        assert_eq!(waits.filter(|waits| !waits).count(), 1);
    }
}
