//! Reading ahead: the next events are read and decoded by a task of its own while those before them are folded.

use std::sync::Arc;

use aggregates::{Position, Recorded};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::RunError;
use store::tasks;
use store::{EventQuery, Store, StoreError, StoredEvent};

/// So many pages wait at most, beside the one that is folded and the one that is read.
const WAITING: usize = 2;
/// The most events of a page that is read ahead: more would not stay in the processor's cache until they are folded. A query
/// reads one page, so that no connection is held, and nothing kept from being cleaned up, while a step is written.
const PORTION: u32 = 1_000;

/// Events that follow each other.
pub(super) struct Page {
    /// At least one.
    pub(super) events: Vec<Recorded>,
    /// How long their facts are, in bytes of JSON.
    pub(super) facts: usize,
    /// Whether there may well be more after them.
    pub(super) more: bool,
}

/// The events after a position, page by page, up to the end of the log. Stops when it is dropped.
pub(super) struct Prefetch {
    pages: mpsc::Receiver<Page>,
    /// None once its outcome is known.
    task: Option<AbortOnDropHandle<Result<(), RunError>>>,
}

impl Prefetch {
    /// Begins to read pages of at most so many events.
    pub(super) fn of(store: &Arc<dyn Store>, after: Position, most: u32) -> Self {
        let (sender, pages) = mpsc::channel(WAITING);
        let size = PORTION.min(most);
        let task = tokio::spawn(read(Arc::clone(store), after, size, sender));
        Self {
            pages,
            task: Some(AbortOnDropHandle::new(task)),
        }
    }

    /// The next page; none at the end.
    ///
    /// # Errors
    /// [`RunError`] if the store fails or an event cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, RunError> {
        if let Some(page) = self.pages.recv().await {
            return Ok(Some(page));
        }
        let Some(task) = self.task.take() else {
            return Ok(None);
        };
        match tasks::outcome(task.await) {
            Some(ended) => ended.map(|()| None),
            None => Err(StoreError::ending().into()),
        }
    }
}

async fn read(store: Arc<dyn Store>, after: Position, size: u32, pages: mpsc::Sender<Page>) -> Result<(), RunError> {
    let mut stored = store.events(&query(after, size, None)).await?;
    while let Some(last) = stored.last().map(|event| event.position) {
        let more = stored.len() >= size as usize;
        let next = async {
            match more {
                true => store.events(&query(last, size, None)).await,
                false => Ok(Vec::new()),
            }
        };
        // the database is asked for the next events before these are decoded
        let handed_on = async {
            let page = Page::of(stored, more)?;
            Ok::<_, StoreError>(pages.send(page).await.is_ok())
        };
        let (next, handed_on) = tokio::join!(next, handed_on);
        if !handed_on? {
            break;
        }
        stored = next?;
    }
    Ok(())
}

fn query(after: Position, limit: u32, until: Option<Position>) -> EventQuery {
    EventQuery {
        after,
        limit,
        until,
        ..EventQuery::default()
    }
}

impl Page {
    fn of(stored: Vec<StoredEvent>, more: bool) -> Result<Self, StoreError> {
        let facts = stored.iter().map(|event| event.facts.len()).sum();
        let events = stored.into_iter().map(StoredEvent::into_recorded);
        let events = events.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { events, facts, more })
    }
}

/// The events after a position, at most so many and none of them beyond `until`; none if there are none.
///
/// # Errors
/// [`RunError`] if the store fails or an event cannot be read.
pub(super) async fn page(
    store: &dyn Store,
    after: Position,
    limit: u32,
    until: Option<Position>,
) -> Result<Option<Page>, RunError> {
    let stored = store.events(&query(after, limit, until)).await?;
    if stored.is_empty() {
        return Ok(None);
    }
    let more = stored.len() >= limit as usize;
    Ok(Some(Page::of(stored, more)?))
}
