//! How many events are folded in one step: many, so that a row which many of them touch is read and written once for all
//! of them; fewer where they touch many large rows, since all rows of a step are in memory at the same time.

use std::sync::atomic::{AtomicU32, Ordering};

/// A row that so many events of a step touch is a busy one: smaller steps would read and write it more often, and hardly
/// take less memory.
const BUSY: usize = 4;
/// Steps become smaller when the documents of rows that are not busy are larger than this, in bytes.
const ENOUGH: usize = 32 << 20;
/// Steps become larger while the documents of rows that are not busy are smaller than this, in bytes.
const LITTLE: usize = 8 << 20;
/// Steps become smaller when all documents together are larger than this, in bytes.
const TOO_MUCH: usize = 256 << 20;
/// The fewest events a step.
const FEWEST: u32 = 50;
/// The most events a step.
const MOST: u32 = 10_000;

/// What a step reads and writes, in bytes of documents.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    all: usize,
    busy: usize,
}

impl Load {
    /// Adds a row of so many bytes that so many events touch.
    pub(super) fn add(&mut self, bytes: usize, events: usize) {
        self.all += bytes;
        if events >= BUSY {
            self.busy += bytes;
        }
    }
}

impl std::iter::Sum for Load {
    fn sum<I: Iterator<Item = Self>>(loads: I) -> Self {
        loads.fold(Self::default(), |sum, load| Self {
            all: sum.all + load.all,
            busy: sum.busy + load.busy,
        })
    }
}

/// The number of events for the next step, learnt from those before.
pub(super) struct StepSize(AtomicU32);

impl StepSize {
    pub(super) fn beginning_with(events: u32) -> Self {
        Self(AtomicU32::new(events))
    }

    pub(super) fn events(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes into account what a step of so many events has read and written.
    pub(super) fn learn(&self, events: usize, load: Load) {
        let now = self.events();
        let idle = load.all - load.busy;
        let next = if idle > ENOUGH || load.all > TOO_MUCH {
            (now / 2).max(FEWEST)
        } else if idle < LITTLE && load.all < TOO_MUCH / 2 && events >= now as usize {
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

    fn load(bytes: usize, events: usize) -> Load {
        let mut load = Load::default();
        load.add(bytes, events);
        load
    }

    #[test]
    fn steps_grow_while_there_is_much_to_do_and_shrink_where_rows_are_large() {
        let size = StepSize::beginning_with(1_000);
        size.learn(10, load(100, 1));
        assert_eq!(size.events(), 1_000, "a small step tells nothing");
        for _ in 0..10 {
            size.learn(size.events() as usize, load(LITTLE - 1, 1));
        }
        assert_eq!(size.events(), MOST);
        size.learn(MOST as usize, load(ENOUGH, 1));
        assert_eq!(size.events(), MOST, "enough is not too much");
        size.learn(MOST as usize, load(ENOUGH + 1, 1));
        assert_eq!(size.events(), MOST / 2);
        for _ in 0..10 {
            size.learn(1, load(usize::MAX, 1));
        }
        assert_eq!(size.events(), FEWEST);
    }

    #[test]
    fn steps_grow_where_a_few_large_rows_are_touched_again_and_again() {
        let size = StepSize::beginning_with(1_000);
        size.learn(1_000, load(TOO_MUCH / 2 - 1, BUSY));
        assert_eq!(size.events(), 2_000, "larger steps write them less often");
        size.learn(2_000, load(TOO_MUCH, BUSY));
        assert_eq!(size.events(), 2_000);
        size.learn(2_000, load(TOO_MUCH + 1, BUSY));
        assert_eq!(size.events(), 1_000, "memory is bounded all the same");
    }
}
