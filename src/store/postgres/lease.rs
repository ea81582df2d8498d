//! The lease on PostgreSQL: a session's advisory lock, released by the server as soon as the session ends, however it
//! ends.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::time::timeout;

use crate::store::{Duty, Lease, StoreError};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The locks' numbers: the first is "warmledg" in ASCII; `floor` has another one. Advisory locks are per database.
pub(super) const FIRST: i64 = 0x7761_726d_6c65_6467;

const fn lock(duty: Duty) -> i64 {
    match duty {
        Duty::Projections => FIRST,
        Duty::Relay => FIRST + 1,
        Duty::KeyRotation => FIRST + 16,
        Duty::Checkpoints => FIRST + 2,
    }
}

/// A session of its own, which holds the lock.
struct SessionLock(PgConnection);

#[async_trait]
impl Lease for SessionLock {
    async fn is_held(&mut self) -> bool {
        // a server that has vanished without a word counts as one that has ended the session
        matches!(timeout(PATIENCE, self.0.ping()).await, Ok(Ok(())))
    }
}

pub(super) async fn take(pool: &PgPool, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
    let mut session = PgConnection::connect_with(&pool.connect_options()).await?;
    let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(lock(duty))
        .fetch_one(&mut session)
        .await?;
    Ok(taken.then(|| Box::new(SessionLock(session)) as Box<dyn Lease>))
}
