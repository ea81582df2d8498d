//! Whether a PostgreSQL database is fit for a ledger, and bringing its schema up to date.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use super::migrations;
use crate::{Mode, StoreError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Checks what was connected to, and migrates it if it is opened for that.
pub(super) async fn prepare(connection: &mut PgConnection, mode: Mode) -> Result<(), StoreError> {
    migrations::check(connection, mode).await?;
    if mode != Mode::ReadOnly {
        check_encoding(connection).await?;
    }
    if mode == Mode::Migrate {
        migrations::run(connection).await?;
    }
    Ok(())
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
