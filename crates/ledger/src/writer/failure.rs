//! Why a batch was not recorded.

use std::sync::Arc;

use crate::RecordError;
use store::StoreError;

pub(super) fn failed(error: StoreError) -> RecordError {
    RecordError::Store(Arc::new(error))
}

/// Whether a failure is independent of the webhook: any other one would have failed too.
pub(super) fn is_of_all(failure: &RecordError) -> bool {
    match failure {
        RecordError::Store(error) => error.is_transient() || error.takes_no_writes(),
        RecordError::Contended => true,
        _ => false,
    }
}

/// A failure that a whole batch shares.
pub(super) struct Shared(RecordError);

impl Shared {
    pub(super) fn of(error: RecordError) -> Self {
        Self(error)
    }

    pub(super) fn error(&self) -> RecordError {
        match &self.0 {
            RecordError::QueueFull => RecordError::QueueFull,
            RecordError::Closed => RecordError::Closed,
            RecordError::Contended => RecordError::Contended,
            RecordError::Order(error) => RecordError::Order(error.clone()),
            RecordError::Store(error) => RecordError::Store(Arc::clone(error)),
            RecordError::Vault(error) => RecordError::Vault(Arc::clone(error)),
            RecordError::Event(error) => RecordError::Event(Arc::clone(error)),
        }
    }
}
