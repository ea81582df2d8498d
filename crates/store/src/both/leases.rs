//! Granting leases, and refusing writes under a lease that was taken over.

use async_trait::async_trait;
use jiff::SignedDuration;
use sqlx::Row;

use super::SqlStore;
use super::values::{DbConnection, DbRow};
use crate::lease::LeaseTable;
use crate::{Duty, Fence, Lease, LeaseState, LeaseStore, StoreError};

#[async_trait]
impl LeaseStore for SqlStore {
    async fn lease(&self, duty: Duty) -> Result<Option<Box<dyn Lease>>, StoreError> {
        self.leases.take(duty).await
    }

    async fn leases(&self) -> Result<Vec<LeaseState>, StoreError> {
        self.leases.table.all().await
    }
}

/// A row of the table, with the remaining milliseconds.
pub(crate) fn state(row: &DbRow) -> Result<LeaseState, StoreError> {
    Ok(LeaseState {
        duty: row.try_get("duty")?,
        holder: row.try_get("holder")?,
        epoch: row.try_get("epoch")?,
        remaining: SignedDuration::from_millis(row.try_get("remaining")?),
    })
}

/// Fails a transaction whose lease another process has taken over. To be called at its end, to leave little time for a
/// takeover before the commit: on PostgreSQL this locks nothing. The new holder does not wait for a transaction under
/// way; writes of both are guarded by the checkpoints that they start from.
pub(crate) async fn check(tx: &mut DbConnection, under: Option<Fence>) -> Result<(), StoreError> {
    let Some(Fence { duty, epoch }) = under else {
        return Ok(());
    };
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM leases WHERE duty = $1 AND epoch = $2)");
    if query.bind(duty.as_str()).bind(epoch).fetch_one(tx).await? {
        Ok(())
    } else {
        Err(StoreError::Overtaken(duty))
    }
}
