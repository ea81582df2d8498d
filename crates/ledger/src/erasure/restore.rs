//! Journal and ledger are brought to say the same, before anything is served.
//!
//! A ledger that was restored from an older backup has forgotten erasures: they are recorded again, as the same events, and
//! that destroys the data keys that came back. A journal that was lost or was not reached gets what the ledger knows.

use std::collections::HashSet;
use std::sync::Arc;

use aggregates::{AccessEvent, AccessFacts, Actor, EventId, Position, Source, SubjectId};

use super::{EffectError, Erasure, ErasureJournal, JournalError, effect};
use crate::RecordError;
use store::{Lookup, Mark, Store, StoreError};

/// Erasures that are looked up at once.
const PAGE: usize = 500;

/// Why journal and ledger could not be brought to say the same.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An event could not be recorded.
    #[error("an erasure could not be recorded again")]
    Record(#[from] RecordError),
    /// Somebody is erased, and the data key is still there.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What had to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Subjects that were erased again.
    pub erased_again: Vec<SubjectId>,
    /// Subjects that the ledger knew to be erased, and whose data keys, or marks, were not.
    pub finished: Vec<SubjectId>,
    /// How many erasures the journal did not have.
    pub added_to_journal: usize,
}

/// Brings journal and ledger to say the same.
///
/// # Errors
/// [`RestoreError`]: then nothing is to be served.
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

/// Which of the erasures are recorded.
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
        // a hold that stood at the time of the backup was lifted before the erasure, or there would be none
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

/// The last erasure of each subject that the ledger knows of.
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
