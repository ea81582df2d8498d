//! What somebody did becomes an event of the ledger, before they get what they asked for.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aggregates::{AccessEvent, AccessFacts, Action, Actor, ActorId, Position, Refusal};
use futures_util::future::try_join_all;
use lru::LruCache;

use super::{Caller, Limiter, OverLimit};
use ledger::{Ledger, RecordError};

// the unwraps of constants are done by the compiler

/// Refusals of one action to one actor that are recorded in a minute: a program that goes wild is to fill no ledger, and
/// what it does is not to hide another thing that it tries.
const REFUSALS: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// A token's reads from one address within so long are one session.
const SESSION: Duration = Duration::from_secs(3600);
/// How many sessions are remembered.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Of how many actors and actions it is remembered how many refusals were passed over.
const PASSED_OVER: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Who was refused what.
type Refused = (ActorId, Action);
/// A token, an address, and what is read.
type Session = (ActorId, Option<String>, Option<Action>);

/// Why something was not recorded, and so is not to be done.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The actor has had as many events recorded as they may.
    #[error(transparent)]
    Over(#[from] OverLimit),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Records what people do, within a budget of each: an event is kept for ever.
pub struct Journal {
    ledger: Ledger,
    events: Limiter<ActorId>,
    refusals: Limiter<Refused>,
    /// How many were not recorded since the last one that was.
    passed_over: Mutex<LruCache<Refused, u64>>,
    /// Since when.
    sessions: Mutex<LruCache<Session, Instant>>,
}

impl Journal {
    /// In this ledger, so many events a minute for each actor.
    pub fn new(ledger: Ledger, events_per_minute: NonZeroU32) -> Self {
        Self {
            ledger,
            events: Limiter::per_minute(events_per_minute, "events recorded a minute", "events_per_minute"),
            refusals: Limiter::per_minute(REFUSALS, "refusals recorded a minute", "none"),
            passed_over: Mutex::new(LruCache::new(PASSED_OVER)),
            sessions: Mutex::new(LruCache::new(SESSIONS)),
        }
    }

    /// Takes so many events out of an actor's budget, for what is recorded elsewhere. That there are not so many left is recorded
    /// as a refusal.
    ///
    /// # Errors
    /// [`JournalError`]: then what was asked for is not to be done.
    pub async fn admit(
        &self,
        actor: &Actor,
        many: u32,
        action: Action,
        facts: AccessFacts,
    ) -> Result<(), JournalError> {
        let Err(over) = self.events.take(&actor.id, many) else {
            return Ok(());
        };
        // of what was not done only who asked for it, and about what
        let facts = AccessFacts {
            credentials: Vec::new(),
            token: None,
            ..facts
        };
        self.refused(action, Refusal::RateLimit, facts).await?;
        Err(over.into())
    }

    /// Records an event; returns its position once it is durable.
    ///
    /// # Errors
    /// [`JournalError`]: then what was asked for is not to be done.
    pub async fn record(&self, event: AccessEvent) -> Result<Position, JournalError> {
        let positions = self.record_all(vec![event]).await?;
        Ok(positions.into_iter().next().unwrap_or_default())
    }

    /// Records events of one actor in one batch, or none of them; returns their positions once all are durable.
    ///
    /// # Errors
    /// [`JournalError`]: then what was asked for is not to be done.
    pub async fn record_all(&self, events: Vec<AccessEvent>) -> Result<Vec<Position>, JournalError> {
        if let Some(first) = events.first()
            && let Some(action) = first.action()
        {
            let many = u32::try_from(events.len()).unwrap_or(u32::MAX);
            let facts = first.facts();
            self.admit(&facts.actor, many, action, facts.clone()).await?;
        }
        let recorded = events.into_iter().map(|event| self.append(event));
        Ok(try_join_all(recorded).await?)
    }

    async fn append(&self, event: AccessEvent) -> Result<Position, RecordError> {
        Ok(self.ledger.record_access(event).await?.position)
    }

    /// Records that something was refused. Beyond 30 a minute of one action to one actor it is only counted: in a metric, and
    /// in the next one that is recorded.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn refused(&self, action: Action, refusal: Refusal, facts: AccessFacts) -> Result<(), RecordError> {
        metrics::counter!(
            "warmledger_access_refused_total", "action" => action.as_str(), "refusal" => refusal.as_str()
        )
        .increment(1);
        let refused = (facts.actor.id.clone(), action);
        if self.refusals.take(&refused, 1).is_err() {
            self.pass_over(refused, 1);
            return Ok(());
        }
        let passed_over = self.passed_over().pop(&refused);
        let facts = AccessFacts { passed_over, ..facts };
        let recorded = self.append(AccessEvent::refused(action, refusal, facts)).await;
        if recorded.is_err() {
            self.pass_over(refused, passed_over.unwrap_or(0) + 1);
        }
        recorded.map(drop)
    }

    fn pass_over(&self, refused: Refused, many: u64) {
        *self.passed_over().get_or_insert_mut(refused, || 0) += many;
    }

    fn passed_over(&self) -> MutexGuard<'_, LruCache<Refused, u64>> {
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that something of the ledger is read, if this is the first time of this token and address within an hour, as
    /// far as this process knows.
    ///
    /// # Errors
    /// [`JournalError`]: then it is not to be shown.
    pub async fn read(&self, caller: &Caller, what: Read) -> Result<(), JournalError> {
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
