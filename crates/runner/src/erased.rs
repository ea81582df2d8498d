//! Masks erased credentials in a row. A fold is pure and does not know of erasures, so this is applied afterwards,
//! whenever a past row is shown: an erasure applies to every moment.

use std::collections::{BTreeSet, HashMap};

use aggregates::{Position, Recorded, SubjectId};
use projections::mailboxes::Mailboxes;
use projections::{AnyProjection, Projection};
use serde_json::{Value, json};

use store::{Store, StoreError};

/// Events whose credentials were erased since.
pub(super) struct ErasedPositions(BTreeSet<Position>);

impl ErasedPositions {
    /// The erased ones among the events of a row. Only the rows of `mailboxes` list credentials.
    pub(super) async fn of(
        store: &dyn Store,
        projection: &dyn AnyProjection,
        events: &[Recorded],
    ) -> Result<Self, StoreError> {
        if projection.name() != Mailboxes::NAME {
            return Ok(Self(BTreeSet::new()));
        }
        let subjects: BTreeSet<&SubjectId> = events.iter().map(|event| &event.subject).collect();
        let subjects: Vec<SubjectId> = subjects.into_iter().cloned().collect();
        // a subject got a new key after the erasure, for later events
        let opens_behind: HashMap<SubjectId, Position> = store
            .subjects(&subjects)
            .await?
            .into_iter()
            .filter(|state| state.has_key)
            .map(|state| (state.subject, state.erased_at.unwrap_or_default()))
            .collect();
        let is_erased = |event: &&Recorded| {
            let behind = opens_behind.get(&event.subject);
            behind.is_none_or(|behind| event.position <= *behind)
        };
        Ok(Self(
            events.iter().filter(is_erased).map(|event| event.position).collect(),
        ))
    }

    /// Removes the erased credentials from a row.
    pub(super) fn mask(&self, row: &mut Value) {
        let mailboxes = row.get_mut("mailboxes").and_then(Value::as_array_mut);
        for mailbox in mailboxes.into_iter().flatten() {
            let position = mailbox.get("position").and_then(Value::as_u64).map(Position);
            if position.is_some_and(|position| self.0.contains(&position)) {
                mailbox["hasCredentials"] = false.into();
                mailbox["credentials"] = json!([]);
            }
        }
    }
}
