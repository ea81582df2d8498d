//! Reading on from a position, also past events that a filter leaves out.

use aggregates::Position;

use store::{EventFilter, EventQuery, Parts, Store, StoreError, StoredEvent};

/// Events in a row, and how far they reach.
pub struct Page {
    /// The events that pass.
    pub events: Vec<StoredEvent>,
    /// Where to go on from: whatever passes up to here is in the page. Past the last event of the page where the filter
    /// leaves out those behind it, so that they are not looked at again.
    pub position: Position,
}

/// The events that pass after `after` and up to `until`, at most `limit`. `until` must not be behind the end of the log:
/// nothing may come in up to there any more.
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
