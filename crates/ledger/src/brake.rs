//! Back-pressure: the writer waits for views that lag. Without it a load above what the machine can fold leaves the
//! views minutes behind; with it senders wait some milliseconds longer, and the views stay close behind.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

/// Views may lag this much before the writer waits.
const FREE: Duration = Duration::from_millis(500);
/// Before each batch the writer waits this part of the lag beyond that.
const PART: u32 = 20;
/// The longest wait: views that cannot keep up at all do not stop recording.
const MOST: Duration = Duration::from_millis(50);

/// How far the views lag, once [`Brake::follow`] has set it.
#[derive(Clone, Default)]
pub(super) struct Brake(Arc<OnceLock<watch::Receiver<Duration>>>);

impl Brake {
    /// Sets the lag to follow. Only the first call counts.
    pub(super) fn follow(&self, lag: watch::Receiver<Duration>) {
        let _ = self.0.set(lag);
    }

    /// How long the writer waits before its next batch.
    pub(super) fn pause(&self) -> Duration {
        let lag = self.0.get().map(|lag| *lag.borrow());
        lag.map_or(Duration::ZERO, pause)
    }
}

fn pause(lag: Duration) -> Duration {
    (lag.saturating_sub(FREE) / PART).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_views_that_keep_up() {
        let brake = Brake::default();
        assert_eq!(brake.pause(), Duration::ZERO);
        let (lag, told) = watch::channel(Duration::ZERO);
        brake.follow(told);
        for late in [Duration::ZERO, FREE] {
            lag.send_replace(late);
            assert_eq!(brake.pause(), Duration::ZERO);
        }
    }

    #[test]
    fn the_later_the_views_the_longer_the_writer_waits_up_to_a_limit() {
        assert_eq!(pause(FREE + Duration::from_millis(400)), Duration::from_millis(20));
        assert_eq!(pause(FREE + Duration::from_secs(1)), MOST);
        assert_eq!(pause(Duration::from_secs(3_600)), MOST);
    }
}
