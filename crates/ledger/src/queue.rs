//! The work that waits to be recorded, each with the caller that waits for it.

use aggregates::Position;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::access::AccessEntry;
use super::{Incoming, Receipt, RecordError};

/// The most entries of one batch.
pub(super) const BATCH: usize = 512;

/// The work to be recorded.
pub(super) enum Work {
    /// A webhook.
    Webhook(Box<Incoming>),
    /// An access event.
    Access(Box<AccessEntry>),
}

/// A queued entry, with the caller that waits for it.
pub(super) struct Pending {
    pub(super) work: Work,
    /// The position of an earlier attempt, if its answer was lost.
    pub(super) attempted: Option<Position>,
    answer: oneshot::Sender<Result<Receipt, RecordError>>,
    /// Its permit in the queue, until it is in flight.
    place: Option<OwnedSemaphorePermit>,
    _memory: OwnedSemaphorePermit,
}

impl Pending {
    pub(super) fn new(
        work: Work,
        answer: oneshot::Sender<Result<Receipt, RecordError>>,
        place: OwnedSemaphorePermit,
        memory: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            work,
            attempted: None,
            answer,
            place: Some(place),
            _memory: memory,
        }
    }

    /// The webhook, if it is one.
    pub(super) fn webhook(&self) -> Option<&Incoming> {
        match &self.work {
            Work::Webhook(incoming) => Some(incoming),
            Work::Access(_) => None,
        }
    }

    /// Makes room in the queue.
    pub(super) fn leave_queue(&mut self) {
        self.place = None;
    }

    /// Answers the waiting caller.
    pub(super) fn answer(self, result: Result<Receipt, RecordError>) {
        // the caller may be gone; the event is recorded all the same
        let _ = self.answer.send(result);
    }
}
