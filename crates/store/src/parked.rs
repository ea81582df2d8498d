//! Parked rows: an event could not be folded into them.

use jiff::Timestamp;

use super::{Generation, Parked, StoreError};

/// A stored parked row.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// The projection.
    pub name: String,
    /// The generation.
    pub generation: i64,
    /// When it was parked.
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

/// How many rows of a generation are parked.
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
    /// The part of a [`Store`](super::Store) that reads parked rows. A step of a projection parks them.
    pub trait ParkedStore {
        /// The parked rows of all generations.
        async fn parked(&self) -> Result<Vec<ParkedRow>, StoreError>;

        /// How many rows are parked, for each generation with parked rows.
        async fn parked_counts(&self) -> Result<Vec<ParkedCount>, StoreError>;

        /// The keys among these whose rows are parked in a generation.
        async fn parked_among(&self, generation: &Generation, keys: &[String]) -> Result<Vec<String>, StoreError>;
    }
}
