//! Erasing subjects, and putting them under legal hold.
//!
//! To erase a subject is to record `SubjectErased`: the store destroys the data key in the same step. Everything else
//! follows from that event. The caller gets an answer only after a look that the key is gone.
//!
//! Layout
//! - `effect`: whether an event had the effect that it records
//! - `reach`: which other subjects are about the same user
//! - `journal`: the file outside the database that lists the erased subjects
//! - `restore`: at the start, makes journal and ledger agree
//! - `watch`: follows the erasures of other processes

mod effect;
mod journal;
mod reach;
mod restore;
mod watch;

use std::sync::Arc;

use aggregates::{AccessEvent, AccessFacts, EventId, Position, SubjectId};

pub use effect::EffectError;
pub use journal::{Erasure, ErasureJournal, JournalError};
pub use restore::{RestoreError, Restored, restore};
pub use watch::follow;

use crate::{Ledger, OpenError, Reader, RecordError};
use sealing::reserved::is_reserved;
use store::{Mark, Store, StoreError, SubjectState};

/// The result of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The subjects that were erased, that of the user last; none if there was nothing left to erase.
    pub subjects: Vec<SubjectId>,
    /// The position of the last event that records it.
    pub position: Position,
}

/// Why a subject is not erased, held or released.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The ledger does not know the subject.
    #[error("the ledger knows no such subject")]
    Unknown,
    /// It is under legal hold.
    #[error("{} is under legal hold{}", .0, at(.1.as_ref()))]
    Held(SubjectId, Option<Position>),
    /// It is not under legal hold.
    #[error("the subject is not under legal hold")]
    NotHeld,
    /// An event could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Originals could not be searched.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The subject is erased, but the journal could not be written.
    #[error("the subject is erased, but the erasure journal could not be written")]
    Journal(#[from] JournalError),
    /// The event is recorded, but has no effect.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn at(position: Option<&Position>) -> String {
    position
        .map(|position| format!(" since the event at position {position}"))
        .unwrap_or_default()
}

/// Erases, holds and releases.
#[derive(Clone)]
pub struct Erasures {
    store: Arc<dyn Store>,
    reader: Reader,
    ledger: Ledger,
    journal: Arc<ErasureJournal>,
}

impl Erasures {
    /// For this ledger, with this journal.
    pub fn new(store: Arc<dyn Store>, reader: Reader, ledger: Ledger, journal: Arc<ErasureJournal>) -> Self {
        Self {
            store,
            reader,
            ledger,
            journal,
        }
    }

    /// The journal.
    pub fn journal(&self) -> &Arc<ErasureJournal> {
        &self.journal
    }

    /// The state of a subject; none if the ledger does not know it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn state(&self, subject: &SubjectId) -> Result<Option<SubjectState>, StoreError> {
        if is_reserved(subject) {
            return Ok(None);
        }
        let known = self.store.subjects(std::slice::from_ref(subject)).await?;
        Ok(known.into_iter().next())
    }

    /// Erases a subject, and before it the streams that are about the same user. When it returns, no process can open
    /// the subject's earlier events, except processes that still hold the key in memory, for up to a second; and the
    /// journal lists the erasure. A retry goes on where an earlier attempt failed.
    ///
    /// # Errors
    /// [`ErasureError`]; [`ErasureError::Held`] if a subject is under legal hold, and then nothing is erased.
    pub async fn erase(&self, subject: &SubjectId, facts: &AccessFacts) -> Result<Erased, ErasureError> {
        let own = self.state(subject).await?.ok_or(ErasureError::Unknown)?;
        refuse_held(&own)?;
        let reached = reach::reach(&*self.store, &self.reader, subject).await?;
        for other in self.store.subjects(&reached).await? {
            refuse_held(&other)?;
        }
        let last = own.has_key.then(|| subject.clone());
        let mut erased = Erased {
            subjects: Vec::new(),
            position: own.erased_at.unwrap_or_default(),
        };
        for subject in reached.into_iter().chain(last) {
            erased.position = self.erase_one(&subject, facts).await?;
            erased.subjects.push(subject);
        }
        if !erased.subjects.is_empty()
            && let Err(error) = self.store.scrub().await
        {
            // the keys are gone from the tables; the remains in the files are wrapped
            tracing::warn!(%error, "what is left of destroyed keys in the database's files could not be wiped");
        }
        Ok(erased)
    }

    async fn erase_one(&self, subject: &SubjectId, facts: &AccessFacts) -> Result<Position, ErasureError> {
        let facts = AccessFacts {
            subject: Some(subject.clone()),
            ..facts.clone()
        };
        let event_id = EventId::access(rand::random());
        let event = AccessEvent::SubjectErased(facts.clone());
        let recorded = self.ledger.record_access_as(event_id.clone(), event).await;
        let receipt = recorded.map_err(|error| match error {
            // a hold was set after our check
            RecordError::Store(error) if matches!(*error, StoreError::Held) => {
                ErasureError::Held(subject.clone(), None)
            }
            error => error.into(),
        })?;
        let gone = effect::ensure(&*self.store, Mark::Erased, subject, receipt.position).await;
        // the journal is written in any case: the next start tries again
        let journal = Arc::clone(&self.journal);
        journal.add(vec![Erasure { event_id, facts }]).await?;
        gone?;
        Ok(receipt.position)
    }

    /// Puts a subject under legal hold; a subject under hold stays so. Returns the position of the event that set the
    /// hold. The ledger need not know the subject yet.
    ///
    /// # Errors
    /// [`ErasureError`]
    pub async fn hold(&self, subject: &SubjectId, facts: AccessFacts) -> Result<Position, ErasureError> {
        if is_reserved(subject) {
            return Err(ErasureError::Unknown);
        }
        if let Some(held) = self.state(subject).await?.and_then(|state| state.held_at) {
            return Ok(held);
        }
        let event = AccessEvent::SubjectHeld(about(subject, facts));
        let position = self.ledger.record_access(event).await?.position;
        effect::ensure(&*self.store, Mark::Held, subject, position).await?;
        Ok(position)
    }

    /// Lifts a legal hold. Returns the position of the event that did it.
    ///
    /// # Errors
    /// [`ErasureError`]; [`ErasureError::NotHeld`] if there is none.
    pub async fn release(&self, subject: &SubjectId, facts: AccessFacts) -> Result<Position, ErasureError> {
        let held = self.state(subject).await?.and_then(|state| state.held_at);
        held.ok_or(ErasureError::NotHeld)?;
        let event = AccessEvent::SubjectReleased(about(subject, facts));
        let position = self.ledger.record_access(event).await?.position;
        effect::ensure(&*self.store, Mark::Released, subject, position).await?;
        Ok(position)
    }
}

fn about(subject: &SubjectId, facts: AccessFacts) -> AccessFacts {
    AccessFacts {
        subject: Some(subject.clone()),
        ..facts
    }
}

fn refuse_held(state: &SubjectState) -> Result<(), ErasureError> {
    match state.held_at {
        Some(position) => Err(ErasureError::Held(state.subject.clone(), Some(position))),
        None => Ok(()),
    }
}
