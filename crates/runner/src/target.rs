//! What is advanced: a projection's generation.

use aggregates::Position;
use projections::AnyProjection;

use super::row_filter::RowFilter;
use store::Generation;

/// A projection and the generation to advance.
pub(super) struct Target {
    pub(super) projection: &'static dyn AnyProjection,
    pub(super) generation: Generation,
    /// The rows it may have, if known.
    pub(super) filter: Option<RowFilter>,
}

impl Target {
    /// A target whose rows are not known.
    pub(super) fn new(projection: &'static dyn AnyProjection, generation: Generation) -> Self {
        Self {
            projection,
            generation,
            filter: None,
        }
    }

    /// A target to be filled with the events up to a position; if it is empty, its rows are known.
    pub(super) fn to_fill(projection: &'static dyn AnyProjection, generation: Generation, head: Position) -> Self {
        let is_empty = generation.position == Position(0);
        Self {
            filter: is_empty.then(|| RowFilter::none_yet(head)),
            ..Self::new(projection, generation)
        }
    }
}

/// The lowest checkpoint of the targets.
pub(super) fn reached(targets: &[Target]) -> Position {
    let positions = targets.iter().map(|target| target.generation.position);
    positions.min().unwrap_or_default()
}
