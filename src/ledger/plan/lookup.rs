//! What the caches don't know is asked of the store, in as few calls as possible.

use std::collections::HashSet;

use aggregates::{Source, StreamId, SubjectId};

use super::{Mode, Plan, Planner, unavailable};
use crate::ledger::cache::Seen;
use crate::ledger::route::{Route, route};
use crate::ledger::writer::{Pending, Work};
use crate::ledger::{Incoming, RecordError};
use crate::store::{Lookup, Reference};

impl Planner<'_> {
    /// Asks the store, in as few calls as possible, for what the caches don't know and the mode does not take on trust.
    pub(super) async fn prefetch(&mut self, batch: &[Pending], plan: &Plan) -> Result<(), RecordError> {
        let careful = self.mode == Mode::Careful;
        let mut lookup = Lookup::default();
        let mut streams: HashSet<StreamId> = HashSet::new();
        let mut traced = Vec::new();
        for Pending { work, .. } in batch {
            let incoming = match work {
                Work::Webhook(incoming) => incoming,
                Work::Access(entry) => {
                    if careful {
                        lookup.events.push((Source::own(), entry.event_id.clone()));
                    }
                    continue;
                }
            };
            let id = (incoming.source.clone(), incoming.event_id.clone());
            if careful && !self.cache.recent.contains(&id) {
                lookup.events.push(id);
            }
            if careful && let Some(user) = incoming.claim.user_id() {
                let subject = SubjectId::user(user);
                if !self.vault.keyring().contains(&subject) && self.asked.insert(subject.clone()) {
                    lookup.subjects.push(subject);
                }
            }
            match route(incoming) {
                Route::Known(stream) if careful => drop(streams.insert(stream)),
                Route::Known(_) => {}
                Route::Traced(trace, waiting) => {
                    let planned = |found: &Reference| {
                        plan.references.contains_key(found)
                            || self.ahead.iter().any(|ahead| ahead.references.contains_key(found))
                    };
                    let unknown = trace
                        .references()
                        .filter(|found| !self.cache.references.contains(found) && !planned(found));
                    lookup.references.extend(unknown);
                    streams.extend(
                        trace
                            .references()
                            .filter_map(|found| self.cache.references.peek(&found).cloned()),
                    );
                    traced.push((trace, waiting));
                }
            }
        }
        lookup.references.sort_unstable();
        lookup.references.dedup();
        if !(lookup.events.is_empty() && lookup.references.is_empty() && lookup.subjects.is_empty()) {
            let found = self.store.lookup(&lookup).await.map_err(unavailable)?;
            for (source, id, position, stream) in found.events {
                self.recorded.insert(
                    (source, id),
                    Seen {
                        position,
                        stream,
                        fingerprint: None,
                    },
                );
            }
            for (reference, stream) in found.references {
                streams.insert(stream.clone());
                self.traced.entry(reference).or_default().push(stream);
            }
            for key in found.keys {
                self.vault.keyring().insert_wrapped(key);
            }
        }
        self.load(streams).await?;
        // only what leads nowhere waits
        let waiting = traced
            .into_iter()
            .filter(|(trace, _)| self.order_of(trace, plan).is_none());
        let waiting = waiting.map(|(_, waiting)| waiting).collect();
        self.load(waiting).await
    }

    /// Loads and folds those of the streams that are not cached.
    async fn load(&mut self, mut streams: HashSet<StreamId>) -> Result<(), RecordError> {
        streams.retain(|stream| !self.cache.streams.contains(stream) && !self.loaded.contains_key(stream));
        let streams: Vec<StreamId> = streams.into_iter().collect();
        if streams.is_empty() {
            return Ok(());
        }
        for event in self.store.streams(&streams).await.map_err(unavailable)? {
            let event = event.to_recorded().map_err(unavailable)?;
            self.loaded.entry(event.stream.clone()).or_default().apply(event);
        }
        for stream in streams {
            self.loaded.entry(stream).or_default();
        }
        Ok(())
    }

    /// Asks the store about a webhook whose identity has changed since the batch was looked up.
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
        for (source, id, position, stream) in found.events {
            self.recorded.insert(
                (source, id),
                Seen {
                    position,
                    stream,
                    fingerprint: None,
                },
            );
        }
        if let Route::Known(stream) = route(incoming) {
            self.load(HashSet::from([stream])).await?;
        }
        Ok(())
    }
}
