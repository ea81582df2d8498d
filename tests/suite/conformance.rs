//! The store's contract, and the ledger and the projections' runner on it, on both stores.
//!
//! Layout
//! - `append`: a batch is all or nothing; events never change; lookups use indexes
//! - `cancelled`: appends that are cancelled on the server
//! - `processes`: two processes on one database
//! - `batches`: webhooks of one batch and lost answers
//! - `in_flight`: one batch in flight, the next one planned on top of it
//! - `turns`: processes that append at once take turns
//! - `projections`: rows and checkpoints move together; rebuilds, checks, failures
//! - `interleavings`: any plan of webhooks, in any order: live rows = rebuilt rows = what the provider meant

mod append;
mod batches;
mod cancelled;
mod in_flight;
mod interleavings;
mod processes;
pub mod projections;
mod turns;
