//! What waits to be recorded, and who waits for it.

use aggregates::Position;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::access::AccessEntry;
use super::{Incoming, Receipt, RecordError};

/// The most webhooks of one batch.
pub(super) const BATCH: usize = 512;

/// What is to be recorded.
pub(super) enum Work {
    /// A webhook.
    Webhook(Box<Incoming>),
    /// What somebody did with the ledger.
    Access(Box<AccessEntry>),
}

/// Something that waits to be recorded, and who waits for it.
pub(super) struct Pending {
    pub(super) work: Work,
    /// Where an earlier attempt would have put it, if its answer was lost.
    pub(super) attempted: Option<Position>,
    answer: oneshot::Sender<Result<Receipt, RecordError>>,
    /// Its place in the queue, until it is on its way to disk.
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

    /// Answers whoever waits for it.
    pub(super) fn answer(self, result: Result<Receipt, RecordError>) {
        // whoever asked may have gone; the event is recorded all the same
        let _ = self.answer.send(result);
    }
}
