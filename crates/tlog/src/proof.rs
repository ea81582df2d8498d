//! Proofs. The prover names the spans of leaves whose hashes make up a proof; the verifier needs only the hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::tile::{TILE_HEIGHT, TILE_WIDTH, perfect_root};
use super::{Hash, node_hash};

/// The spans of leaves whose subtree hashes prove that leaf `index` is in a tree of `size`, from the leaf's sibling up
/// (RFC 6962 §2.1.1). Empty unless `index < size`.
pub fn inclusion_proof(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut proof = Vec::new();
    let (mut low, mut high) = (0, size);
    while index < high && high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            proof.push(middle..high);
            high = middle;
        } else {
            proof.push(low..middle);
            low = middle;
        }
    }
    proof.reverse();
    proof
}

/// The spans that prove that the tree of size `from` is the beginning of that of size `to` (RFC 6962 §2.1.2). Empty
/// unless `0 < from < to`.
pub fn consistency_proof(from: u64, to: u64) -> Vec<Range<u64>> {
    let mut proof = Vec::new();
    if !(1..to).contains(&from) {
        return proof;
    }
    let (mut low, mut high) = (0, to);
    while from != high {
        let middle = low + split(high - low);
        if from <= middle {
            proof.push(middle..high);
            high = middle;
        } else {
            proof.push(low..middle);
            low = middle;
        }
    }
    // the verifier knows the whole earlier tree
    if low > 0 {
        proof.push(low..high);
    }
    proof.reverse();
    proof
}

/// The spans beside a range of leaves in a tree of `size`, in the order of a walk down from the root, left before
/// right. From them and the range's leaves a verifier computes the root: a proof for any number of events, no longer
/// than two inclusion proofs.
pub fn range_proof(leaves: &Range<u64>, size: u64) -> Vec<Range<u64>> {
    fn walk(span: Range<u64>, leaves: &Range<u64>, proof: &mut Vec<Range<u64>>) {
        if span.end <= leaves.start || leaves.end <= span.start {
            proof.push(span);
        } else if span.start < leaves.start || leaves.end < span.end {
            let middle = span.start + split(span.end - span.start);
            walk(span.start..middle, leaves, proof);
            walk(middle..span.end, leaves, proof);
        }
    }
    let mut proof = Vec::new();
    if !leaves.is_empty() && leaves.end <= size {
        walk(0..size, leaves, &mut proof);
    }
    proof
}

/// The largest power of two below `length`, which is at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// Hashes read from tiles, from which any span's hash can be computed.
#[derive(Default)]
pub struct Nodes {
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl Nodes {
    /// The tiles, by level and index, needed to compute the hashes of these spans.
    pub fn tiles_of(spans: &[Range<u64>]) -> BTreeSet<(u8, u64)> {
        let subtrees = spans.iter().flat_map(|span| subtrees(span.clone()));
        subtrees
            .map(|(level, index)| place(level, index))
            .map(|(tile, _)| tile)
            .collect()
    }

    /// Adds a tile's hashes, from the first one on.
    pub fn insert(&mut self, tile: (u8, u64), hashes: Vec<Hash>) {
        self.tiles.insert(tile, hashes);
    }

    /// The hash of the tree over a span of leaves that occurs in a proof; none if a tile lacks it.
    pub fn hash(&self, span: Range<u64>) -> Option<Hash> {
        let hashes = subtrees(span).map(|(level, index)| {
            let (tile, cells) = place(level, index);
            perfect_root(self.tiles.get(&tile)?.get(cells)?)
        });
        let hashes = hashes.collect::<Option<Vec<Hash>>>()?;
        let (last, rest) = hashes.split_last()?;
        Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
    }

    /// The hashes of several spans.
    pub fn hashes(&self, spans: &[Range<u64>]) -> Option<Vec<Hash>> {
        spans.iter().map(|span| self.hash(span.clone())).collect()
    }
}

/// The perfect subtrees that make up a span, from left to right: height and index of each.
fn subtrees(span: Range<u64>) -> impl Iterator<Item = (u32, u64)> {
    let mut low = span.start;
    std::iter::from_fn(move || {
        let left = span.end.checked_sub(low).filter(|left| *left > 0)?;
        let level = left.ilog2().min(low.trailing_zeros());
        let subtree = (level, low >> level);
        low += 1 << level;
        Some(subtree)
    })
}

/// The tile that contains the subtree's hash, and the cells to compute it from.
fn place(level: u32, index: u64) -> ((u8, u64), Range<usize>) {
    let height = level % u32::from(TILE_HEIGHT);
    let first = index << height;
    // at most 63 / 8, and below 256
    let tile = ((level / u32::from(TILE_HEIGHT)) as u8, first / TILE_WIDTH);
    let cell = (first % TILE_WIDTH) as usize;
    (tile, cell..cell + (1 << height))
}

/// Whether `proof` shows that a tree of `size` with this root has `leaf` at `index` (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node % 2 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of size `from` is the beginning of that of size `to` (RFC 9162 §2.1.4.2). The
/// empty tree is the beginning of every tree.
pub fn verify_consistency(from: (u64, &Hash), to: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((from, first_root), (to, second_root)) = (from, to);
    if from == to || from == 0 {
        return proof.is_empty() && (from == 0 || first_root == second_root);
    }
    if from > to {
        return false;
    }
    let known = from.is_power_of_two().then_some(first_root);
    let mut hashes = known.into_iter().chain(proof);
    let (mut node, mut last) = (from - 1, to - 1);
    while node % 2 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let Some(start) = hashes.next() else { return false };
    let (mut first, mut second) = (*start, *start);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            first = node_hash(sibling, &first);
            second = node_hash(sibling, &second);
            while node % 2 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            second = node_hash(&second, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && first == *first_root && second == *second_root
}
