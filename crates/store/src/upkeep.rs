//! What keeps a database fit for its ledger.

use super::{SchemaCheck, StoreError, WriteAheadLog};

topic! {
    /// The part of a [`Store`](super::Store) that looks after the database.
    pub trait UpkeepStore {
        /// Whether an append would succeed, as far as that can be told without one: what it needs is tried, and reaches the disk.
        async fn probe(&self) -> Result<(), StoreError>;

        /// Compares tables, keys, triggers, functions and views with what the migrations and the projections make. Objects beside them are
        /// left alone.
        async fn check_schema(&self) -> Result<SchemaCheck, StoreError>;

        /// Lets go of all connections; SQLite moves its write-ahead log into the database file.
        async fn close(&self);

        /// Makes a file small again into which changes are written before they enter the database, and tells how large it is; none
        /// where there is no such file. Nobody waits for it. While the ledger is `idle` it is emptied however small it is.
        async fn trim(&self, idle: bool) -> Result<Option<WriteAheadLog>, StoreError>;
    }
}
