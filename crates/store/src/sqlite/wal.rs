//! SQLite's write-ahead log, <https://www.sqlite.org/wal.html>. While a read lasts, later writes stay in it: it grows
//! for as long as the longest read lasts, and would keep that size for ever.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};
use tokio::time::sleep;

use crate::{StoreError, WriteAheadLog};

/// The size that the file is truncated to, in bytes: twice as much as one automatic checkpoint moves into the database
/// file.
pub(super) const KEPT: u64 = 64 << 20;
/// How often it is tried to truncate the file: each short read of another connection is in the way, and these come in step
/// with the trims.
const ATTEMPTS: usize = 8;
const PAUSE: Duration = Duration::from_millis(35);
/// A page with its header in the log, in bytes.
const FRAME: u64 = 4096 + 24;

/// Checkpoints the log into the database file, and truncates it if it is larger than `above` and no reader or writer
/// blocks that. Neither blocks other connections nor waits for them.
pub(super) async fn trim(pool: &SqlitePool, path: &Path, above: u64) -> Result<WriteAheadLog, StoreError> {
    let bytes = size(path)?;
    if bytes <= above {
        return Ok(WriteAheadLog { bytes, held: false });
    }
    let options = pool.connect_options().as_ref().clone().busy_timeout(Duration::ZERO);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut left = None;
    for _ in 0..ATTEMPTS {
        // first without a lock that blocks writers; little is left for the second
        left = checkpoint(&mut connection, "PASSIVE").await?;
        if left == Some(0) {
            checkpoint(&mut connection, "TRUNCATE").await?;
        }
        if left.is_some_and(|left| left > 0) || size(path)? <= above {
            break;
        }
        sleep(PAUSE).await;
    }
    connection.close().await?;
    Ok(WriteAheadLog {
        bytes: size(path)?,
        held: left.is_none_or(|left| left * FRAME > KEPT),
    })
}

/// How many pages a checkpoint has left in the log; none if another checkpoint is under way.
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
