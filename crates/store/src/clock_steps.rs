//! Clock steps: where `recorded_at` decreases along the log.

use aggregates::Position;
use jiff::Timestamp;

use super::StoreError;

/// A decrease of `recorded_at` along the log: a clock had run ahead and was set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The first event after the step.
    pub position: Position,
    /// When the event before it was recorded, by the clock that ran ahead.
    pub from: Timestamp,
    /// When that first event was recorded.
    pub to: Timestamp,
}

impl std::fmt::Display for ClockStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, from, to } = self;
        write!(
            f,
            "a clock that ran ahead was set back by {} s at position {position}: events in front of it are stamped as late as {from}, and \
             it is stamped {to}",
            from.duration_since(*to).as_secs()
        )
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that finds clock steps.
    pub trait ClockStepStore {
        /// The newest `limit` clock steps up to a position, newest first.
        async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError>;

        /// The part of the log up to `head` that a moment lies in: the last part, between two clock steps or after the
        /// last one, that begins no later. Returns its first position and the one after its last; a moment before every
        /// part lies in the first part.
        async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError>;
    }
}
