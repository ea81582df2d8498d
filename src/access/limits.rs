//! How often somebody may do something: the generic cell rate algorithm, for each key and within one process.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Above so many keys, those that have not been heard of for long are forgotten.
const FORGET_ABOVE: usize = 1_000;

/// A limit for each key: an actor, or an actor and what they do.
pub struct Limiter<K: Clone + Hash + Eq> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
}

impl<K: Clone + Hash + Eq> Limiter<K> {
    /// So many times a minute, all at once if one likes.
    pub fn per_minute(times: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(times)),
            clock: DefaultClock::default(),
        }
    }

    /// Takes one of the key's times.
    ///
    /// # Errors
    /// How long to wait, if none is left.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        if self.limiter.len() > FORGET_ABOVE {
            self.limiter.retain_recent();
        }
        let taken = self.limiter.check_key(key);
        taken.map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_limit_of_its_own() {
        let limiter = Limiter::per_minute(const { NonZeroU32::new(2).unwrap() });
        assert_eq!((limiter.take(&"one"), limiter.take(&"one")), (Ok(()), Ok(())));
        let wait = limiter.take(&"one").expect_err("a limit");
        assert!(
            wait > Duration::from_secs(20) && wait <= Duration::from_secs(30),
            "{wait:?}"
        );
        assert_eq!(limiter.take(&"other"), Ok(()));
    }
}
