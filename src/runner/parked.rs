//! Trying again what could not be folded: after a fix, a row is folded anew from the events that it rests on.

use aggregates::Recorded;
use projections::AnyProjection;

use super::RunError;
use super::advance::fold_row;
use super::as_of::history;
use crate::store::{Advance, Generation, GenerationState, Parked, Store};

/// What came of a retry.
#[derive(Debug, Default)]
pub struct Retried {
    /// Rows that are up to date again.
    pub mended: usize,
    /// Rows that still cannot be folded.
    pub parked: Vec<Parked>,
}

/// How often a row is tried again when the projection moves on at the same time.
const ATTEMPTS: usize = 100;

/// Tries a projection's parked rows again, or just the one with this key.
///
/// # Errors
/// [`RunError`] if the store fails, or the projection moves on faster than a row can be folded.
pub async fn retry(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: Option<&str>,
) -> Result<Retried, RunError> {
    let mut retried = Retried::default();
    let Some(live) = live(store, projection).await? else {
        return Ok(retried);
    };
    for row in store.parked().await? {
        if row.is_of(&live) && key.is_none_or(|key| key == row.parked.key) {
            match retry_row(store, projection, row.parked).await? {
                None => retried.mended += 1,
                Some(parked) => retried.parked.push(parked),
            }
        }
    }
    Ok(retried)
}

async fn live(store: &dyn Store, projection: &dyn AnyProjection) -> Result<Option<Generation>, RunError> {
    let generations = store.generations().await?;
    let is_live = |found: &Generation| found.name == projection.name() && found.state == GenerationState::Live;
    Ok(generations.into_iter().find(is_live))
}

/// Folds one row up to the checkpoint. None if it is mended, else what is wrong with it now.
async fn retry_row(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    parked: Parked,
) -> Result<Option<Parked>, RunError> {
    for _ in 0..ATTEMPTS {
        let Some(live) = live(store, projection).await? else {
            break;
        };
        let events = history(store, projection, &parked.key, live.position).await?;
        let events: Vec<&Recorded> = events.iter().collect();
        let change = match fold_row(projection, &parked.key, None, &events) {
            Ok(change) => change,
            Err(error) => return Ok(Some(Parked { error, ..parked })),
        };
        let step = Advance {
            from: &live,
            columns: projection.columns(),
            to: live.position,
            changes: vec![change],
            parked: Vec::new(),
            unparked: vec![parked.key.clone()],
        };
        if store.advance(&[step]).await? {
            return Ok(None);
        }
    }
    Err(RunError::TooFast(projection.name()))
}
