//! The batches that are on their way to disk, and the one that gathers meanwhile.

use std::collections::VecDeque;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::poll_immediate;
use tokio::task::JoinHandle;

use super::plan::Plan;
use super::queue::{BATCH, Pending};
use store::tasks;
use store::{Append, Store, StoreError};

type Appended = Result<Append, StoreError>;
type Appending = Pin<Box<dyn Future<Output = Appended> + Send>>;

/// Events that are surely sent at once.
const SMALL: usize = 16;

/// A batch on its way to disk.
pub(super) struct Flight {
    batch: Vec<Pending>,
    plan: Arc<Plan>,
    /// Goes on by itself, while the next batch is planned.
    append: Appending,
}

impl Flight {
    /// Hands a batch to the store; `behind` says that another one is under way, which it counts on. What can be sent at once
    /// is on its way when this returns.
    pub(super) async fn take_off(store: &Arc<dyn Store>, mut batch: Vec<Pending>, plan: Plan, behind: bool) -> Self {
        batch.iter_mut().for_each(Pending::leave_queue);
        let plan = Arc::new(plan);
        let (store, shared) = (Arc::clone(store), Arc::clone(&plan));
        let mut append: Appending = Box::pin(async move { store.append(&shared.as_batch(behind)).await });
        let append: Appending = match poll_immediate(&mut append).await {
            Some(appended) => Box::pin(ready(appended)),
            // all of it is on its way; to wait for the answer takes nobody else
            None if plan.events.len() <= SMALL => append,
            None => Box::pin(joined(tokio::spawn(append))),
        };
        Self { batch, plan, append }
    }

    /// What counts on it may count on this.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether the next batch may fly behind it. Both have nothing but webhooks: what people do with subjects and keys has to be
    /// durable before anything is written that may depend on it. And the next one has at least half as many again, or is full: a batch
    /// costs the store something however few it has, and what waits for one that is under way waits at no cost.
    pub(super) fn leads(&self, next: &Next) -> bool {
        next.is_ready()
            && is_large_enough(next.batch.len(), self.batch.len())
            && only_webhooks(&self.batch)
            && only_webhooks(&next.batch)
    }

    /// The batch and its plan, once it has landed.
    pub(super) fn into_parts(self) -> (Vec<Pending>, Plan) {
        let Self { batch, plan, append } = self;
        drop(append);
        // only the append has shared it
        (batch, Arc::into_inner(plan).expect("a plan that nobody shares"))
    }
}

async fn joined(task: JoinHandle<Appended>) -> Appended {
    tasks::outcome(task.await).unwrap_or_else(|| Err(StoreError::ending()))
}

/// Waits until the first of the flights has landed; for ever, if there is none.
pub(super) async fn landing(flights: &mut VecDeque<Flight>) -> Appended {
    match flights.front_mut() {
        Some(flight) => (&mut flight.append).await,
        None => std::future::pending().await,
    }
}

/// Whether so many may fly behind so many.
fn is_large_enough(next: usize, last: usize) -> bool {
    next >= (last + last / 2).min(BATCH)
}

fn only_webhooks(batch: &[Pending]) -> bool {
    batch.iter().all(|pending| pending.webhook().is_some())
}

/// The batch that gathers meanwhile.
pub(super) struct Next {
    pub(super) batch: Vec<Pending>,
    /// What is planned of it.
    pub(super) plan: Option<Plan>,
    /// Whether more can be planned: not once something of it has to wait for the flight to land, or has failed.
    pub(super) grows: bool,
}

impl Default for Next {
    fn default() -> Self {
        Self {
            batch: Vec::new(),
            plan: None,
            grows: true,
        }
    }
}

impl Next {
    /// Whether all of it is planned and there is something to append.
    pub(super) fn is_ready(&self) -> bool {
        self.grows && self.plan.as_ref().is_some_and(|plan| !plan.events.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_flies_behind_a_smaller_one_or_when_it_is_full() {
        assert!(is_large_enough(1, 1));
        assert!(!is_large_enough(2, 2));
        assert!(is_large_enough(3, 2));
        assert!(!is_large_enough(BATCH - 1, BATCH));
        assert!(is_large_enough(BATCH, BATCH));
    }
}
