//! The result of a run, as text and as JSON.

use std::fmt;
use std::time::Duration;

use aggregates::{EventId, Position};
use serde::Serialize;

/// The result of a run. Its `Display` is for people, its JSON for programs (times in milliseconds).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Different events sent at least once.
    pub sent: u64,
    /// Requests made: first tries, retries and repeats.
    pub attempts: u64,
    /// Different events that were answered 2xx.
    pub acknowledged: u64,
    /// Requests answered `duplicate`.
    pub duplicates: u64,
    /// Requests answered `quarantined`.
    pub quarantined: u64,
    /// Deliveries that took more than one attempt.
    pub retried: u64,
    /// Deliveries whose every attempt failed.
    pub given_up: u64,
    /// Deliveries not sent, or whose retries ended, because the run was stopped.
    pub interrupted: u64,
    /// Half of the acknowledged requests were answered within this time; `None` if none was.
    #[serde(rename = "p50Ms", serialize_with = "milliseconds")]
    pub p50: Option<Duration>,
    /// 99 % of the acknowledged requests were answered within this time; `None` if none was.
    #[serde(rename = "p99Ms", serialize_with = "milliseconds")]
    pub p99: Option<Duration>,
    /// From the first delivery to the last answer.
    #[serde(rename = "elapsedMs", serialize_with = "milliseconds_of")]
    pub elapsed: Duration,
    /// The reason of the last failed attempt, if there was one: usually all have the same cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// The acknowledged events with the positions in their answers, if [`SendOptions`](super::SendOptions) asked for
    /// them, in the order of the answers; an answer without a position is left out.
    #[serde(skip)]
    pub acknowledgements: Vec<(EventId, Position)>,
}

impl Summary {
    /// Whether every delivery was acknowledged.
    pub fn complete(&self) -> bool {
        self.given_up == 0 && self.interrupted == 0
    }

    /// Computes the percentiles (nearest rank) of the acknowledged requests' latencies, given in any order.
    pub(super) fn measure(&mut self, mut latencies: Vec<Duration>) {
        latencies.sort_unstable();
        let percentile = |percent: usize| {
            latencies
                .get((latencies.len() * percent).div_ceil(100).max(1) - 1)
                .copied()
        };
        self.p50 = percentile(50);
        self.p99 = percentile(99);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.acknowledged as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON);
        let count = |f: &mut fmt::Formatter<'_>, name: &str, n: u64, note: &str| {
            let gap = if note.is_empty() { "" } else { "   " };
            writeln!(f, "{name:<14}{n:>10}{gap}{note}")
        };
        count(f, "sent", self.sent, &format!("{} requests", self.attempts))?;
        count(f, "acknowledged", self.acknowledged, "")?;
        count(f, "duplicates", self.duplicates, "")?;
        count(f, "quarantined", self.quarantined, "")?;
        count(f, "retried", self.retried, "")?;
        count(
            f,
            "given up",
            self.given_up,
            self.last_failure.as_deref().unwrap_or_default(),
        )?;
        if self.interrupted > 0 {
            count(f, "interrupted", self.interrupted, "stopped before they were through")?;
        }
        let latency = |time: Option<Duration>| time.map_or_else(|| "–".to_owned(), human);
        writeln!(
            f,
            "{:<14}{:>10}   p99 {}",
            "latency p50",
            latency(self.p50),
            latency(self.p99)
        )?;
        write!(f, "{:<14}{:>10}   {rate:.0} events/s", "elapsed", human(self.elapsed))
    }
}

fn human(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

fn milliseconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(in_milliseconds).serialize(serializer)
}

fn milliseconds_of<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    in_milliseconds(*time).serialize(serializer)
}

/// With three decimals: whole microseconds.
fn in_milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut summary = Summary::default();
        summary.measure((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(summary.p50, Some(Duration::from_millis(100)));
        assert_eq!(summary.p99, Some(Duration::from_millis(198)));
        summary.measure(vec![Duration::from_millis(7)]);
        assert_eq!(
            (summary.p50, summary.p99),
            (Some(Duration::from_millis(7)), Some(Duration::from_millis(7)))
        );
        summary.measure(Vec::new());
        assert_eq!((summary.p50, summary.p99), (None, None));
    }

    #[test]
    fn it_reads_well_and_is_plain_json() {
        let mut summary = Summary {
            sent: 120,
            attempts: 131,
            acknowledged: 118,
            given_up: 2,
            ..Summary::default()
        };
        summary.last_failure = Some("answered 503".to_owned());
        summary.elapsed = Duration::from_millis(2500);
        summary.measure(vec![Duration::from_micros(1234)]);
        let text = summary.to_string();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "sent                 120   131 requests",
                "acknowledged         118",
                "duplicates             0",
                "quarantined            0",
                "retried                0",
                "given up               2   answered 503",
                "latency p50       1.2 ms   p99 1.2 ms",
                "elapsed            2.5 s   47 events/s",
            ]
        );
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["givenUp"], 2);
        assert_eq!(json["p99Ms"], 1.234);
        assert_eq!(json["elapsedMs"], 2500.0);
    }
}
