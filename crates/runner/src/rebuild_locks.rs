//! Locks the projections that this process is rebuilding, so that none is rebuilt twice at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The projections being rebuilt; clones share the list.
#[derive(Clone, Default)]
pub(super) struct RebuildLocks(Arc<Mutex<BTreeSet<&'static str>>>);

/// Locks a projection until it is dropped.
pub(super) struct RebuildLock {
    locks: RebuildLocks,
    name: &'static str,
}

impl RebuildLocks {
    /// Locks a projection; none if it is locked already.
    pub(super) fn lock_one(&self, name: &'static str) -> Option<RebuildLock> {
        // every change is one call, so a panic elsewhere leaves the list consistent
        let claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        claimed.then(|| RebuildLock {
            locks: self.clone(),
            name,
        })
    }
}

impl RebuildLocks {
    /// Locks a projection if none is locked; else returns the name of a locked one, preferably the same.
    pub(super) fn lock_alone(&self, name: &'static str) -> Result<RebuildLock, &'static str> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = held.get(name).or_else(|| held.first()) {
            return Err(other);
        }
        held.insert(name);
        Ok(RebuildLock {
            locks: self.clone(),
            name,
        })
    }
}

impl Drop for RebuildLock {
    fn drop(&mut self) {
        let mut held = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_is_held_by_one_until_it_is_let_go() {
        let locks = RebuildLocks::default();
        let first = locks.lock_one("orders");
        assert!(first.is_some());
        assert!(locks.lock_one("orders").is_none());
        assert!(locks.lock_one("renewals").is_some());
        assert_eq!(locks.lock_alone("orders").err(), Some("orders"));
        assert_eq!(locks.lock_alone("failures").err(), Some("orders"));
        drop(first);
        assert!(locks.lock_alone("orders").is_ok());
    }
}
