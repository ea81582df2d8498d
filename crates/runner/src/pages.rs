//! The events after a position, page by page. A query reads one page, so that no connection is held, and no vacuum
//! blocked, while a step is written.

use std::sync::Arc;

use aggregates::{Position, Recorded};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::RunError;
use store::tasks;
use store::{EventQuery, Store, StoreError, StoredEvent};

/// Consecutive events.
pub(super) struct Page {
    /// At least one.
    pub(super) events: Vec<Recorded>,
    /// The length of their facts, in bytes of JSON.
    pub(super) facts: usize,
    /// Whether there may be more after them.
    pub(super) more: bool,
}

/// A source of pages.
pub(super) enum Pages {
    /// Each page is read on demand.
    Read(Query),
    /// A task reads and decodes pages ahead of folding. Dropping it stops the task.
    Prefetched {
        pages: mpsc::Receiver<Page>,
        /// None once its result was taken.
        task: Option<AbortOnDropHandle<Result<(), RunError>>>,
    },
}

/// The next query.
#[derive(Clone, Copy)]
pub(super) struct Query {
    after: Position,
    size: u32,
    until: Option<Position>,
}

impl Pages {
    /// Pages of at most `size` events, none of them beyond `until`.
    pub(super) fn after(after: Position, size: u32, until: Option<Position>) -> Self {
        Self::Read(Query { after, size, until })
    }

    /// The same, prefetched up to the end of the log.
    pub(super) fn prefetched(store: &Arc<dyn Store>, after: Position, size: u32) -> Self {
        /// So many pages wait at most, besides the one being folded and the one being read.
        const WAITING: usize = 2;
        let (sender, pages) = mpsc::channel(WAITING);
        let query = Query {
            after,
            size,
            until: None,
        };
        let task = tokio::spawn(prefetch(Arc::clone(store), query, sender));
        Self::Prefetched {
            pages,
            task: Some(AbortOnDropHandle::new(task)),
        }
    }

    /// The next page; none at the end.
    ///
    /// # Errors
    /// [`RunError`] if the store fails or an event cannot be read.
    pub(super) async fn next(&mut self, store: &dyn Store) -> Result<Option<Page>, RunError> {
        match self {
            Self::Read(query) => {
                let stored = query.read(store).await?;
                let page = Page::of(stored, query.size)?;
                if let Some(last) = page.as_ref().and_then(|page| page.events.last()) {
                    query.after = last.position;
                }
                Ok(page)
            }
            Self::Prefetched { pages, task } => {
                if let Some(page) = pages.recv().await {
                    return Ok(Some(page));
                }
                let Some(task) = task.take() else {
                    return Ok(None);
                };
                match tasks::outcome(task.await) {
                    Some(ended) => ended.map(|()| None),
                    None => Err(StoreError::ending().into()),
                }
            }
        }
    }
}

impl Query {
    async fn read(&self, store: &dyn Store) -> Result<Vec<StoredEvent>, StoreError> {
        let query = EventQuery {
            after: self.after,
            limit: self.size,
            until: self.until,
            ..EventQuery::default()
        };
        store.events(&query).await
    }
}

async fn prefetch(store: Arc<dyn Store>, mut query: Query, pages: mpsc::Sender<Page>) -> Result<(), RunError> {
    let mut stored = query.read(&*store).await?;
    while let Some(last) = stored.last() {
        query.after = last.position;
        let decoded = async {
            match Page::of(stored, query.size)? {
                Some(page) => Ok(pages.send(page).await.is_ok()),
                None => Ok(false),
            }
        };
        // the next query runs while these events are decoded
        let (next, handed_on): (_, Result<bool, StoreError>) = tokio::join!(query.read(&*store), decoded);
        if !handed_on? {
            break;
        }
        stored = next?;
    }
    Ok(())
}

impl Page {
    fn of(stored: Vec<StoredEvent>, size: u32) -> Result<Option<Self>, StoreError> {
        if stored.is_empty() {
            return Ok(None);
        }
        let more = stored.len() >= size as usize;
        let facts = stored.iter().map(|event| event.facts.len()).sum();
        let events = stored.into_iter().map(StoredEvent::into_recorded);
        let events = events.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self { events, facts, more }))
    }
}
