//! Looks up in the store what the caches lack, in as few calls as possible.

use std::collections::HashSet;

use aggregates::{EventId, Position, Source, StreamId, SubjectId};

use super::{Mode, Plan, Planner, unavailable};
use crate::cache::RecordedId;
use crate::queue::{Pending, Work};
use crate::route::{Route, route};
use crate::{Incoming, RecordError};
use store::{Lookup, Reference};

impl Planner<'_> {
    /// Looks up, in as few calls as possible, what the caches lack and the mode does not take for new.
    pub(super) async fn prefetch(&mut self, batch: &[Pending], plan: &Plan) -> Result<(), RecordError> {
        let looks_up_first = self.mode == Mode::LookUpFirst;
        let mut lookup = Lookup::default();
        let mut streams: HashSet<StreamId> = HashSet::new();
        let mut correlated = Vec::new();
        for Pending { work, .. } in batch {
            let incoming = match work {
                Work::Webhook(incoming) => incoming,
                Work::Access(entry) => {
                    if looks_up_first {
                        lookup.events.push((Source::own(), entry.event_id.clone()));
                    }
                    continue;
                }
            };
            if looks_up_first {
                let id = (incoming.source.clone(), incoming.event_id.clone());
                if !self.cache.recent.contains(&id) {
                    lookup.events.push(id);
                }
                if let Some(user) = incoming.claim.user_id() {
                    let subject = SubjectId::user(user);
                    if !self.vault.keyring().contains(&subject) && self.asked.insert(subject.clone()) {
                        lookup.subjects.push(subject);
                    }
                }
            } else if incoming.claim.order_id().is_some() {
                // its stream is known, and counts as new unless it is cached
                continue;
            }
            match route(incoming) {
                Route::Known(stream) if looks_up_first => drop(streams.insert(stream)),
                Route::Known(_) => {}
                Route::ByKeys(correlation, waiting) => {
                    let planned = |found: &Reference| {
                        plan.references.contains_key(found)
                            || self
                                .in_flight
                                .iter()
                                .any(|in_flight| in_flight.references.contains_key(found))
                    };
                    let unknown = correlation
                        .references()
                        .filter(|found| self.cache.references.get(*found).is_none() && !planned(found));
                    lookup.references.extend(unknown);
                    streams.extend(
                        correlation
                            .references()
                            .filter_map(|found| self.cache.references.get(found).cloned()),
                    );
                    correlated.push((incoming.claim.user_id(), correlation, waiting));
                }
            }
        }
        lookup.references.sort_unstable();
        lookup.references.dedup();
        if !(lookup.events.is_empty() && lookup.references.is_empty() && lookup.subjects.is_empty()) {
            let found = self.store.lookup(&lookup).await.map_err(unavailable)?;
            self.note_recorded(found.events);
            for (reference, stream) in found.references {
                streams.insert(stream.clone());
                self.found_by_reference.entry(reference).or_default().push(stream);
            }
            for key in found.keys {
                self.vault.keyring().insert_wrapped(key);
            }
        }
        self.load(streams).await?;
        // a webhook waits only if its references lead nowhere
        let mut waiting = HashSet::new();
        let mut found = Vec::with_capacity(correlated.len());
        for (user, correlation, own) in correlated {
            let stream = self.order_of(&correlation, plan).map(|(_, stream)| stream.clone());
            let stream = stream.unwrap_or_else(|| {
                waiting.insert(own.clone());
                own
            });
            found.push((user, stream));
        }
        self.load(waiting).await?;
        let mut subjects = Vec::new();
        for (user, stream) in found {
            let state = self.known_state(&stream, plan);
            let Some(state) = state.filter(|state| state.version > 0) else {
                continue;
            };
            let owner = state.order.user_id();
            if user.is_some() && user != owner {
                // another user's, who may well be new
                continue;
            }
            // a subject with events has a key
            let subject = owner.map_or_else(|| SubjectId::stream(&stream), SubjectId::user);
            let is_here = self.vault.keyring().contains(&subject) || self.planned_key(&subject, plan).is_some();
            if !is_here && self.asked.insert(subject.clone()) {
                subjects.push(subject);
            }
        }
        self.vault.fetch(self.store, subjects).await.map_err(unavailable)
    }

    /// Loads and folds the streams that are not cached.
    async fn load(&mut self, mut streams: HashSet<StreamId>) -> Result<(), RecordError> {
        streams.retain(|stream| !self.cache.streams.contains(stream) && !self.loaded.contains_key(stream));
        let streams: Vec<StreamId> = streams.into_iter().collect();
        if streams.is_empty() {
            return Ok(());
        }
        for event in self.store.streams(&streams).await.map_err(unavailable)? {
            let event = event.into_recorded().map_err(unavailable)?;
            self.loaded.entry(event.stream.clone()).or_default().apply(event);
        }
        for stream in streams {
            self.loaded.entry(stream).or_default();
        }
        Ok(())
    }

    fn note_recorded(&mut self, events: Vec<(Source, EventId, Position, StreamId)>) {
        for (source, id, position, stream) in events {
            let recorded = RecordedId {
                position,
                stream,
                body_hash: None,
            };
            self.recorded.insert((source, id), recorded);
        }
    }

    /// Looks up a webhook whose event id has changed since the batch was looked up.
    pub(super) async fn ask_for(&mut self, incoming: &Incoming) -> Result<(), RecordError> {
        if self.mode == Mode::Optimistic {
            return Ok(());
        }
        let events = vec![(incoming.source.clone(), incoming.event_id.clone())];
        let found = self
            .store
            .lookup(&Lookup {
                events,
                ..Lookup::default()
            })
            .await
            .map_err(unavailable)?;
        self.note_recorded(found.events);
        if let Route::Known(stream) = route(incoming) {
            self.load(HashSet::from([stream])).await?;
        }
        Ok(())
    }
}
