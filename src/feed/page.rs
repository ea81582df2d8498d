//! Reading on from a position, past events that a filter skips.

use aggregates::Position;

use store::{EventFilter, EventQuery, Parts, Store, StoreError, StoredEvent};

/// Consecutive events of the feed, and the position they reach.
pub struct Page {
    /// The events that match.
    pub events: Vec<StoredEvent>,
    /// Where to read on: all matches up to here are in the page. Beyond the last event of the page if the filter skips
    /// those after it, so that they are not scanned again.
    pub position: Position,
}

/// The matching events after `after` and up to `until`, at most `limit`. `until` must not exceed the head: no event may
/// be appended up to it later.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub async fn page(
    store: &dyn Store,
    filter: &EventFilter,
    after: Position,
    until: Position,
    limit: u32,
) -> Result<Page, StoreError> {
    let query = EventQuery {
        after,
        until: Some(until),
        limit,
        filter: filter.clone(),
        parts: Parts::Plain,
    };
    let events = store.events(&query).await?;
    let full = events.len() >= limit as usize;
    let last = events.last().filter(|_| full).map(|last| last.position);
    Ok(Page {
        position: last.unwrap_or(until.max(after)),
        events,
    })
}
