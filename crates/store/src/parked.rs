//! Rows that stand still, since an event could not be folded into them.

use jiff::Timestamp;

use super::{Generation, Parked, StoreError};

/// A row that stands still, as the store has it.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// The projection.
    pub name: String,
    /// The generation.
    pub generation: i64,
    /// Since when.
    pub parked_at: Timestamp,
    /// The row.
    pub parked: Parked,
}

impl ParkedRow {
    /// Whether it is a row of the generation.
    pub fn is_of(&self, generation: &Generation) -> bool {
        self.name == generation.name && self.generation == generation.generation
    }
}

/// How many rows of a generation stand still.
#[derive(Clone, Debug)]
pub struct ParkedCount {
    /// The projection.
    pub name: String,
    /// The generation.
    pub generation: i64,
    /// How many.
    pub rows: u64,
}

topic! {
    /// The part of a [`Store`](super::Store) that keeps the rows that stand still. A step of a projection parks them.
    pub trait ParkedStore {
        /// The rows that stand still, of all generations.
        async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError>;

        /// How many rows stand still in each generation in which some do.
        async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError>;

        /// Those of the keys whose rows stand still in a generation.
        async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError>;
    }
}
