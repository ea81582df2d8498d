//! Records accesses as events of the ledger, before the caller gets the answer.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aggregates::{AccessEvent, AccessFacts, Action, Actor, ActorId, Position, Refusal};
use futures_util::future::try_join_all;
use lru::LruCache;

use super::{Caller, Limiter, OverLimit};
use ledger::{Ledger, RecordError};

// the compiler evaluates the unwraps of these constants

/// Refusals recorded per minute for one actor and action: a runaway program must not fill the ledger, nor hide its
/// attempts at another action.
const REFUSALS: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// How long a token's reads from one address count as one session.
const SESSION: Duration = Duration::from_secs(3600);
/// The most sessions remembered.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The most pairs of actor and action whose skipped refusals are counted.
const PASSED_OVER: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// A refused actor and action.
type Refused = (ActorId, Action);
/// Token, address, and the kind of read.
type Session = (ActorId, Option<String>, Option<Action>);

/// Why an access was not recorded, and so must not happen.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The actor's budget of events is used up.
    #[error(transparent)]
    Over(#[from] OverLimit),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Records accesses, within a budget per actor, as events are kept for ever.
pub struct Journal {
    ledger: Ledger,
    events: Limiter<ActorId>,
    refusals: Limiter<Refused>,
    /// Refusals not recorded since the last recorded one.
    uncounted: Mutex<LruCache<Refused, u64>>,
    /// Sessions by their start.
    sessions: Mutex<LruCache<Session, Instant>>,
}

impl Journal {
    /// For this ledger, with a budget of events per minute for each actor.
    pub fn new(ledger: Ledger, events_per_minute: NonZeroU32) -> Self {
        Self {
            ledger,
            events: Limiter::per_minute(events_per_minute, "events recorded a minute", "events_per_minute"),
            refusals: Limiter::per_minute(REFUSALS, "refusals recorded a minute", "none"),
            uncounted: Mutex::new(LruCache::new(PASSED_OVER)),
            sessions: Mutex::new(LruCache::new(SESSIONS)),
        }
    }

    /// Takes events out of an actor's budget that are recorded elsewhere. Exceeding the budget is recorded as a
    /// refusal.
    ///
    /// # Errors
    /// [`JournalError`]: then the access must not happen.
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
        // a refusal records only the actor and the target
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
    /// [`JournalError`]: then the access must not happen.
    pub async fn record(&self, event: AccessEvent) -> Result<Position, JournalError> {
        let positions = self.record_all(vec![event]).await?;
        Ok(positions.into_iter().next().unwrap_or_default())
    }

    /// Records events of one actor in one batch, or none of them; returns their positions once all are durable.
    ///
    /// # Errors
    /// [`JournalError`]: then the access must not happen.
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

    /// Records a refusal. Beyond 30 a minute for one action and actor, refusals are only counted: in a metric, and in
    /// the next recorded one.
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
        let passed_over = self.uncounted().pop(&refused);
        let facts = AccessFacts { passed_over, ..facts };
        let recorded = self.append(AccessEvent::refused(action, refusal, facts)).await;
        if recorded.is_err() {
            self.pass_over(refused, passed_over.unwrap_or(0) + 1);
        }
        recorded.map(drop)
    }

    fn pass_over(&self, refused: Refused, many: u64) {
        *self.uncounted().get_or_insert_mut(refused, || 0) += many;
    }

    fn uncounted(&self) -> MutexGuard<'_, LruCache<Refused, u64>> {
        self.uncounted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a read, if it is the first by this token and address within an hour, as far as this process knows.
    ///
    /// # Errors
    /// [`JournalError`]: then the answer must not be sent.
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
            // nothing was shown, so the next attempt has to be recorded
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.pop(&session);
        }
        recorded.map(drop)
    }
}

/// The kinds of reads that are recorded once per session.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// The feed, after this position.
    Feed(Position),
    /// Timelines of orders.
    Timelines,
    /// The access log.
    AccessLog,
    /// Proofs, or entries of the Merkle log.
    Proofs,
}

impl Read {
    /// The event that records the read.
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
