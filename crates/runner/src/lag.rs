//! How late the views are: what recording goes by, so that it never runs away from them for long.

use std::time::{Duration, Instant};

use projections::AnyProjection;
use store::{Generation, GenerationState, Store, StoreError, clock};

use super::rates::Rates;
use super::status::lag_seconds;

/// For how long the oldest event has waited that is not in every view yet. A view that stands still, since it cannot be folded or
/// its rows are those of another version, does not count: to wait for it would help nobody.
///
/// # Errors
/// [`StoreError`] if the store cannot tell.
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

/// Whether it is time to look again: often while the views are late, else once a second.
pub(super) fn next_look(lag: Duration) -> Instant {
    const OFTEN: Duration = Duration::from_millis(200);
    const SELDOM: Duration = Duration::from_secs(1);
    Instant::now() + if lag > OFTEN { OFTEN } else { SELDOM }
}
