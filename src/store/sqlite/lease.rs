//! The lease on SQLite: a lock on a file beside the database, released by the system when its process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use async_trait::async_trait;

use crate::store::{Duty, Lease, StoreError};

/// An open file, which holds the lock.
struct FileLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

#[async_trait]
impl Lease for FileLock {
    async fn is_held(&mut self) -> bool {
        true
    }
}

pub(super) fn take(database: &Path, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(match duty {
        Duty::Projections => "-lease",
        Duty::Relay => "-relay-lease",
        Duty::KeyRotation => "-rotation-lease",
        Duty::Checkpoints => "-checkpoints-lease",
    });
    let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("the lease file: {error}"));
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Box::new(FileLock(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}
