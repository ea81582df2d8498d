//! Whether a webhook repeats a recorded or planned one, or only has the same event id.

use std::sync::Arc;

use aggregates::Position;

use super::{Plan, Planned, Planner, outcome_of, unavailable};
use crate::cache::RecordedId;
use crate::queue::Pending;
use crate::reader::open_original;
use crate::{Incoming, OpenError, Outcome, Receipt, RecordError};
use sealing::SealError;
use vault::VaultError;

/// Whether a webhook is a repeat.
pub(super) enum Known {
    /// It is not.
    Not,
    /// It is, or cannot be recorded.
    As(Planned),
    /// It has the event id of an event in flight, but other bytes: they can be compared once that event can be read.
    Unsettled,
}

impl Planner<'_> {
    /// Whether the webhook repeats a recorded or planned one. If another event with other content has its event id, it
    /// becomes a quarantined webhook with an id of its own, which may be a repeat in turn.
    pub(super) async fn known(
        &mut self,
        incoming: &mut Incoming,
        attempted: Option<Position>,
        before: &[Pending],
        plan: &mut Plan,
    ) -> Result<Known, RecordError> {
        loop {
            let id = (incoming.source.clone(), incoming.event_id.clone());
            if let Some(taken) = plan.ids.get(&id) {
                let first = before.get(taken.webhook).and_then(Pending::webhook);
                if first.is_none_or(|first| incoming.says_the_same_as(first)) {
                    return Ok(Known::As(Planned::RepeatOf(taken.event)));
                }
                incoming.quarantine(plan.position(taken.event), self.vault.fingerprints())?;
                self.ask_for(incoming).await?;
                continue;
            }
            let in_flight = self
                .in_flight
                .iter()
                .find_map(|in_flight| Some((in_flight, in_flight.ids.get(&id)?)));
            if let Some((in_flight, taken)) = in_flight {
                return match in_flight.receipt(taken.event) {
                    Some(first) if taken.body_hash == incoming.body_hash => {
                        Ok(Known::As(Planned::Known(first.of_repeat())))
                    }
                    _ => Ok(Known::Unsettled),
                };
            }
            let Some(seen) = self.cache.recent.get(&id).or_else(|| self.recorded.get(&id)).cloned() else {
                return Ok(Known::Not);
            };
            if self.same_content(incoming, &seen).await? {
                self.cache.recent.put(
                    id,
                    RecordedId {
                        body_hash: Some(incoming.body_hash),
                        ..seen.clone()
                    },
                );
                let outcome = if attempted == Some(seen.position) {
                    // our own commit, whose answer was lost
                    outcome_of(&incoming.claim)
                } else {
                    Outcome::Duplicate
                };
                return Ok(Known::As(Planned::Known(Receipt {
                    outcome,
                    position: seen.position,
                    stream: seen.stream,
                })));
            }
            incoming.quarantine(seen.position, self.vault.fingerprints())?;
            self.ask_for(incoming).await?;
        }
    }

    /// Whether the webhook's body has the same content as the recorded event's. If the recorded one cannot be opened
    /// since its subject was erased, it counts as the same: nothing could be compared or learnt. If it was altered, the
    /// webhook counts as different: it is evidence.
    async fn same_content(&self, incoming: &Incoming, seen: &RecordedId) -> Result<bool, RecordError> {
        if seen.body_hash == Some(incoming.body_hash) {
            return Ok(true);
        }
        let events = self.store.events_at(&[seen.position]).await.map_err(unavailable)?;
        let Some(event) = events.first() else { return Ok(true) };
        match open_original(self.store, self.vault, event).await {
            Ok(original) => Ok(incoming.says(original.body.expose())),
            Err(OpenError::Erased) => Ok(true),
            Err(OpenError::Vault(VaultError::Seal(SealError::Tampered | SealError::Corrupt))) => Ok(false),
            Err(OpenError::Store(error)) => Err(unavailable(error)),
            Err(OpenError::Vault(error)) => Err(RecordError::Vault(Arc::new(error))),
        }
    }
}
