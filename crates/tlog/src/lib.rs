//! A transparency log by C2SP: RFC 6962 trees in tiles, checkpoints in signed notes. Pure: no I/O, no clock.
//!
//! Layout
//! - `frontier`: the tree's right edge, which grows leaf by leaf
//! - `proof`: which hashes prove that a tree holds a leaf, a range or an earlier tree; the checks
//! - `tile`: the stored hashes, and the paths of <https://c2sp.org/tlog-tiles>
//! - `note`: Ed25519 keys and signed notes, <https://c2sp.org/signed-note>
//! - `checkpoint`: tree heads as notes, <https://c2sp.org/tlog-checkpoint>, and <https://c2sp.org/tlog-proof>

mod checkpoint;
mod frontier;
mod note;
mod proof;
mod tile;

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

pub use checkpoint::{Checkpoint, NotACheckpoint, is_origin, tlog_proof};
pub use frontier::{Frontier, Growth};
pub use note::{NoteError, NoteSigner, NoteVerifier, SignedNote};
pub use proof::{Nodes, consistency_proof, inclusion_proof, range_proof, verify_consistency, verify_inclusion};
pub use tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileKind, TileNode};

secret::never_shown!(NoteSigner);

/// A SHA-256 hash of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256(0x00 ‖ entry), RFC 6962 §2.1.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0x01; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    Sha256::digest(input).into()
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
