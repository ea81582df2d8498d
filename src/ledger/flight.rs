//! The batch that is on its way to disk, and the one that gathers meanwhile.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::{MaybeDone, maybe_done, poll_immediate};

use super::plan::Plan;
use super::writer::Pending;
use crate::store::{Append, Store, StoreError};

type Appending = Pin<Box<dyn Future<Output = Result<Append, StoreError>> + Send>>;

/// A batch on its way to disk.
pub(super) struct Flight {
    batch: Vec<Pending>,
    plan: Arc<Plan>,
    append: MaybeDone<Appending>,
}

impl Flight {
    /// Hands a batch to the store. What can be sent at once is on its way when this returns.
    pub(super) async fn take_off(store: &Arc<dyn Store>, mut batch: Vec<Pending>, plan: Plan) -> Self {
        batch.iter_mut().for_each(Pending::leave_queue);
        let plan = Arc::new(plan);
        let (store, shared) = (Arc::clone(store), Arc::clone(&plan));
        let append: Appending = Box::pin(async move { store.append(&shared.as_batch()).await });
        let mut append = maybe_done(append);
        poll_immediate(&mut append).await;
        Self { batch, plan, append }
    }

    /// What counts on it may count on this.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The batch and its plan, once it has landed.
    pub(super) fn into_parts(self) -> (Vec<Pending>, Plan) {
        let Self { batch, plan, append } = self;
        drop(append);
        // only the append has shared it
        (batch, Arc::into_inner(plan).expect("a plan that nobody shares"))
    }
}

/// Waits until a flight has landed; for ever, if there is none.
pub(super) async fn landing(flight: &mut Option<Flight>) -> Result<Append, StoreError> {
    let Some(flight) = flight else {
        return std::future::pending().await;
    };
    loop {
        if let Some(appended) = Pin::new(&mut flight.append).take_output() {
            return appended;
        }
        (&mut flight.append).await;
    }
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
