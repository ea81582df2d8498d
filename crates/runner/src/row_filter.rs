//! Which rows a generation may have: in one filled from its beginning, nearly every row that an event touches is new,
//! and needs no look-up.

use aggregates::Position;
use fastbloom::BloomFilter;

/// Bits for each event to fold: with two rows per event, one look-up in a hundred is in vain; with five, one in ten.
const BITS_FOR_EACH_EVENT: u64 = 24;
/// 8 MiB. Beyond some three million events more and more look-ups are in vain, but none is omitted wrongly.
const MOST_BITS: u64 = 1 << 26;
const LEAST_BITS: u64 = 1 << 13;
const HASHES: u32 = 4;

/// The keys of all rows that a generation may have, at a checkpoint.
pub(super) struct RowFilter {
    keys: BloomFilter,
    at: Position,
}

impl RowFilter {
    /// For an empty generation, to be filled up to about this position.
    pub(super) fn none_yet(head: Position) -> Self {
        let bits = head.0.saturating_mul(BITS_FOR_EACH_EVENT).clamp(LEAST_BITS, MOST_BITS);
        Self {
            keys: BloomFilter::with_num_bits(usize::try_from(bits).unwrap_or(usize::MAX)).hashes(HASHES),
            at: Position(0),
        }
    }

    /// Whether there is surely no row with this key at a checkpoint. False if another process has moved the checkpoint.
    pub(super) fn lacks(&self, key: &str, at: Position) -> bool {
        self.at == at && !self.keys.contains(key)
    }

    /// Adds the keys of rows that a step from one checkpoint to another may have made.
    pub(super) fn note<'a>(&mut self, from: Position, to: Position, keys: impl Iterator<Item = &'a String>) {
        if self.at == from {
            self.at = to;
            keys.for_each(|key| {
                self.keys.insert(key);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(range: std::ops::Range<u64>) -> Vec<String> {
        range.map(|number| format!("K{number}")).collect()
    }

    #[test]
    fn what_was_written_is_never_lacking() {
        let mut filter = RowFilter::none_yet(Position(1_000));
        assert!(filter.lacks("K1", Position(0)));
        let written = keys(0..2_000);
        filter.note(Position(0), Position(1_000), written.iter());
        assert!(written.iter().all(|key| !filter.lacks(key, Position(1_000))));
        let others = keys(2_000..12_000);
        let lacking = others.iter().filter(|key| filter.lacks(key, Position(1_000))).count();
        assert!(lacking > 9_700, "{lacking}");
    }

    #[test]
    fn nothing_is_lacking_once_somebody_else_has_moved_the_checkpoint() {
        let mut filter = RowFilter::none_yet(Position(10));
        assert!(!filter.lacks("K1", Position(5)));
        filter.note(Position(5), Position(7), std::iter::empty());
        assert!(!filter.lacks("K1", Position(7)));
    }
}
