//! Throttles background folding on a database with one writer: while events come in, it uses small steps and rests
//! between them, so that webhooks get most of the writer's time.

use std::time::{Duration, Instant};

use aggregates::Position;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::step::Limits;
use store::{Store, StoreError};

/// How long the log is watched for new events at the beginning.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// Events count as coming in if the log grew within this time.
const BUSY_FOR: Duration = Duration::from_secs(2);
/// Between steps it rests so many times as long as it worked, unless the log grows too fast for that.
const REST: u32 = 5;
/// Folding has to be so many times as fast as the log grows: otherwise it would never catch up.
const GAIN: u64 = 2;
/// The longest time for a step: a webhook may have to wait for it.
const STEP: Duration = Duration::from_millis(40);
/// Events of the first step.
const FIRST_STEP: u32 = 100;
/// The bounds of a step's events.
const EVENTS: std::ops::RangeInclusive<u32> = 20..=10_000;

/// The current limits of folding.
pub(super) struct Pace {
    /// Whether the store has one writer, which webhooks and folding share.
    one_writer: bool,
    head: Position,
    /// When the log last grew, as far as seen here.
    grown: Option<Instant>,
    events: u32,
    rest: u32,
    /// The head and the folded position after the previous step.
    before: Option<(Position, Position)>,
}

impl Pace {
    /// For short work: the first step is not throttled.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
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

    /// As [`Self::of`], but first watches briefly whether events come in: otherwise the first steps would be large.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn begin(store: &dyn Store) -> Result<Self, StoreError> {
        let mut pace = Self::of(store).await?;
        if pace.one_writer && pace.head > Position(0) {
            sleep(FIRST_LOOK).await;
            pace.look(store).await?;
        }
        Ok(pace)
    }

    /// Checks whether events have come in.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) async fn look(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if self.one_writer {
            let head = store.head().await?.position;
            if head > self.head {
                (self.head, self.grown) = (head, Some(Instant::now()));
            }
        }
        Ok(())
    }

    /// Whether folding has to yield to webhooks.
    pub(super) fn is_held(&self) -> bool {
        self.grown.is_some_and(|at| at.elapsed() < BUSY_FOR)
    }

    /// The limits of the next step.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            events: self.events as usize,
            ..Limits::REBUILD
        }
    }

    /// Rests after a step that took `worked` and came to `reached`, and adapts the size of the next one.
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
        // now it folds fast enough
        for _ in 0..10 {
            (pace.head, reached) = (Position(pace.head.0 + 10), reached + 150);
            pace.learn(STEP * 2, Position(reached));
        }
        assert_eq!((pace.rest, pace.events), (REST, *EVENTS.start()));
    }
}
