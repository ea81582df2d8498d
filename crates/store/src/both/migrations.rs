//! Bringing the schema up to date.

use sqlx::migrate::Migrator;

use super::values::DbConnection;
use crate::mode::{self, APPLIED, Applied};
use crate::{Mode, StoreError};

/// The applied migrations; none if there is no ledger.
pub(crate) async fn applied(connection: &mut DbConnection) -> Result<Option<Vec<Applied>>, StoreError> {
    let found = sqlx::query_as(APPLIED).fetch_all(connection).await;
    match found.map_err(StoreError::from) {
        Err(error) if error.is_missing_table() => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Whether the database fits the mode. Changes nothing.
pub(crate) async fn check(connection: &mut DbConnection, known: &Migrator, mode: Mode) -> Result<(), StoreError> {
    mode::check(applied(connection).await?.as_deref(), known, mode)
}

/// Migrates the schema, which was checked before.
pub(crate) async fn run(connection: &mut DbConnection, known: &'static Migrator) -> Result<(), StoreError> {
    for version in mode::missing(applied(connection).await?, known) {
        let run = known.run_to(version, &mut *connection).await;
        run.map_err(|error| mode::failed(version, error))?;
    }
    // everything in a new ledger; it also checks applied migrations against this program's
    Ok(known.run(connection).await?)
}
