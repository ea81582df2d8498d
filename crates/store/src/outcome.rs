//! What a store tells of a projection's generations.

/// What became of making a generation live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is live.
    Done,
    /// Nothing was changed: it is behind the live one, or not building any more.
    Behind,
    /// Nothing was changed: somebody has been reading the stable view in one transaction for longer than may be waited
    /// for, since all others would wait too.
    Held,
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
