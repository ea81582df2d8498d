//! An access event is planned: nothing decides about it, nothing is sealed, and it has a stream of its own.

use std::sync::Arc;

use aggregates::{AccessEvent, EventError, Source};

use super::{Plan, Planned, Planner};
use crate::access::AccessEntry;
use crate::{Outcome, Receipt, RecordError};

impl Planner<'_> {
    /// Plans the event, unless an attempt whose answer was lost already recorded it.
    pub(super) fn access(&self, entry: &AccessEntry, plan: &mut Plan) -> Result<Planned, RecordError> {
        let id = (Source::own(), entry.event_id.clone());
        if let Some(seen) = self.cache.recent.peek(&id).or_else(|| self.recorded.get(&id)) {
            return Ok(Planned::Known(Receipt {
                outcome: Outcome::Recorded,
                position: seen.position,
                stream: AccessEvent::stream(&entry.event_id),
            }));
        }
        let index = plan.events.len();
        let event = entry.at(plan.position(index), plan.recorded_at);
        let event = event.map_err(|error: EventError| RecordError::Event(Arc::new(error)))?;
        plan.push(event, Outcome::Recorded);
        if let Some(subject) = entry.erases() {
            plan.erase(subject, index);
        }
        Ok(Planned::New(index))
    }
}
