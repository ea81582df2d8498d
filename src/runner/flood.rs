//! Webhooks go first: while they come in faster than views need to follow, folding waits, but never for long.

use std::time::{Duration, Instant};

use aggregates::Position;

/// So many events within one spacing are a flood: 1,000 a second.
const FLOOD: u64 = 100;
/// How long folding waits for a flood to end.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whether there is a flood, and since when.
pub(super) struct Flood {
    seen: Position,
    since: Option<Instant>,
}

impl Flood {
    pub(super) fn new(tail: Position) -> Self {
        Self {
            seen: tail,
            since: None,
        }
    }

    /// Whether folding should wait for the moment, given the newest position.
    pub(super) fn goes_first(&mut self, tail: Position) -> bool {
        let appended = tail.0.saturating_sub(self.seen.0);
        self.seen = tail;
        if appended < FLOOD {
            self.since = None;
            return false;
        }
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
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
        let mut flood = Flood::new(Position(0));
        assert!(!flood.goes_first(Position(FLOOD - 1)));
        assert!(flood.goes_first(Position(2 * FLOOD)));
        assert!(!flood.goes_first(Position(2 * FLOOD + 1)));
    }

    #[test]
    fn no_flood_goes_first_for_ever() {
        let mut flood = Flood::new(Position(0));
        assert!(flood.goes_first(Position(FLOOD)));
        flood.since = Instant::now().checked_sub(LONGEST_WAIT);
        assert!(!flood.goes_first(Position(2 * FLOOD)));
        assert!(flood.goes_first(Position(3 * FLOOD)));
    }
}
