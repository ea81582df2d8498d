//! Proofs that the log is the signed one, and was not changed since.
//!
//! Layout
//! - `proofs`: inclusion and consistency proofs from the store
//! - `checkpoints`: signing the tree, the signing keys, the witness outside the database
//! - `verify`: checks the log and its side tables against each other and against the signed checkpoints
//! - `export`: audit bundles, which are checked without this program

pub mod checkpoints;
pub mod export;
pub mod proofs;
pub mod verify;
