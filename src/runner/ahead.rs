//! Reading ahead: the next events are read and decoded by a task of its own while those before them are folded.

use std::sync::Arc;

use aggregates::{Position, Recorded};
use futures_util::stream::TryStreamExt;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::RunError;
use crate::store::{EventQuery, Store, StoreError, StoredEvent};
use crate::tasks;

/// So many portions wait at most, beside the one that is folded and the one that is read.
const WAITING: usize = 2;
/// The most events of a portion that is read ahead: more would not stay in the processor's cache until they are folded.
const PORTION: usize = 1_000;
/// Events that one query reads: the database has to keep for it what is removed meanwhile.
const QUERY: u32 = 50_000;

/// Events that follow each other.
pub(super) struct Portion {
    /// At least one.
    pub(super) events: Vec<Recorded>,
    /// How long their facts are, in bytes of JSON.
    pub(super) facts: usize,
    /// Whether there may well be more after them.
    pub(super) more: bool,
}

/// The events after a position, portion by portion, up to the end of the log. Stops when it is dropped.
pub(super) struct Ahead {
    portions: mpsc::Receiver<Portion>,
    /// None once its outcome is known.
    task: Option<AbortOnDropHandle<Result<(), RunError>>>,
}

impl Ahead {
    /// Begins to read portions of at most so many events.
    pub(super) fn of(store: &Arc<dyn Store>, after: Position, most: u32) -> Self {
        let (sender, portions) = mpsc::channel(WAITING);
        let size = PORTION.min(most as usize);
        let task = tokio::spawn(read(Arc::clone(store), after, size, sender));
        Self {
            portions,
            task: Some(AbortOnDropHandle::new(task)),
        }
    }

    /// The next portion; none at the end.
    ///
    /// # Errors
    /// [`RunError`] if the store fails or an event cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<Portion>, RunError> {
        if let Some(portion) = self.portions.recv().await {
            return Ok(Some(portion));
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

async fn read(
    store: Arc<dyn Store>,
    mut after: Position,
    size: usize,
    portions: mpsc::Sender<Portion>,
) -> Result<(), RunError> {
    loop {
        let (mut stored, mut count) = (store.read(after, QUERY), 0);
        let mut next = Portion::of_at_most(size);
        while let Some(event) = stored.try_next().await? {
            count += 1;
            after = event.position;
            next.facts += event.facts.len();
            next.events.push(event.into_recorded()?);
            if next.events.len() == size {
                let full = std::mem::replace(&mut next, Portion::of_at_most(size));
                if portions.send(full).await.is_err() {
                    return Ok(());
                }
            }
        }
        let more = count == QUERY;
        next.more = more;
        if !next.events.is_empty() && portions.send(next).await.is_err() || !more {
            return Ok(());
        }
    }
}

impl Portion {
    /// One to which events are added.
    fn of_at_most(size: usize) -> Self {
        Self {
            events: Vec::with_capacity(size),
            facts: 0,
            more: true,
        }
    }
}

/// The events after a position, at most so many and none of them beyond `until`; none if there are none.
///
/// # Errors
/// [`RunError`] if the store fails or an event cannot be read.
pub(super) async fn portion(
    store: &dyn Store,
    after: Position,
    limit: u32,
    until: Option<Position>,
) -> Result<Option<Portion>, RunError> {
    let query = EventQuery {
        after,
        limit,
        until,
        ..EventQuery::default()
    };
    let stored = store.events(&query).await?;
    if stored.is_empty() {
        return Ok(None);
    }
    let facts = stored.iter().map(|event| event.facts.len()).sum();
    let events = stored.into_iter().map(StoredEvent::into_recorded);
    let events = events.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Portion {
        more: events.len() >= limit as usize,
        facts,
        events,
    }))
}
