//! The batch in flight to disk, and the next one that gathers meanwhile.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::poll_immediate;
use tokio::task::JoinHandle;

use super::plan::Plan;
use super::queue::Pending;
use store::tasks;
use store::{Append, Store, StoreError};

type Appended = Result<Append, StoreError>;
type Appending = Pin<Box<dyn Future<Output = Appended> + Send>>;

/// So few events are surely sent at once.
const SMALL: usize = 16;

/// A batch in flight to disk.
pub(super) struct InFlight {
    batch: Vec<Pending>,
    plan: Arc<Plan>,
    /// Goes on by itself, while the next batch is planned.
    append: Appending,
}

impl InFlight {
    /// Submits a batch to the store. Whatever can be sent at once is sent when this returns.
    pub(super) async fn submit(store: &Arc<dyn Store>, mut batch: Vec<Pending>, plan: Plan) -> Self {
        batch.iter_mut().for_each(Pending::leave_queue);
        let plan = Arc::new(plan);
        let (store, shared) = (Arc::clone(store), Arc::clone(&plan));
        let mut append: Appending = Box::pin(async move { store.append(&shared.as_batch()).await });
        let append: Appending = match poll_immediate(&mut append).await {
            Some(appended) => Box::pin(ready(appended)),
            // everything is sent; waiting for the answer needs no task
            None if plan.events.len() <= SMALL => append,
            None => Box::pin(joined(tokio::spawn(append))),
        };
        Self { batch, plan, append }
    }

    /// The plan in flight, which the next plan builds on.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The batch and its plan, once it is completed.
    pub(super) fn into_parts(self) -> (Vec<Pending>, Plan) {
        let Self { batch, plan, append } = self;
        drop(append);
        // only the append shared it
        (batch, Arc::into_inner(plan).expect("a plan that nobody shares"))
    }
}

async fn joined(task: JoinHandle<Appended>) -> Appended {
    tasks::outcome(task.await).unwrap_or_else(|| Err(StoreError::ending()))
}

/// Waits until the append is completed; for ever, if there is none.
pub(super) async fn completion(in_flight: &mut Option<InFlight>) -> Appended {
    match in_flight {
        Some(in_flight) => (&mut in_flight.append).await,
        None => std::future::pending().await,
    }
}

/// The batch that gathers meanwhile.
pub(super) struct Next {
    pub(super) batch: Vec<Pending>,
    /// The plan of its first webhooks.
    pub(super) plan: Option<Plan>,
    /// Whether more can be planned: no longer once planning failed or has to wait for the append in flight.
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
    /// Whether it is planned completely and there is something to append.
    pub(super) fn is_ready(&self) -> bool {
        self.grows && self.plan.as_ref().is_some_and(|plan| !plan.events.is_empty())
    }
}
