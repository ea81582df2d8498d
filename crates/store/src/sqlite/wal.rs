//! SQLite's write-ahead log, <https://www.sqlite.org/wal.html>. While somebody reads, what was written since stays in it: it grows
//! for as long as the longest read lasts, and would keep that size for good.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};

use crate::{StoreError, WriteAheadLog};

/// The size that it is left at, in bytes: twice as much as is moved into the database file at once.
pub(super) const KEPT: u64 = 64 << 20;
/// A page with its header in the log, in bytes.
const FRAME: u64 = 4096 + 24;

/// Moves what nobody reads any more into the database file, and empties the log if it is larger than `above` and nobody is in the
/// way. Nobody waits for this, and this waits for nobody.
pub(super) async fn trim(pool: &SqlitePool, path: &Path, above: u64) -> Result<WriteAheadLog, StoreError> {
    let bytes = size(path)?;
    if bytes <= above {
        return Ok(WriteAheadLog { bytes, held: false });
    }
    let options = pool.connect_options().as_ref().clone().busy_timeout(Duration::ZERO);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    // first without any lock that a writer waits for; what is left for the second is little
    let left = checkpoint(&mut connection, "PASSIVE").await?;
    if left == Some(0) {
        checkpoint(&mut connection, "TRUNCATE").await?;
    }
    connection.close().await?;
    Ok(WriteAheadLog {
        bytes: size(path)?,
        held: left.is_none_or(|left| left * FRAME > KEPT),
    })
}

/// How many pages a checkpoint has left in the log; none if another one is under way.
async fn checkpoint(connection: &mut SqliteConnection, mode: &str) -> Result<Option<u64>, StoreError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await?;
    let (log, moved): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    Ok((log >= 0).then(|| log.saturating_sub(moved).unsigned_abs()))
}

fn size(path: &Path) -> Result<u64, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let file = PathBuf::from(name);
    match std::fs::metadata(&file) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", file.display()))),
    }
}
