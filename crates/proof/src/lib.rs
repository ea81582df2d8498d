//! What proves that the log is the one that was signed, and was not changed since.
//!
//! Layout
//! - `proofs`: inclusion and consistency, out of the store
//! - `checkpoints`: signing the tree, the signing keys, the witness beside the database
//! - `verify`: the log and what stands beside it, against each other and against what was signed
//! - `export`: audit bundles, which are checked without this program

pub mod checkpoints;
pub mod export;
pub mod proofs;
pub mod verify;
