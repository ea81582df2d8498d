//! A hash that compares two bodies while the process lives: quick to make, and never leaves its memory.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// A hash of a body under random seeds of the process. Two different bodies share one with odds of 1 in 2^64. It is not
/// cryptographic: a sender with a valid key who crafts a second body of the same hash only gets it counted as a repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyHash(u64);

impl BodyHash {
    pub(super) fn of(body: &[u8]) -> Self {
        static SEED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(rand::random()));
        static STATE: LazyLock<SeedableRandomState> =
            LazyLock::new(|| SeedableRandomState::with_seed(rand::random(), &SEED));
        let mut hasher = STATE.build_hasher();
        hasher.write(body);
        Self(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_whole_body() {
        let body = [7; 3000];
        for changed in [0, 1, 1499, 2998, 2999] {
            let mut other = body;
            other[changed] ^= 1;
            assert!(BodyHash::of(&body) != BodyHash::of(&other), "{changed}");
        }
        assert!(BodyHash::of(&body) != BodyHash::of(&body[1..]));
        assert!(BodyHash::of(&body) == BodyHash::of(&body));
    }
}
