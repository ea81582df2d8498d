//! Limits per key within one process: rates, by the generic cell rate algorithm, and concurrent calls.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// With more keys than this, long unused ones are dropped.
const FORGET_ABOVE: usize = 1_000;

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// The unit, as in "30 mailboxes revealed a minute".
    pub what: &'static str,
    /// The allowed number.
    pub limit: u32,
    /// The setting that defines it.
    pub setting: &'static str,
    /// The requested number.
    pub wanted: u32,
    /// How long to wait; none if the call asks for more than the limit ever allows.
    pub wait: Option<Duration>,
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            limit,
            setting,
            wanted,
            wait,
        } = self;
        write!(f, "a token may have {limit} {what} (setting {setting})")?;
        match wait {
            Some(_) => write!(f, "; Retry-After says when to try again"),
            None => write!(
                f,
                ", and this call asks for {wanted}: ask for less, or raise the setting"
            ),
        }
    }
}

impl std::error::Error for OverLimit {}

/// A rate limit for each key: an actor, or an actor and an action.
pub struct Limiter<K: Clone + Hash + Eq> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    limit: NonZeroU32,
    what: &'static str,
    setting: &'static str,
}

impl<K: Clone + Hash + Eq> Limiter<K> {
    /// Allows `limit` a minute, in bursts of as many. `what` is the unit, `setting` defines the limit.
    pub fn per_minute(limit: NonZeroU32, what: &'static str, setting: &'static str) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(limit)),
            clock: DefaultClock::default(),
            limit,
            what,
            setting,
        }
    }

    /// Takes this many from the key's limit, or none.
    ///
    /// # Errors
    /// [`OverLimit`] if fewer are left.
    pub fn take(&self, key: &K, many: u32) -> Result<(), OverLimit> {
        let Some(cells) = NonZeroU32::new(many) else {
            return Ok(());
        };
        if self.limiter.len() > FORGET_ABOVE {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key_n(key, cells) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(self.over(many, Some(not_until.wait_time_from(self.clock.now())))),
            Err(_) => Err(self.over(many, None)),
        }
    }

    /// Takes this many in addition to the one that the same call has taken already: the wait is for both.
    ///
    /// # Errors
    /// [`OverLimit`] if fewer are left.
    pub fn take_besides(&self, key: &K, many: u32) -> Result<(), OverLimit> {
        let all = many.saturating_add(1);
        if all > self.limit.get() {
            return Err(self.over(all, None));
        }
        self.take(key, many).map_err(|over| {
            // the retried call takes the first one again
            let first = Duration::from_secs(60) / self.limit.get();
            self.over(all, over.wait.map(|wait| wait + first))
        })
    }

    fn over(&self, wanted: u32, wait: Option<Duration>) -> OverLimit {
        OverLimit {
            what: self.what,
            limit: self.limit.get(),
            setting: self.setting,
            wanted,
            wait,
        }
    }
}

/// Counts the concurrent calls, or streams, of each key; clones share the count.
#[derive(Clone)]
pub struct UnderWay<K: Clone + Hash + Eq> {
    counts: Arc<Mutex<HashMap<K, u32>>>,
    limit: NonZeroU32,
    what: &'static str,
    setting: &'static str,
}

/// A call in progress; it ends when this is dropped.
pub struct Permit<K: Clone + Hash + Eq> {
    counts: UnderWay<K>,
    key: K,
}

impl<K: Clone + Hash + Eq> UnderWay<K> {
    /// At most `limit` of each key at the same time. `what` is the unit, `setting` defines the limit.
    pub fn at_most(limit: NonZeroU32, what: &'static str, setting: &'static str) -> Self {
        Self {
            counts: Arc::default(),
            limit,
            what,
            setting,
        }
    }

    /// Begins one more.
    ///
    /// # Errors
    /// [`OverLimit`] if the limit is reached.
    pub fn begin(&self, key: &K) -> Result<Permit<K>, OverLimit> {
        let mut counts = self.counts();
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.limit.get() {
            return Err(OverLimit {
                what: self.what,
                limit: self.limit.get(),
                setting: self.setting,
                wanted: 1,
                wait: Some(Duration::ZERO),
            });
        }
        *count += 1;
        Ok(Permit {
            counts: self.clone(),
            key: key.clone(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        // every change is one step, so the counts are right even after a panic elsewhere
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Hash + Eq> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.counts();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
    const FOUR: NonZeroU32 = NonZeroU32::new(4).unwrap();

    #[test]
    fn each_key_has_a_limit_of_its_own() {
        let limiter = Limiter::per_minute(TWO, "tries a minute", "tries");
        assert_eq!((limiter.take(&"one", 1), limiter.take(&"one", 1)), (Ok(()), Ok(())));
        let over = limiter.take(&"one", 1).expect_err("a limit");
        let wait = over.wait.unwrap();
        assert!(
            wait > Duration::from_secs(20) && wait <= Duration::from_secs(30),
            "{wait:?}"
        );
        assert!(
            over.to_string()
                .starts_with("a token may have 2 tries a minute (setting tries)"),
            "{over}"
        );
        assert_eq!(limiter.take(&"other", 1), Ok(()));
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let limiter = Limiter::per_minute(FOUR, "tries a minute", "tries");
        assert_eq!(limiter.take(&"one", 1), Ok(()));
        assert_eq!(limiter.take_besides(&"one", 2), Ok(()));
        let over = limiter.take_besides(&"one", 2).expect_err("only one is left");
        assert_eq!(over.wanted, 3);
        // one more than is missing, for the first one of the retried call
        let wait = over.wait.unwrap();
        assert!(
            wait > Duration::from_secs(25) && wait <= Duration::from_secs(30),
            "{wait:?}"
        );
        assert_eq!(limiter.take(&"one", 1), Ok(()), "none was taken");
        let never = limiter.take_besides(&"other", 4).expect_err("five of four");
        assert_eq!((never.wait, never.wanted), (None, 5));
        assert!(never.to_string().contains("this call asks for 5"), "{never}");
    }

    #[test]
    fn calls_under_way_are_counted_until_they_end() {
        let calls = UnderWay::at_most(TWO, "calls under way", "calls_per_token");
        let first = calls.begin(&"one");
        let second = calls.begin(&"one");
        assert!(first.is_ok() && second.is_ok() && calls.begin(&"one").is_err());
        assert!(calls.begin(&"other").is_ok());
        drop(first);
        assert!(calls.begin(&"one").is_ok());
        drop(second);
        assert!(calls.counts().is_empty(), "nothing is kept of those that have none");
    }
}
