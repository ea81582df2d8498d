//! Where the log's time steps back.

use aggregates::Position;
use jiff::Timestamp;

use super::StoreError;

/// Where the log's time steps back: a clock had run ahead, and was set right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The first event behind the step.
    pub position: Position,
    /// When the event in front of it was recorded, by the clock that ran ahead.
    pub from: Timestamp,
    /// When it was recorded itself.
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
    /// The part of a [`Store`](super::Store) that knows where the log's time steps back.
    pub trait ClockStepStore {
        /// The newest `limit` places up to a position at which the log's time steps back, the newest first.
        async fn clock_steps(&self, until: Position, limit: u32) -> Result<Vec<ClockStep>, StoreError>;

        /// The part of the log up to `head`, between two steps back of its time or at its end, in which a moment lies: the last one that begins
        /// no later. The first position of it and the one behind its last; what comes before the first step is the part of every earlier moment.
        async fn part_at(&self, time: Timestamp, head: Position) -> Result<(Position, Position), StoreError>;
    }
}
