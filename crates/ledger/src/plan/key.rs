//! Which data key seals an event, given the erasures in the same plan.

use std::sync::Arc;

use aggregates::{Position, SubjectId};

use super::{Mode, Plan, Planner, unavailable, vault};
use crate::RecordError;
use sealing::DataKey;
use vault::SubjectKey;

/// A plan's change to a subject's key.
pub(super) enum Planned {
    /// It makes this key.
    Key(Arc<DataKey>),
    /// It destroys the earlier key.
    Erased,
}

impl Planner<'_> {
    /// The data key of a subject for the plan's next event: the existing one, or a new one that is stored with the
    /// batch.
    pub(super) async fn data_key(&mut self, subject: &SubjectId, plan: &mut Plan) -> Result<Arc<DataKey>, RecordError> {
        match self.planned_key(subject, plan) {
            Some(Planned::Key(key)) => return Ok(key),
            Some(Planned::Erased) => return self.new_key(subject, plan),
            None => {}
        }
        if let Some(found) = self.vault.key(subject).await.map_err(vault)? {
            return Ok(found.key);
        }
        if self.mode == Mode::LookUpFirst && self.asked.insert(subject.clone()) {
            let subjects = vec![subject.clone()];
            self.vault.fetch(self.store, subjects).await.map_err(unavailable)?;
            if let Some(found) = self.vault.key(subject).await.map_err(vault)? {
                return Ok(found.key);
            }
        }
        self.new_key(subject, plan)
    }

    /// The change that this plan, or one that is not durable yet, makes to a subject's key.
    pub(super) fn planned_key(&self, subject: &SubjectId, plan: &Plan) -> Option<Planned> {
        let in_flight = || self.in_flight.iter().find_map(|in_flight| in_flight.key_of(subject));
        plan.key_of(subject).or_else(in_flight)
    }

    fn new_key(&self, subject: &SubjectId, plan: &mut Plan) -> Result<Arc<DataKey>, RecordError> {
        let (key, wrapped) = self.vault.keyring().create(subject).map_err(vault)?;
        plan.keys.push((subject.clone(), wrapped));
        let new = SubjectKey {
            key: Arc::clone(&key),
            since: plan.new_head().position,
        };
        plan.new_keys.insert(subject.clone(), new);
        Ok(key)
    }
}

impl Plan {
    fn key_of(&self, subject: &SubjectId) -> Option<Planned> {
        let new = self.new_keys.get(subject).map(|new| Planned::Key(Arc::clone(&new.key)));
        new.or_else(|| self.erased.contains_key(subject).then_some(Planned::Erased))
    }

    /// The plan's event at this index erases a subject. A key that the plan made for it is dropped too, and the hashes of
    /// the e-mail addresses in its events, which are all earlier ones.
    pub(super) fn erase(&mut self, subject: &SubjectId, index: usize) {
        let own = self.events.iter_mut().filter(|event| event.subject == *subject);
        own.for_each(|event| event.emails.clear());
        self.keys.retain(|(other, _)| other != subject);
        self.new_keys.remove(subject);
        let position: Position = self.position(index);
        self.erased.insert(subject.clone(), position);
    }
}
