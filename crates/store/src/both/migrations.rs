//! Bringing the schema up to date.

use super::migrate::MIGRATIONS;
use super::values::DbConnection;
use crate::mode::{self, APPLIED, Applied};
use crate::{Mode, StoreError};

/// The migrations that the database has seen; none where there is no ledger.
pub(crate) async fn applied(connection: &mut DbConnection) -> Result<Option<Vec<Applied>>, StoreError> {
    let found = sqlx::query_as(APPLIED).fetch_all(connection).await;
    match found.map_err(StoreError::from) {
        Err(error) if error.is_missing_table() => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Whether the database is fit for what it is opened for. Changes nothing.
pub(crate) async fn check(connection: &mut DbConnection, mode: Mode) -> Result<(), StoreError> {
    mode::check(applied(connection).await?.as_deref(), &MIGRATIONS, mode)
}

/// Brings the schema up to date, once it is checked.
pub(crate) async fn run(connection: &mut DbConnection) -> Result<(), StoreError> {
    for version in mode::missing(applied(connection).await?, &MIGRATIONS) {
        let run = MIGRATIONS.run_to(version, &mut *connection).await;
        run.map_err(|error| mode::failed(version, error))?;
    }
    // all of a new ledger; and what was applied before has to be what this program has
    Ok(MIGRATIONS.run(connection).await?)
}
