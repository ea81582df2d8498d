//! How many events are folded in one step: many, so that a row which many of them touch is read and written once for all
//! of them; fewer where rows are large, since all rows of a step are in memory at the same time.

use std::sync::atomic::{AtomicU32, Ordering};

/// Steps become smaller when the documents that they read and write are larger than this, in bytes.
const ENOUGH: usize = 32 << 20;
/// Steps become larger while the documents are smaller than this, in bytes.
const LITTLE: usize = 8 << 20;
/// The fewest events a step.
const FEWEST: u32 = 50;
/// The most events a step.
const MOST: u32 = 10_000;

/// The number of events for the next step, learnt from those before.
pub(super) struct StepSize(AtomicU32);

impl StepSize {
    pub(super) fn beginning_with(events: u32) -> Self {
        Self(AtomicU32::new(events))
    }

    pub(super) fn events(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes into account what a step of so many events has read and written, in bytes.
    pub(super) fn learn(&self, events: usize, bytes: usize) {
        let now = self.events();
        let next = if bytes > ENOUGH {
            (now / 2).max(FEWEST)
        } else if bytes < LITTLE && events >= now as usize {
            (now * 2).min(MOST)
        } else {
            now
        };
        self.0.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_while_there_is_much_to_do_and_shrink_where_rows_are_large() {
        let size = StepSize::beginning_with(1_000);
        size.learn(10, 100);
        assert_eq!(size.events(), 1_000, "a small step tells nothing");
        for _ in 0..10 {
            size.learn(size.events() as usize, LITTLE - 1);
        }
        assert_eq!(size.events(), MOST);
        size.learn(MOST as usize, ENOUGH);
        assert_eq!(size.events(), MOST, "enough is not too much");
        size.learn(MOST as usize, ENOUGH + 1);
        assert_eq!(size.events(), MOST / 2);
        for _ in 0..10 {
            size.learn(1, usize::MAX);
        }
        assert_eq!(size.events(), FEWEST);
    }
}
