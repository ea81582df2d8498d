//! Whether a PostgreSQL database is fit for a ledger, and bringing its schema up to date.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use crate::mode::{self, APPLIED, Applied};
use crate::{Mode, StoreError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Checks what was connected to, and migrates it if it is opened for that.
pub(super) async fn prepare(connection: &mut PgConnection, mode: Mode) -> Result<(), StoreError> {
    let applied = applied(connection).await?;
    mode::check(applied.as_deref(), &MIGRATIONS, mode)?;
    if mode != Mode::ReadOnly {
        check_encoding(connection).await?;
    }
    if mode != Mode::Migrate {
        return Ok(());
    }
    for version in mode::missing(applied, &MIGRATIONS) {
        let run = MIGRATIONS.run_to(version, &mut *connection).await;
        run.map_err(|error| mode::failed(version, error))?;
    }
    // all of a new ledger; and what was applied before has to be what this program has
    Ok(MIGRATIONS.run(connection).await?)
}

/// The migrations that the database has seen; none where there is no ledger.
async fn applied(connection: &mut PgConnection) -> Result<Option<Vec<Applied>>, StoreError> {
    match sqlx::query_as(APPLIED)
        .fetch_all(connection)
        .await
        .map_err(StoreError::from)
    {
        Err(error) if error.is_missing_table() => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Events may hold any character, and PostgreSQL refuses those that its encoding lacks one by one. A ledger that is there can be
/// read all the same, so that it can be brought over.
async fn check_encoding(connection: &mut PgConnection) -> Result<(), StoreError> {
    let found: (String, String) = sqlx::query_as("SELECT getdatabaseencoding()::text, current_database()::text")
        .fetch_one(connection)
        .await?;
    match found {
        (encoding, _) if encoding == "UTF8" => Ok(()),
        (encoding, name) => Err(StoreError::Unsuitable(format!(
            "the database {name} has the encoding {encoding}, which lacks characters that webhooks may hold: make another with \
             `createdb -E UTF8 -T template0 NAME`, bring over what this one holds with pg_dump and pg_restore, and name it in \
             the database URL"
        ))),
    }
}
