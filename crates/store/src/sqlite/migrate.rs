//! Whether an SQLite file holds a ledger, and bringing its schema up to date.

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Sqlite, Transaction};

use crate::mode::{self, APPLIED, Applied};
use crate::{Mode, StoreError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Whether there is a ledger whose schema is up to date. Changes nothing.
pub(super) async fn check(options: SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let applied = applied(&mut connection).await?;
    connection.close().await?;
    mode::check(applied.as_deref(), &MIGRATIONS, Mode::Existing)
}

/// Brings the schema up to date.
pub(super) async fn migrate(tx: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
    let encoding: String = sqlx::query_scalar("PRAGMA encoding").fetch_one(&mut **tx).await?;
    if encoding != "UTF-8" {
        return Err(StoreError::Unsuitable(format!(
            "the file keeps text as {encoding}, in which keys have another order: have `warmledger serve` make a new one"
        )));
    }
    let applied = applied(tx).await?;
    mode::check(applied.as_deref(), &MIGRATIONS, Mode::Migrate)?;
    for version in mode::missing(applied, &MIGRATIONS) {
        let run = MIGRATIONS.run_to(version, &mut **tx).await;
        run.map_err(|error| mode::failed(version, error))?;
    }
    // all of a new ledger; and what was applied before has to be what this program has
    Ok(MIGRATIONS.run(&mut **tx).await?)
}

/// The migrations that the file has seen; none where there is no ledger.
async fn applied(connection: &mut SqliteConnection) -> Result<Option<Vec<Applied>>, StoreError> {
    match sqlx::query_as(APPLIED)
        .fetch_all(connection)
        .await
        .map_err(StoreError::from)
    {
        Err(error) if error.is_missing_table() => Ok(None),
        found => Ok(Some(found?)),
    }
}
