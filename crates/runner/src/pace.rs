//! Folding that nobody waits for, where a database has one writer: while events come in, it goes in small steps and rests between
//! them, so that webhooks keep most of the writer's time.

use std::time::{Duration, Instant};

use aggregates::Position;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::step::Limits;
use store::{Store, StoreError};

/// How long it is looked at the beginning whether events come in.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// Events come in if one did within so long.
const BUSY_FOR: Duration = Duration::from_secs(2);
/// Between steps it rests so many times as long as it has worked, unless the log grows too fast for that.
const REST: u32 = 5;
/// Folding is to come on so many times as fast as the log grows: it would never end.
const GAIN: u64 = 2;
/// The most that a step is to take: a webhook may have to wait for it.
const STEP: Duration = Duration::from_millis(40);
/// Events of the first step.
const FIRST_STEP: u32 = 100;
/// Events of a step.
const EVENTS: std::ops::RangeInclusive<u32> = 20..=10_000;

/// How fast folding may go.
pub(super) struct Pace {
    /// Whether the store has one writer, for which webhooks and folding take turns.
    one_writer: bool,
    head: Position,
    /// When the log was last seen to have grown.
    grown: Option<Instant>,
    events: u32,
    rest: u32,
    /// The end of the log and how far folding was after the step before.
    before: Option<(Position, Position)>,
}

impl Pace {
    /// That of what is done soon: the first step is not held.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    pub(super) async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            one_writer: store.writers() < 2,
            head: store.head().await?.position,
            grown: None,
            events: FIRST_STEP,
            rest: REST,
            before: None,
        })
    }

    /// As [`Self::of`], and looks for a moment whether events come in: the first steps would be large ones.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    pub(super) async fn begin(store: &dyn Store) -> Result<Self, StoreError> {
        let mut pace = Self::of(store).await?;
        if pace.one_writer && pace.head > Position(0) {
            sleep(FIRST_LOOK).await;
            pace.look(store).await?;
        }
        Ok(pace)
    }

    /// Looks whether events have come in since.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot tell.
    pub(super) async fn look(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if self.one_writer {
            let head = store.head().await?.position;
            if head > self.head {
                (self.head, self.grown) = (head, Some(Instant::now()));
            }
        }
        Ok(())
    }

    /// Whether folding has to let webhooks go first.
    pub(super) fn is_held(&self) -> bool {
        self.grown.is_some_and(|at| at.elapsed() < BUSY_FOR)
    }

    /// How large a step may be.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            events: self.events as usize,
            ..Limits::REBUILD
        }
    }

    /// Rests after a step that took so long and has come so far, and learns from it how large the next one may be.
    pub(super) async fn rest(&mut self, worked: Duration, reached: Position, shutdown: &CancellationToken) {
        self.learn(worked, reached);
        let _ = shutdown.run_until_cancelled(sleep(worked * self.rest)).await;
    }

    fn learn(&mut self, worked: Duration, reached: Position) {
        let (head, from) = self
            .before
            .replace((self.head, reached))
            .unwrap_or((self.head, reached));
        let (grown, folded) = (self.head.0.saturating_sub(head.0), reached.0.saturating_sub(from.0));
        let too_slow = folded < GAIN * grown && reached < self.head;
        self.rest = if too_slow {
            self.rest / 2
        } else {
            (self.rest + 1).min(REST)
        };
        let events = match worked {
            _ if too_slow => self.events * 2,
            long if long > STEP => self.events / 2,
            short if short < STEP / 3 => self.events * 2,
            _ => self.events,
        };
        self.events = events.clamp(*EVENTS.start(), *EVENTS.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace {
            one_writer: true,
            head: Position(10_000),
            grown: Some(Instant::now()),
            events: FIRST_STEP,
            rest: REST,
            before: None,
        }
    }

    #[test]
    fn steps_are_as_large_as_a_webhook_may_wait_for() {
        let mut pace = pace();
        pace.learn(STEP / 10, Position(100));
        assert_eq!((pace.events, pace.rest), (2 * FIRST_STEP, REST));
        pace.learn(STEP / 2, Position(300));
        assert_eq!(pace.events, 2 * FIRST_STEP);
        pace.learn(STEP * 2, Position(500));
        assert_eq!(pace.events, FIRST_STEP);
        for step in 1..20 {
            pace.learn(STEP * 2, Position(500 + 20 * step));
        }
        assert_eq!((pace.events, pace.rest), (*EVENTS.start(), REST));
    }

    #[test]
    fn whoever_is_not_gaining_on_the_log_rests_less_in_larger_steps() {
        let mut pace = pace();
        let mut reached = 0;
        for _ in 0..10 {
            pace.learn(STEP * 2, Position(reached));
            (pace.head, reached) = (Position(pace.head.0 + 100), reached + 150);
        }
        assert_eq!(pace.rest, 0);
        assert!(pace.events > FIRST_STEP, "{}", pace.events);
        // now it comes on fast enough
        for _ in 0..10 {
            (pace.head, reached) = (Position(pace.head.0 + 10), reached + 150);
            pace.learn(STEP * 2, Position(reached));
        }
        assert_eq!((pace.rest, pace.events), (REST, *EVENTS.start()));
    }
}
