//! Whether what an event says of a subject is so. The store's trigger makes it so in the same step, as long as it is there: it can be
//! dropped or disabled, and a restored dump or a replica may come without it. Nobody is told that a subject is erased before its data
//! key was looked for and not found.

use aggregates::{Position, SubjectId};

use store::{Mark, Store, StoreError};

/// What an event says is not so, and could not be made so.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is as it was.
    #[error(
        "the event at position {position} is recorded, and {}: something in the database keeps it so. Run `warmledger verify`, put \
             back what it names, and ask again",
        state(*.mark, .subject)
    )]
    None {
        /// What the event says.
        mark: Mark,
        /// Of whom.
        subject: SubjectId,
        /// Where it stands.
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

/// Looks whether what an event says of a subject is so; makes it so where it is not, and looks again.
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
