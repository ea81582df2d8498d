//! Whether an SQLite file holds a ledger, and migrating its schema.

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Sqlite, Transaction};

use super::migrations;
use crate::{Mode, StoreError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Whether the file holds a ledger with an up-to-date schema. Changes nothing.
pub(super) async fn check(options: SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = SqliteConnection::connect_with(&options).await?;
    migrations::check(&mut connection, &MIGRATIONS, Mode::Existing).await?;
    Ok(connection.close().await?)
}

/// Brings the schema up to date.
pub(super) async fn migrate(tx: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
    let encoding: String = sqlx::query_scalar("PRAGMA encoding").fetch_one(&mut **tx).await?;
    if encoding != "UTF-8" {
        return Err(StoreError::Unsuitable(format!(
            "the file keeps text as {encoding}, in which keys have another order: have `warmledger serve` make a new one"
        )));
    }
    migrations::check(tx, &MIGRATIONS, Mode::Migrate).await?;
    migrations::run(tx, &MIGRATIONS).await
}
