//! Code shared by both stores except for the driver's types. `postgres` and `sqlite` each compile these modules as
//! their own: `SqlStore` is the one or the other store, and `values` has the driver's types and the words in which the
//! dialects differ.

#![allow(clippy::duplicate_mod, reason = "that is what they are for")]

pub(crate) mod advances;
mod checkpoints;
mod clock_steps;
pub(crate) mod columns;
mod consumers;
mod deliveries;
mod emails;
pub(crate) mod events;
pub(crate) mod generations;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod migrations;
pub(crate) mod parked;
mod processes;
mod refused;
pub(crate) mod rows;
mod snapshots;
pub(crate) mod statements;
mod tokens;
mod tree;

use super::{SqlStore, data_keys, delivery_rows, email_refs, nodes, steps, tables, values};
