//! Metrics in Prometheus' text format.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The process's metrics; clones share them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder for the whole process. Once a process.
    ///
    /// # Errors
    /// If one is installed already, or the buckets are refused.
    pub fn install() -> anyhow::Result<Self> {
        let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
            .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &sizes)?
            .install_recorder()?;
        Ok(Self(handle))
    }

    /// Metrics that nobody installed: for tests that start several services in one process.
    pub fn detached() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// All metrics, as text.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}
