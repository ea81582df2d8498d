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

/// A token, an address, and what is read.
type Session = (ActorId, Option<String>, Option<Action>);

/// Records what people do.
pub struct Journal {
    ledger: Ledger,
    refusals: Limiter,
    /// Since when.
    sessions: Mutex<LruCache<Session, Instant>>,
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

    /// Records that something of the ledger is read, if this is the first time of this token and address within an hour, as
    /// far as this process knows.
    ///
    /// # Errors
    /// [`RecordError`]: then it is not to be shown.
    pub async fn read(&self, caller: &Caller, what: Read) -> Result<(), RecordError> {
        let event = what.event(caller.facts());
        let session = {
            let facts = event.facts();
            (facts.actor.id.clone(), facts.address.clone(), event.action())
        };
        {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if sessions.get(&session).is_some_and(|begun| begun.elapsed() < SESSION) {
                return Ok(());
            }
            sessions.put(session.clone(), Instant::now());
        }
        let recorded = self.record(event).await;
        if recorded.is_err() {
            // nobody has read anything, and the next attempt has to be recorded
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.pop(&session);
        }
        recorded.map(drop)
    }
}

/// What of the ledger is read, and recorded once a session.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// The feed, from behind this position on.
    Feed(Position),
    /// Timelines of orders.
    Timelines,
    /// The access log.
    AccessLog,
    /// Proofs, or entries of the Merkle log.
    Proofs,
}

impl Read {
    /// The event that says so.
    pub fn event(self, facts: AccessFacts) -> AccessEvent {
        match self {
            Self::Feed(after) => AccessEvent::AuditFeedRead(AccessFacts {
                first_position: Some(Position(after.0.saturating_add(1))),
                ..facts
            }),
            Self::Timelines => AccessEvent::TimelinesRead(facts),
            Self::AccessLog => AccessEvent::AccessLogRead(facts),
            Self::Proofs => AccessEvent::ProofsRead(facts),
        }
    }
}
