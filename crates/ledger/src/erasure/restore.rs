//! Makes journal and ledger agree at the start, before anything is served.
//!
//! A ledger restored from an older backup lacks erasures: they are recorded again, as the same events, which destroys
//! the restored data keys. A journal that was lost or could not be written gets the ledger's erasures.

use std::collections::HashSet;
use std::sync::Arc;

use aggregates::{AccessEvent, AccessFacts, Actor, EventId, Position, Source, SubjectId};

use super::{EffectError, Erasure, ErasureJournal, JournalError, effect};
use crate::RecordError;
use store::{Lookup, Mark, Store, StoreError};

/// Erasures that are looked up at once.
const PAGE: usize = 500;

/// Why journal and ledger could not be made to agree.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An event could not be recorded.
    #[error("an erasure could not be recorded again")]
    Record(#[from] RecordError),
    /// A subject is erased, and its data key still exists.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The repairs made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Subjects that were erased again.
    pub erased_again: Vec<SubjectId>,
    /// Subjects that were erased in the ledger but still had a data key, or lacked the mark.
    pub finished: Vec<SubjectId>,
    /// How many erasures the journal lacked.
    pub added_to_journal: usize,
}

/// Makes journal and ledger agree.
///
/// # Errors
/// [`RestoreError`]: then nothing may be served.
pub async fn restore(store: &dyn Store, journal: &Arc<ErasureJournal>) -> Result<Restored, RestoreError> {
    let mut restored = Restored::default();
    let erasures = Arc::clone(journal).read().await?;
    for page in erasures.chunks(PAGE) {
        let known = recorded(store, page).await?;
        for erasure in page.iter().filter(|erasure| !known.contains(&erasure.event_id)) {
            if let Some(subject) = erase_again(store, erasure).await? {
                restored.erased_again.push(subject);
            }
        }
    }
    if !restored.erased_again.is_empty() {
        tracing::warn!(
            subjects = restored.erased_again.len(),
            "the ledger had forgotten erasures that the journal knows of, as one that was restored from a backup: the \
             subjects are erased again"
        );
    }
    for (subject, position) in store.erasures_without_effect().await? {
        effect::ensure(store, Mark::Erased, &subject, position).await?;
        restored.finished.push(subject);
    }
    if (!restored.erased_again.is_empty() || !restored.finished.is_empty())
        && let Err(error) = store.scrub().await
    {
        tracing::warn!(%error, "what is left of destroyed keys in the database's files could not be wiped");
    }
    let written: HashSet<EventId> = erasures.into_iter().map(|erasure| erasure.event_id).collect();
    let mut missing = in_ledger(store).await?;
    missing.retain(|erasure| !written.contains(&erasure.event_id));
    restored.added_to_journal = missing.len();
    if !missing.is_empty() {
        Arc::clone(journal).add(missing).await?;
    }
    Ok(restored)
}

/// Which of the erasures are in the ledger.
async fn recorded(store: &dyn Store, erasures: &[Erasure]) -> Result<HashSet<EventId>, StoreError> {
    let ids = erasures.iter().map(|erasure| (Source::own(), erasure.event_id.clone()));
    let lookup = Lookup {
        events: ids.collect(),
        ..Lookup::default()
    };
    let found = store.lookup(&lookup).await?.events;
    Ok(found.into_iter().map(|(_, event_id, _, _)| event_id).collect())
}

/// Records an erasure again, under its old id.
async fn erase_again(store: &dyn Store, erasure: &Erasure) -> Result<Option<SubjectId>, RestoreError> {
    let Some(subject) = erasure.facts.subject.clone() else {
        return Ok(None);
    };
    let record = || {
        let event = AccessEvent::SubjectErased(erasure.facts.clone());
        crate::record_access_as(store, erasure.event_id.clone(), event)
    };
    match record().await {
        // a hold from before the backup was lifted before the erasure, else there would be no erasure
        Err(RecordError::Store(error)) if matches!(*error, StoreError::Held) => {
            let facts = AccessFacts {
                reason: Some("lifted before an erasure that the erasure journal knows of".to_owned()),
                subject: Some(subject.clone()),
                ..AccessFacts::by(Actor::service())
            };
            crate::record_access(store, AccessEvent::SubjectReleased(facts)).await?;
            record().await?;
        }
        recorded => drop(recorded?),
    }
    Ok(Some(subject))
}

/// The last erasure of each subject in the ledger.
async fn in_ledger(store: &dyn Store) -> Result<Vec<Erasure>, StoreError> {
    let states = store.erased_subjects().await?;
    let positions: Vec<Position> = states.into_iter().filter_map(|state| state.erased_at).collect();
    let mut erasures = Vec::new();
    for page in positions.chunks(PAGE) {
        for event in store.events_at(page).await? {
            erasures.extend(Erasure::of(&event.to_recorded()?));
        }
    }
    Ok(erasures)
}
