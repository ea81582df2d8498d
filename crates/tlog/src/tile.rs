//! Tiles of height 8: the stored hashes of the tree, and their paths by <https://c2sp.org/tlog-tiles>.

use std::fmt;

use super::{Hash, node_hash};

/// The height of a tile.
pub const TILE_HEIGHT: u8 = 8;
/// The hashes of a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// One hash in a tile: at level 0 a leaf's, above it the root of a full tile of the level below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileNode {
    /// The tile level, from 0.
    pub level: u8,
    /// Its index in the level, from 0.
    pub index: u64,
    /// The hash.
    pub hash: Hash,
}

/// The content of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes of this tile level, 0 to 63.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// A tile's coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Its content.
    pub kind: TileKind,
    /// Its index in the level, from 0.
    pub index: u64,
    /// How many hashes or entries it has, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// Parses the part of a path after the level, `x001/x234/067` or `x001/x234/067.p/8`. None unless it is in the
    /// single form that the specification allows.
    pub fn parse(kind: TileKind, path: &str) -> Option<Self> {
        let (number, width) = match path.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..256).contains(width))?),
            None => (path, 256),
        };
        let mut index = 0_u64;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { kind, index, width };
        // 00, x1, +1, 0/001 and the like are not canonical
        (tile.number() == path).then_some(tile)
    }

    /// The tile's number and width, in the form of its path.
    fn number(&self) -> String {
        let mut rest = self.index / 1000;
        let mut number = format!("{:03}", self.index % 1000);
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        if u64::from(self.width) < TILE_WIDTH {
            number += &format!(".p/{}", self.width);
        }
        number
    }

    /// Whether it is complete.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }
}

/// The path under the log's prefix, e.g. `tile/0/x001/x234/067.p/8`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/{}", self.number()),
            TileKind::Entries => write!(f, "tile/entries/{}", self.number()),
        }
    }
}

/// The root over the hashes of a perfect subtree; none if there are none, or not a power of two.
pub(super) fn perfect_root(hashes: &[Hash]) -> Option<Hash> {
    if let [hash] = hashes {
        return Some(*hash);
    }
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let (left, right) = hashes.split_at(hashes.len() / 2);
    Some(node_hash(&perfect_root(left)?, &perfect_root(right)?))
}
