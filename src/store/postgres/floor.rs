//! The floor on PostgreSQL: a session's advisory lock, for which those who ask wait in their order.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::store::{Floor, StoreError};

/// The lock's number; those of the duties come before it.
const LOCK: i64 = 0x7761_726d_6c65_6467 + 32;
/// How long the floor is waited for. Many batches are appended in that time: whoever has it is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

/// This process's session for it; none before the first time, and after something went wrong.
pub(super) type Session = Arc<Mutex<Option<PgConnection>>>;

struct Held {
    session: OwnedMutexGuard<Option<PgConnection>>,
    ended: bool,
}

#[async_trait]
impl Floor for Held {
    async fn end(mut self: Box<Self>) {
        if let Some(session) = self.session.as_mut() {
            let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK);
            self.ended = matches!(timeout(PATIENCE, unlock.execute(session)).await, Ok(Ok(_)));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.ended {
            // the lock ends with its session
            *self.session = None;
        }
    }
}

pub(super) async fn take(session: &Session, options: &PgConnectOptions) -> Result<Box<dyn Floor>, StoreError> {
    let mut held = Held {
        session: Arc::clone(session).lock_owned().await,
        ended: false,
    };
    let locked = async {
        let session = match &mut *held.session {
            Some(session) => session,
            none => none.insert(PgConnection::connect_with(options).await?),
        };
        let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK);
        lock.execute(session).await
    };
    match timeout(PATIENCE, locked).await {
        Ok(locked) => locked?,
        Err(_) => {
            return Err(StoreError::Unavailable(format!(
                "another process had the floor for {PATIENCE:?}"
            )));
        }
    };
    Ok(Box::new(held))
}
