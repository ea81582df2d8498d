//! The head of the log.

use aggregates::Position;
use jiff::Timestamp;

/// The head of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of the newest event; 0 if there is none.
    pub position: Position,
    /// When that event was recorded.
    pub recorded_at: Timestamp,
}
