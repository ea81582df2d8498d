//! Follows the erasures of other processes: the key is removed from this process's memory, and the erasure is added to
//! its journal.

use std::sync::Arc;
use std::time::Duration;

use aggregates::{Position, Recorded};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Erasure, ErasureJournal, RestoreError, effect};
use store::{EventFilter, EventQuery, Mark, Parts, Store};
use vault::Vault;

/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause after reading the log, which grows with every batch: a read costs as much as a small batch.
const REST: Duration = Duration::from_millis(200);
/// Erasures that are read at once.
const PAGE: u32 = 500;

impl Erasure {
    /// The erasure that an event records, if it is one.
    pub(super) fn of(event: &Recorded) -> Option<Self> {
        match event.access()? {
            aggregates::AccessEvent::SubjectErased(facts) => Some(Self {
                event_id: event.event_id.clone(),
                facts: facts.clone(),
            }),
            _ => None,
        }
    }
}

/// An error and its causes.
fn with_cause(error: &RestoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Follows the log from behind `after`, until the service stops. `head` is its end as far as this process knows;
/// `trouble` holds the reason while it cannot be followed.
pub async fn follow(
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    journal: Arc<ErasureJournal>,
    mut head: watch::Receiver<Position>,
    mut after: Position,
    shutdown: CancellationToken,
    trouble: watch::Sender<Option<String>>,
) {
    let mut troubled = false;
    loop {
        let until = *head.borrow_and_update();
        let stepped = step(&*store, &vault, &journal, after, until).await;
        metrics::gauge!("warmledger_erasures_not_followed").set(f64::from(u8::from(stepped.is_err())));
        if troubled && stepped.is_ok() {
            tracing::info!("erasures elsewhere are followed again, and stand in this process's erasure journal");
        }
        trouble.send_if_modified(|known| {
            let now = stepped.as_ref().err().map(with_cause);
            let is_news = *known != now;
            *known = now;
            is_news
        });
        let was_troubled = std::mem::replace(&mut troubled, stepped.is_err());
        match stepped {
            Ok(reached) if reached < until => {
                after = reached;
                continue;
            }
            Ok(reached) => after = reached,
            Err(error) => {
                // logged once, however often it is retried
                if !was_troubled {
                    tracing::error!(
                        error = with_cause(&error),
                        "erasures elsewhere cannot be followed, or are missing in this process's journal; trying again"
                    );
                }
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(REST) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = head.changed() => if changed.is_err() { return },
        }
    }
}

/// Handles the erasures behind `after`; returns the position it reached.
async fn step(
    store: &dyn Store,
    vault: &Vault,
    journal: &Arc<ErasureJournal>,
    after: Position,
    until: Position,
) -> Result<Position, RestoreError> {
    if after >= until {
        return Ok(after);
    }
    let query = EventQuery {
        after,
        until: Some(until),
        limit: PAGE,
        filter: EventFilter {
            types: vec!["SubjectErased".to_owned()],
            ..EventFilter::default()
        },
        parts: Parts::Plain,
    };
    let events = store.events(&query).await?;
    let mut erasures = Vec::new();
    for event in &events {
        let recorded = event.to_recorded()?;
        if let Some(erasure) = Erasure::of(&recorded) {
            // first, since until then this process can still show erased data
            if let Some(subject) = &erasure.facts.subject {
                vault.erase(subject, recorded.position);
                effect::ensure(store, Mark::Erased, subject, recorded.position).await?;
            }
            erasures.push(erasure);
        }
    }
    if !erasures.is_empty() {
        Arc::clone(journal).add(erasures).await?;
    }
    let full = events.len() == PAGE as usize;
    Ok(events.last().filter(|_| full).map_or(until, |event| event.position))
}
