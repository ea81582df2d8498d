//! What somebody did becomes an event of the ledger, before they get what they asked for.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aggregates::{AccessEvent, AccessFacts, Action, ActorId, Position, Refusal};
use lru::LruCache;

use super::{Caller, Limiter};
use crate::ledger::{Ledger, RecordError};

// the unwraps of constants are done by the compiler

/// Refusals of one actor that are recorded in a minute: a program that goes wild is to fill no ledger.
const REFUSALS: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// A token's reads from one address within so long are one session.
const SESSION: Duration = Duration::from_secs(3600);
/// How many sessions are remembered.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Records what people do.
pub struct Journal {
    ledger: Ledger,
    refusals: Limiter,
    /// By token and address, since when.
    sessions: Mutex<LruCache<(ActorId, Option<String>), Instant>>,
}

impl Journal {
    /// In this ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            refusals: Limiter::per_minute(REFUSALS),
            sessions: Mutex::new(LruCache::new(SESSIONS)),
        }
    }

    /// Records an event; returns its position once it is durable.
    ///
    /// # Errors
    /// [`RecordError`]: then what was asked for is not to be done.
    pub async fn record(&self, event: AccessEvent) -> Result<Position, RecordError> {
        Ok(self.ledger.record_access(event).await?.position)
    }

    /// Records that something was refused; beyond 30 a minute for one actor, only in a metric.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn refused(&self, action: Action, refusal: Refusal, facts: AccessFacts) -> Result<(), RecordError> {
        metrics::counter!(
            "warmledger_access_refused_total", "action" => action.as_str(), "refusal" => refusal.as_str()
        )
        .increment(1);
        if self.refusals.take(&facts.actor.id).is_err() {
            return Ok(());
        }
        self.record(AccessEvent::refused(action, refusal, facts)).await?;
        Ok(())
    }

    /// Records that the feed is read, from behind this position on, if this is the first time of this token and address
    /// within an hour, as far as this process knows.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn feed_read(&self, caller: &Caller, after: Position) -> Result<(), RecordError> {
        let session = {
            let facts = caller.facts();
            (facts.actor.id, facts.address)
        };
        {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if sessions.get(&session).is_some_and(|begun| begun.elapsed() < SESSION) {
                return Ok(());
            }
            sessions.put(session.clone(), Instant::now());
        }
        let facts = AccessFacts {
            first_position: Some(Position(after.0.saturating_add(1))),
            ..caller.facts()
        };
        let recorded = self.record(AccessEvent::AuditFeedRead(facts)).await;
        if recorded.is_err() {
            // nobody has read anything, and the next attempt has to be recorded
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.pop(&session);
        }
        recorded.map(drop)
    }
}
