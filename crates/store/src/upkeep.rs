//! Database maintenance.

use super::{SchemaCheck, StoreError, WriteAheadLog};

topic! {
    /// The part of a [`Store`](super::Store) that maintains the database.
    pub trait UpkeepStore {
        /// Whether an append would succeed, as far as possible without one: writes like an append, down to the disk.
        async fn probe(&self) -> Result<(), StoreError>;

        /// Compares tables, keys, triggers, functions and views with those of the migrations and projections. Other
        /// objects are ignored.
        async fn check_schema(&self) -> Result<SchemaCheck, StoreError>;

        /// Closes all connections; SQLite moves its write-ahead log into the database file.
        async fn close(&self);

        /// Shrinks the write-ahead log and returns its size; none if the store has no such file. Blocks no other call.
        /// If the ledger is `idle`, the log is emptied even if it is small.
        async fn trim(&self, idle: bool) -> Result<Option<WriteAheadLog>, StoreError>;
    }
}
