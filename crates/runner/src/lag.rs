//! The lag of the views, which throttles recording so that it does not outrun folding for long.

use std::time::{Duration, Instant};

use aggregates::Position;
use jiff::Timestamp;
use projections::AnyProjection;
use store::{EventQuery, Generation, GenerationState, Store, StoreError, clock};

use super::rates::Rates;

/// So many of the newest clock steps are read.
const STEPS: u32 = 100;

/// How long the oldest event has waited that some view lacks. A view that is stopped, since it cannot be folded or its
/// rows are of another version, does not count: throttling would not help it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub(super) async fn of_moving(
    store: &dyn Store,
    projections: &[&'static dyn AnyProjection],
    generations: &[Generation],
    rates: &Rates,
) -> Result<Duration, StoreError> {
    let head = store.head().await?.position;
    let is_current = |generation: &&Generation| {
        generation.state == GenerationState::Live
            && projections
                .iter()
                .any(|own| own.name() == generation.name && own.version() == generation.version)
    };
    let live = generations.iter().filter(is_current);
    let moving = live.filter(|generation| rates.of(generation).is_some_and(|rate| rate > 0.0));
    let Some(position) = moving.map(|generation| generation.position).min() else {
        return Ok(Duration::ZERO);
    };
    let seconds = lag_seconds(store, position, head, clock::now()).await?;
    Ok(Duration::from_secs_f64(seconds))
}

/// When to measure again: soon while the views lag, else in a second.
pub(super) fn next_look(lag: Duration) -> Instant {
    const OFTEN: Duration = Duration::from_millis(200);
    const SELDOM: Duration = Duration::from_secs(1);
    Instant::now() + if lag > OFTEN { OFTEN } else { SELDOM }
}

/// How long the oldest event after a position has waited, in seconds.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn lag_seconds(
    store: &dyn Store,
    position: Position,
    head: Position,
    now: Timestamp,
) -> Result<f64, StoreError> {
    if position >= head {
        return Ok(0.0);
    }
    let next = store
        .events(&EventQuery {
            after: position,
            limit: 1,
            ..EventQuery::default()
        })
        .await?;
    let Some(next) = next.first() else { return Ok(0.0) };
    let waited = |since: Timestamp| now.duration_since(since).as_secs_f64().max(0.0);
    if !clock::is_ahead(next.recorded_at, now) {
        return Ok(waited(next.recorded_at));
    }
    // recorded by a clock that ran ahead: it has waited at least since the clock was set back
    let steps = store.clock_steps(head, STEPS).await?;
    let set_right = steps
        .into_iter()
        .rfind(|step| step.position > next.position && !clock::is_ahead(step.to, now));
    Ok(set_right.map_or(0.0, |step| waited(step.to)))
}
