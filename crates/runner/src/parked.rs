//! Retries of parked rows: after a fix, a row is folded anew from the events that touch it.

use aggregates::{Position, Recorded};
use projections::AnyProjection;

use super::RunError;
use super::history::history;
use super::rows::{fold_as_far_as_possible, keys};
use store::{Advance, EventQuery, Generation, GenerationState, Parked, ParkedRow, RowChange, Store, StoreError};

/// The result of a retry.
#[derive(Debug, Default)]
pub struct Retried {
    /// Rows that are up to date again.
    pub mended: Vec<String>,
    /// Rows that still cannot be folded.
    pub parked: Vec<Parked>,
}

/// How often a retry is repeated because the projection advances at the same time.
const ATTEMPTS: usize = 100;
/// Events read at once if the projection has advanced meanwhile.
const PAGE: u32 = 5_000;

/// The parked rows of the live generations: of one projection, or of all of them.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn parked(store: &dyn Store, projection: Option<&str>) -> Result<Vec<ParkedRow>, StoreError> {
    let generations = store.generations().await?;
    let is_live = |row: &ParkedRow| {
        let live = |found: &Generation| found.state == GenerationState::Live && row.is_of(found);
        generations.iter().any(live) && projection.is_none_or(|name| name == row.name)
    };
    let mut rows = store.parked().await?;
    rows.retain(is_live);
    Ok(rows)
}

/// Retries a projection's parked rows, or just the one with this key. Any process may do so, whichever folds.
///
/// # Errors
/// [`RunError`] if the store fails, the live rows are of another version, or the projection advances faster than a row
/// can be folded.
pub async fn retry(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: Option<&str>,
) -> Result<Retried, RunError> {
    let mut retried = Retried::default();
    for row in parked(store, Some(projection.name())).await? {
        if key.is_none_or(|key| key == row.parked.key) {
            match retry_row(store, projection, &row.parked.key).await? {
                None => retried.mended.push(row.parked.key),
                Some(parked) => retried.parked.push(parked),
            }
        }
    }
    Ok(retried)
}

/// Folds one row up to the checkpoint. Returns none if the row is mended, else its error.
async fn retry_row(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: &str,
) -> Result<Option<Parked>, RunError> {
    let mut document: Option<String> = None;
    let mut reached = Position(0);
    for _ in 0..ATTEMPTS {
        let live = live(store, projection).await?;
        if store.parked_among(&live, &[key.to_owned()]).await?.is_empty() {
            // mended by another process, or by a rebuild
            return Ok(None);
        }
        let events = match reached {
            Position(0) => history(store, projection, key, live.position).await?,
            after => since(store, projection, key, after, live.position).await?,
        };
        let events: Vec<&Recorded> = events.iter().collect();
        let (change, parked) = fold_as_far_as_possible(projection, key, document.as_deref(), &events);
        // an event that cannot be folded is left for the next attempt to fail on again
        if parked.is_none() {
            reached = live.position;
            document = change.as_ref().and_then(RowChange::document).map(str::to_owned);
        }
        let step = Advance {
            from: live.clone(),
            columns: projection.columns(),
            to: live.position,
            changes: change.into_iter().collect(),
            parked: parked.iter().cloned().collect(),
            unparked: match parked {
                Some(_) => Vec::new(),
                None => vec![key.to_owned()],
            },
            skipped: vec![key.to_owned()],
        };
        if store.advance(&[step], None).await? {
            return Ok(parked);
        }
    }
    Err(RunError::TooFast(projection.name()))
}

/// The live generation, if this version of the projection may write into it.
async fn live(store: &dyn Store, projection: &dyn AnyProjection) -> Result<Generation, RunError> {
    let (name, version) = (projection.name(), projection.version());
    let generations = store.generations().await?;
    let is_live = |found: &Generation| found.name == name && found.state == GenerationState::Live;
    match generations.into_iter().find(is_live) {
        Some(live) if live.version == version => Ok(live),
        Some(live) => Err(RunError::OtherVersion(name, live.version, version)),
        None => Err(RunError::OtherVersion(name, 0, version)),
    }
}

/// The events of a row after one position and up to another.
async fn since(
    store: &dyn Store,
    projection: &dyn AnyProjection,
    key: &str,
    mut after: Position,
    until: Position,
) -> Result<Vec<Recorded>, RunError> {
    let mut events = Vec::new();
    while after < until {
        let query = EventQuery {
            after,
            limit: PAGE,
            ..EventQuery::default()
        };
        let page = store.events(&query).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for stored in page.iter().filter(|stored| stored.position <= until) {
            let event = stored.to_recorded()?;
            if keys(projection, &event)?.iter().any(|touched| touched == key) {
                events.push(event);
            }
        }
    }
    Ok(events)
}
