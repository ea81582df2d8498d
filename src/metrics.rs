//! Metrics in Prometheus' text format.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often measurements are aggregated.
const ADDED_UP: Duration = Duration::from_secs(5);

/// The process's metrics; clones share them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder for the whole process, once.
    ///
    /// # Errors
    /// If one is installed already, or the buckets are invalid.
    pub fn install() -> anyhow::Result<Self> {
        let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
            .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &sizes)?
            .install_recorder()?;
        Ok(Self(handle))
    }

    /// Metrics without a global recorder: for tests that start several services in one process.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Aggregates measurements until `shutdown`. The recorder keeps each duration until then, so the memory of a
    /// service whose metrics are never read would grow without bound.
    pub async fn keep_up(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(sleep(ADDED_UP)).await.is_some() {
            self.0.run_upkeep();
        }
    }

    /// All metrics, as text.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_kilobytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        resident.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_takes_no_memory() {
        let recorder = PrometheusBuilder::new().set_buckets(&[1.0]).unwrap().build_recorder();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Metrics(recorder.handle()).keep_up(stop.clone()));
        let histogram = metrics::with_local_recorder(&recorder, || metrics::histogram!("latency"));
        let mut before = None;
        for _ in 0..20 {
            for _ in 0..200_000 {
                histogram.record(0.5);
            }
            sleep(ADDED_UP + Duration::from_secs(1)).await;
            before.get_or_insert_with(resident_kilobytes);
        }
        // 64 MB, if each were kept
        let grown = resident_kilobytes().saturating_sub(before.unwrap());
        assert!(grown < 24_000, "{grown} kB");
        let text = recorder.handle().render();
        assert!(text.contains("latency_count 4000000"), "{text}");
        stop.cancel();
        task.await.unwrap();
    }
}
