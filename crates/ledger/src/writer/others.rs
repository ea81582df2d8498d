//! Events that other processes append: taken in before anything is appended behind them.

use super::super::access::erased_by;
use super::super::plan::Plan;
use super::super::{RecordError, tree};
use super::failure::failed;
use super::{Pending, Writer};
use store::{EventQuery, Parts, StoreError, StoredEvent};

/// How many more batches are appended under the append lock each time another process has appended in between; and the
/// maximum.
const CONTENDED_BATCHES: u32 = 8;
const MOST_CONTENDED: u32 = 64;
/// Events of other processes read under the append lock: they fit into one read of a connection.
pub(super) const NEWS: u32 = 100;
/// Events of other processes read at once when catching up; after some such rounds the caches start afresh.
const CATCH_UP: u32 = 1_000;
const CATCH_UP_ROUNDS: usize = 10;

impl Writer {
    /// Plans a batch behind the end of the log, which the append lock holds in place. `news` is what other processes
    /// have appended meanwhile.
    pub(super) async fn plan_under_lock(
        &mut self,
        batch: &mut [Pending],
        news: Vec<StoredEvent>,
    ) -> Result<Plan, RecordError> {
        if !news.is_empty() {
            self.contend();
            let all = news.len() < NEWS as usize;
            self.hear(news)?;
            if !all {
                // under the lock this never has to build a lagging tree: nothing is appended before it is built
                self.catch_up().await?;
            }
        }
        self.plan(batch).await
    }

    /// Notes that another process has appended in between.
    pub(super) fn contend(&mut self) {
        self.contended = MOST_CONTENDED.min(self.contended + CONTENDED_BATCHES);
    }

    /// Takes in the events that other processes have appended behind this writer's head.
    pub(super) async fn catch_up(&mut self) -> Result<(), RecordError> {
        for _ in 0..CATCH_UP_ROUNDS {
            let query = EventQuery {
                after: self.head.position,
                limit: CATCH_UP,
                parts: Parts::Leaves,
                ..EventQuery::default()
            };
            let news = self.store.events(&query).await.map_err(failed)?;
            if !news.is_empty() {
                let all = news.len() < CATCH_UP as usize;
                self.hear(news)?;
                if all {
                    return Ok(());
                }
                continue;
            }
            // nothing new, unless the tree lags
            let (head, frontier) = tree::caught_up(&*self.store).await.map_err(failed)?;
            if head.position == self.head.position {
                self.frontier = frontier;
                return Ok(());
            }
        }
        // the head first: later erasures are seen when catching up from it
        (self.head, self.frontier) = tree::caught_up(&*self.store).await.map_err(failed)?;
        self.forget_erased().await.map_err(failed)?;
        self.cache.clear();
        Ok(())
    }

    /// Takes in events that other processes have appended directly behind the head.
    fn hear(&mut self, news: Vec<StoredEvent>) -> Result<(), RecordError> {
        for event in news {
            self.frontier.push(event.leaf().map_err(failed)?, |_| {});
            self.head = event.head();
            let event = match event.to_recorded() {
                Ok(event) => event,
                Err(error) => {
                    // the stream that it changed is unknown, so no cached state can be trusted
                    self.cache.clear();
                    return Err(failed(error));
                }
            };
            match event.access().and_then(erased_by) {
                Some(subject) => self.vault.erase(subject, event.position),
                None if !self.vault.keyring().contains(&event.subject) => {
                    self.unknown_subjects.push(event.subject.clone())
                }
                None => {}
            }
            self.cache.observe(event);
        }
        self.tail.send_replace(self.head.position);
        Ok(())
    }

    /// Fetches the data keys that other processes have made: their subjects' next events may well come here.
    pub(super) async fn fetch_unknown_subjects(&mut self) -> Result<(), RecordError> {
        if self.unknown_subjects.is_empty() {
            return Ok(());
        }
        let mut subjects = std::mem::take(&mut self.unknown_subjects);
        subjects.sort_unstable();
        subjects.dedup();
        self.vault.fetch(&*self.store, subjects).await.map_err(failed)
    }

    /// Takes in all erasures, without reading their events.
    async fn forget_erased(&self) -> Result<(), StoreError> {
        for state in self.store.erased_subjects().await? {
            if let Some(position) = state.erased_at {
                self.vault.erase(&state.subject, position);
            }
        }
        Ok(())
    }
}
