//! Alerts, while requests may still be answered: a trigger, a key or a table of the ledger is missing or disabled, a
//! view was redefined, or a clock was wrong. Each is logged when it starts and ends, counted in `/metrics`, and listed
//! by `/readyz`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::Position;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use store::clock;
use store::{Store, StoreError};

/// Between two checks.
const PAUSE: Duration = Duration::from_secs(10);
/// A generation's table may be created or dropped during a check: a fault counts if it persists after this.
const SETTLING: Duration = Duration::from_millis(500);
/// How long a jump of this host's clock is reported.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// The current alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Faults that break the ledger's guarantees: with one, the service is not ready.
    pub grave: BTreeSet<String>,
    /// The rest.
    pub others: BTreeSet<String>,
}

impl Alerts {
    fn all(&self) -> BTreeSet<&String> {
        self.grave.iter().chain(&self.others).collect()
    }
}

/// Checks for alerts.
pub struct AlertWatch {
    store: Arc<dyn Store>,
    alerts: watch::Sender<Alerts>,
    /// The host's clock and the monotonic clock at the last check.
    looked: (Timestamp, Instant),
    /// When the clock last jumped, and the alert about it.
    jumped: Option<(Instant, String)>,
}

impl AlertWatch {
    /// Runs the first check.
    pub async fn begin(store: Arc<dyn Store>) -> Self {
        let mut begun = Self {
            store,
            alerts: watch::Sender::default(),
            looked: (clock::now(), Instant::now()),
            jumped: None,
        };
        begun.try_look().await;
        begun
    }

    async fn try_look(&mut self) {
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "triggers, tables and clocks could not be looked at");
        }
    }

    /// The alerts of the last check.
    pub fn alerts(&self) -> watch::Receiver<Alerts> {
        self.alerts.subscribe()
    }

    /// Checks repeatedly until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(sleep(PAUSE)).await.is_some() {
            shutdown.run_until_cancelled(self.try_look()).await;
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let mut alerts = Alerts::default();
        self.schema(&mut alerts).await?;
        self.clocks(&mut alerts).await?;
        self.alerts.send_if_modified(|before| {
            for alert in alerts.all().difference(&before.all()) {
                tracing::error!(
                    alert,
                    "something is wrong with the ledger; `warmledger verify` tells more"
                );
            }
            for alert in before.all().difference(&alerts.all()) {
                tracing::info!(alert, "this is over");
            }
            let changed = *before != alerts;
            *before = alerts;
            changed
        });
        Ok(())
    }

    async fn schema(&self, alerts: &mut Alerts) -> Result<(), StoreError> {
        let mut checked = self.store.check_schema().await?;
        if !checked.faults.is_empty() {
            sleep(SETTLING).await;
            let again = self.store.check_schema().await?;
            checked.faults.retain(|fault| again.faults.contains(fault));
        }
        metrics::gauge!("warmledger_schema_faults").set(checked.faults.len() as f64);
        for fault in checked.faults {
            let kind = if fault.is_grave() {
                &mut alerts.grave
            } else {
                &mut alerts.others
            };
            kind.insert(fault.to_string());
        }
        Ok(())
    }

    async fn clocks(&mut self, alerts: &mut Alerts) -> Result<(), StoreError> {
        let head = self.store.head().await?;
        let (now, running) = (clock::now(), Instant::now());
        let step = self.store.clock_steps(Position(u64::MAX), 1).await?.pop();
        if clock::is_ahead(head.recorded_at, now) {
            alerts.others.insert(format!(
                "the newest event is stamped {}, which is still to come: a clock ran ahead, or this host's is behind",
                head.recorded_at
            ));
        }
        if let Some(step) = step.filter(|step| clock::is_ahead(step.from, now)) {
            alerts.others.insert(step.to_string());
        }
        let latest = step.map_or(head.recorded_at, |step| step.from.max(head.recorded_at));
        let ahead = latest.duration_since(now).as_secs_f64().max(0.0);
        metrics::gauge!("warmledger_clock_ahead_seconds").set(ahead);
        // the time that this host's clock should show, by the monotonic clock
        let passed = SignedDuration::try_from(running.duration_since(self.looked.1)).unwrap_or_default();
        let jump = now.duration_since(self.looked.0).saturating_sub(passed);
        if jump.abs() > clock::TOLERANCE {
            let told = format!(
                "this host's clock was set by {:+} s, from about {}",
                jump.as_secs(),
                self.looked.0
            );
            self.jumped = Some((running, told));
        }
        self.looked = (now, running);
        let recent = self.jumped.as_ref().filter(|(at, _)| at.elapsed() < REMEMBERED);
        alerts.others.extend(recent.map(|(_, told)| told.clone()));
        Ok(())
    }
}
