//! The right edge of a tree: the roots of its perfect subtrees. That suffices to append a leaf and to compute the root,
//! with at most 64 hashes for any size.

use super::tile::{TILE_HEIGHT, TileNode};
use super::{Hash, empty_root, node_hash};

/// The perfect subtrees of a tree of a given size, the largest and leftmost first: one for each bit of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root (RFC 6962 §2.1).
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        match roots.next() {
            Some(last) => roots.fold(*last, |right, left| node_hash(left, &right)),
            None => empty_root(),
        }
    }

    /// Appends a leaf. `completed` gets the roots of the full tiles that it completes, lowest level first.
    pub fn push(&mut self, leaf: Hash, completed: impl FnMut(TileNode)) {
        self.add(0, leaf, completed);
    }

    /// Appends a full tile of leaves given by its root. The tree has to consist of full tiles.
    pub fn push_tile(&mut self, root: Hash, completed: impl FnMut(TileNode)) {
        self.add(u32::from(TILE_HEIGHT), root, completed);
    }

    /// Appends a perfect subtree of this height.
    fn add(&mut self, height: u32, root: Hash, mut completed: impl FnMut(TileNode)) {
        let mut hash = root;
        for level in height + 1..=height + (self.size >> height).trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
            if level % u32::from(TILE_HEIGHT) == 0 {
                completed(TileNode {
                    // at most 63 / 8
                    level: (level / u32::from(TILE_HEIGHT)) as u8,
                    index: self.size >> level,
                    hash,
                });
            }
        }
        self.roots.push(hash);
        self.size += 1 << height;
    }

    /// The subtrees' hashes, concatenated for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    /// The reverse of [`Self::to_bytes`]; none if a tree of this size needs another number of bytes.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (roots, rest) = bytes.as_chunks::<32>();
        (rest.is_empty() && roots.len() == size.count_ones() as usize).then(|| Self {
            size,
            roots: roots.to_vec(),
        })
    }
}

/// A growing tree: the new frontier, and the nodes to be stored with it.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    frontier: Frontier,
    nodes: Vec<TileNode>,
}

impl Growth {
    /// No growth yet, on top of a tree.
    pub fn on(frontier: Frontier) -> Self {
        Self {
            frontier,
            nodes: Vec::new(),
        }
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let nodes = &mut self.nodes;
        self.frontier.push(leaf, |node| nodes.push(node));
    }

    /// The tree after the growth.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The roots of the completed tiles.
    pub fn nodes(&self) -> &[TileNode] {
        &self.nodes
    }
}
