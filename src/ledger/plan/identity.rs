//! Whether a webhook repeats one that is recorded or planned, or only borrows its event id.

use std::sync::Arc;

use aggregates::Position;

use super::{Plan, Planned, Planner, outcome_of, unavailable};
use crate::ledger::cache::Seen;
use crate::ledger::reader::open_original;
use crate::ledger::writer::Pending;
use crate::ledger::{Incoming, OpenError, Outcome, Receipt, RecordError};

impl Planner<'_> {
    /// Whether the webhook repeats one that is recorded or planned. If its event id stands for other content already,
    /// it becomes a quarantined one under an id of its own, which may be known in turn.
    pub(super) async fn known(
        &mut self,
        pending: &mut Pending,
        before: &[Pending],
        plan: &Plan,
    ) -> Result<Option<Planned>, RecordError> {
        loop {
            let incoming = &mut pending.incoming;
            let id = (incoming.source.clone(), incoming.event_id.clone());
            if let Some(&(webhook, event)) = plan.ids.get(&id) {
                let first = before.get(webhook).map(|first| &first.incoming);
                if first.is_none_or(|first| incoming.says_the_same_as(first)) {
                    return Ok(Some(Planned::RepeatOf(event)));
                }
                let taken_by = Position(self.head.position.0 + 1 + event as u64);
                incoming.quarantine(taken_by)?;
                self.ask_for(&pending.incoming).await?;
                continue;
            }
            let Some(seen) = self.cache.recent.get(&id).or_else(|| self.recorded.get(&id)).cloned() else {
                return Ok(None);
            };
            if self.same_content(incoming, &seen).await? {
                self.cache.recent.put(
                    id,
                    Seen {
                        fingerprint: Some(incoming.fingerprint),
                        ..seen.clone()
                    },
                );
                let outcome = if pending.attempted == Some(seen.position) {
                    // our own commit, whose answer was lost
                    outcome_of(&incoming.claim)
                } else {
                    Outcome::Duplicate
                };
                return Ok(Some(Planned::Known(Receipt {
                    outcome,
                    position: seen.position,
                    stream: seen.stream,
                })));
            }
            incoming.quarantine(seen.position)?;
            self.ask_for(&pending.incoming).await?;
        }
    }

    /// Whether the webhook's body says the same as that of the recorded event. Where that one can no longer be opened,
    /// since its subject was erased, it counts as the same: nothing could be compared, and nothing new be learnt.
    async fn same_content(&self, incoming: &Incoming, seen: &Seen) -> Result<bool, RecordError> {
        if let Some(fingerprint) = seen.fingerprint
            && fingerprint == incoming.fingerprint
        {
            return Ok(true);
        }
        let events = self.store.events_at(&[seen.position]).await.map_err(unavailable)?;
        let Some(event) = events.first() else { return Ok(true) };
        match open_original(self.store, self.vault, event).await {
            Ok(original) => Ok(incoming.says(original.body.expose())),
            Err(OpenError::Erased) => Ok(true),
            Err(OpenError::Store(error)) => Err(unavailable(error)),
            Err(OpenError::Vault(error)) => Err(RecordError::Vault(Arc::new(error))),
        }
    }
}
