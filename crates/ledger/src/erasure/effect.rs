//! Whether the mark on a subject agrees with its event. The store's trigger sets it in the same step, but a trigger can
//! be dropped or disabled, and a restored dump or a replica may lack it. The caller is told that a subject is erased
//! only after its data key was looked for and not found.

use aggregates::{Position, SubjectId};

use store::{Mark, Store, StoreError};

/// The mark on the subject contradicts the event, and could not be set.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mark was set, but did not stay.
    #[error(
        "the event at position {position} is recorded, and {}: something in the database keeps it so. Run `warmledger verify`, put \
             back what it names, and ask again",
        state(*.mark, .subject)
    )]
    None {
        /// The mark that the event sets.
        mark: Mark,
        /// Its subject.
        subject: SubjectId,
        /// The event's position.
        position: Position,
    },
}

fn state(mark: Mark, subject: &SubjectId) -> String {
    match mark {
        Mark::Erased => format!("the data key of {subject} is still there, or the subject is not marked as erased"),
        Mark::Held => format!("{subject} is not under legal hold"),
        Mark::Released => format!("{subject} is still under legal hold"),
    }
}

/// Checks that a subject has the mark of its event; if not, sets it and checks again.
///
/// # Errors
/// [`EffectError`]
pub(super) async fn ensure(
    store: &dyn Store,
    mark: Mark,
    subject: &SubjectId,
    position: Position,
) -> Result<(), EffectError> {
    if store.is_in_effect(mark, subject, position).await? {
        return Ok(());
    }
    metrics::counter!("warmledger_subject_events_without_effect_total").increment(1);
    tracing::error!(
        %position,
        "an event that erases, holds or releases a subject had no effect: its trigger on the table events is missing or disabled; \
         the service does its work. `warmledger verify` names what is missing"
    );
    store.put_into_effect(mark, subject, position).await?;
    if store.is_in_effect(mark, subject, position).await? {
        return Ok(());
    }
    let subject = subject.clone();
    Err(EffectError::None {
        mark,
        subject,
        position,
    })
}
