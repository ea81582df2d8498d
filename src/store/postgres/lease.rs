//! The lease on PostgreSQL: a session's advisory lock, released by the server as soon as the session ends, however it
//! ends.

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};

use crate::store::{Lease, StoreError};

/// The lock's number: "warmledg" in ASCII. Advisory locks are per database.
const LOCK: i64 = 0x7761_726d_6c65_6467;

/// A session of its own, which holds the lock.
struct SessionLock(PgConnection);

#[async_trait]
impl Lease for SessionLock {
    async fn is_held(&mut self) -> bool {
        self.0.ping().await.is_ok()
    }
}

pub(super) async fn take(pool: &PgPool) -> Result<Option<Box<dyn Lease>>, StoreError> {
    let mut session = PgConnection::connect_with(&pool.connect_options()).await?;
    let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut session)
        .await?;
    Ok(taken.then(|| Box::new(SessionLock(session)) as Box<dyn Lease>))
}
