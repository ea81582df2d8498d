//! Whether a PostgreSQL database fits a ledger, and migrating its schema.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use super::migrations;
use crate::{Mode, StoreError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Checks the database, and migrates it if the mode says so.
pub(super) async fn prepare(connection: &mut PgConnection, mode: Mode) -> Result<(), StoreError> {
    migrations::check(connection, &MIGRATIONS, mode).await?;
    if mode != Mode::ReadOnly {
        check_encoding(connection).await?;
    }
    if mode == Mode::Migrate {
        migrations::run(connection, &MIGRATIONS).await?;
    }
    Ok(())
}

/// Events may hold any character, and PostgreSQL refuses events with characters that its encoding lacks. An existing
/// ledger can still be read, so that it can be exported.
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
