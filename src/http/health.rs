//! `/healthz`, `/readyz`, `/metrics`: for operators. They need no token: no answer names a customer.

use super::prelude::*;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axum::http::header;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::duties;
use crate::feed::{self, ConsumerStatus};
use runner::Health;
use store::{Duty, Store, StoreError};

/// The most complaints that are listed.
const NAMED: usize = 5;
/// Time-out for the store's answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// Answers without a store.
pub(super) fn alone() -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(healthz))
}

/// The process is up.
#[derive(Serialize, utoipa::ToSchema)]
struct Up {
    /// `up`
    status: &'static str,
}

/// The service is ready.
#[derive(Serialize, utoipa::ToSchema)]
struct Ready {
    /// `ready`
    status: &'static str,
    /// The projections with parked rows; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    parked: Vec<&'static str>,
    /// What is missing in this process that another one on the same ledger has, in words; left out if nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    differences: Vec<String>,
    /// What somebody has to look at all the same: a view that says something else, an index that is missing, a clock that ran ahead,
    /// checkpoints that are not signed.
    /// Left out if there is nothing.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(required = false)]
    alerts: BTreeSet<String>,
}

/// Whether the process is up.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "health",
    responses((status = 200, body = Up, description = "It is."))
)]
async fn healthz() -> Json<Up> {
    Json(Up { status: "up" })
}

/// Whether the service can do its work: a webhook that came in now would be recorded, and every projection keeps up. What
/// somebody should look at meanwhile stands in `alerts`.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "health",
    responses(
        (status = 200, body = Ready, description = "It is ready."),
        (status = 503, description = "The store is away or takes no writes, or this process does not have the current master key, or webhooks could not be recorded a moment ago, or no process folds the projections, or a table, a key or a trigger of the database is missing or disabled, or a projection \
                           fails, lags beyond its limit, or, unless the setting `ready_with_parked` allows it, has parked rows; \
                           the detail says which.")
    )
)]
async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Ready>, Problem> {
    let health = ready(&app).await.map_err(Problem::unavailable)?;
    let comparison = app.comparison.borrow().clone();
    let parked = health.iter().filter(|projection| projection.parked > 0);
    Ok(Json(Ready {
        status: "ready",
        parked: parked.map(|projection| projection.name).collect(),
        differences: comparison.differences.into_iter().map(|one| one.detail).collect(),
        alerts: alerts(&app),
    }))
}

/// The projections' health, or why the service is not ready.
async fn ready(app: &App) -> Result<Vec<Health>, String> {
    if !app.ledger.is_running() {
        return Err("the ledger takes no webhooks; the log says why".to_owned());
    }
    app.probe.check(&*app.store).await?;
    if let Some(ago) = app.ledger.failed() {
        let ago = ago.as_secs();
        return Err(format!("webhooks could not be recorded {ago} s ago; the log says why"));
    }
    if let Some(cause) = app.comparison.borrow().barred.clone() {
        return Err(cause);
    }
    let alerts = app.alerts.borrow().clone();
    if !alerts.grave.is_empty() {
        let named: Vec<&str> = alerts.grave.iter().take(NAMED).map(String::as_str).collect();
        let more = match alerts.grave.len() - named.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        return Err(format!(
            "the database is not as the ledger made it: {}{more}; `warmledger verify` tells how to make it so again",
            named.join("; ")
        ));
    }
    let health = health(app).await.ok_or(AWAY)?;
    let complaints: Vec<String> = health
        .iter()
        .filter_map(|projection| {
            let Health {
                name,
                lag,
                waiting,
                parked,
                ..
            } = projection;
            if projection.failing {
                Some(format!("{name} cannot fold an event"))
            } else if *waiting > app.lag_limit {
                Some(format!("{name} is {lag} events and {} s behind", waiting.as_secs()))
            } else if *parked > 0 && !app.ready_with_parked {
                Some(format!("{name} has {parked} parked rows"))
            } else {
                None
            }
        })
        .collect();
    // other vacant duties are alerts: webhooks are recorded all the same
    if app.vacant.borrow().contains(&Duty::Projections) {
        let work = duties::work(Duty::Projections);
        return Err(format!("no process {work}"));
    }
    match complaints.is_empty() {
        true => Ok(health),
        false => Err(format!("projections: {}", complaints.join("; "))),
    }
}

/// Alerts, while webhooks are recorded.
fn alerts(app: &App) -> BTreeSet<String> {
    let mut alerts = app.alerts.borrow().others.clone();
    let barred = app.barred.borrow().clone();
    alerts.extend(barred.map(|cause| format!("no checkpoints are signed: {cause}")));
    let not_followed = app.erasures_not_followed.borrow().clone();
    alerts.extend(not_followed.map(|cause| {
        format!("erasures of other processes do not enter this one's erasure journal, or cannot be read: {cause}")
    }));
    alerts
}

const AWAY: &str = "the store is not available";

/// Whether the store takes writes. Probed at most once a second for all callers.
#[derive(Default)]
pub struct Probe(Mutex<Option<(Instant, Result<(), &'static str>)>>);

impl Probe {
    /// Between two probes.
    const PAUSE: Duration = Duration::from_secs(1);

    async fn check(&self, store: &dyn Store) -> Result<(), &'static str> {
        let mut last = self.0.lock().await;
        match *last {
            Some((at, found)) if at.elapsed() < Self::PAUSE => found,
            _ => {
                let found = Self::ask(store).await;
                *last = Some((Instant::now(), found));
                found
            }
        }
    }

    async fn ask(store: &dyn Store) -> Result<(), &'static str> {
        match timeout(PATIENCE, store.probe()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store takes no writes");
                Err(match error {
                    StoreError::ReadOnly(_) => "the database takes no writes: it is a standby, or was set read-only",
                    error if error.takes_no_writes() => "the database's role may not write; the log says where",
                    error if error.is_transient() => AWAY,
                    _ => "the database refuses writes; the log says why",
                })
            }
            Err(_) => {
                tracing::warn!("the store did not take a write within {} s", PATIENCE.as_secs());
                Err(AWAY)
            }
        }
    }
}

/// The projections' health; none, and logged, if the store does not answer in time.
async fn health(app: &App) -> Option<Vec<Health>> {
    in_time(app.live.health()).await
}

/// The status of the feed's consumers; none, and logged, if the store does not answer in time.
async fn consumers(app: &App) -> Option<(Vec<ConsumerStatus>, usize)> {
    in_time(feed::furthest_behind(&*app.store)).await
}

/// The store's answer; none, and logged, if it fails or does not come in time.
async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store did not answer");
            None
        }
        Err(_) => {
            tracing::warn!("the store did not answer within {} s", PATIENCE.as_secs());
            None
        }
    }
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses((status = 200, body = String, content_type = "text/plain", description = "All metrics."))
)]
async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let ready = app.probe.check(&*app.store).await.is_ok() && app.ledger.is_running() && app.ledger.failed().is_none();
    metrics::gauge!("warmledger_takes_webhooks").set(if ready { 1.0 } else { 0.0 });
    metrics::gauge!("warmledger_alerts").set(alerts(&app).len() as f64);
    metrics::gauge!("warmledger_queue_room").set(app.ledger.room() as f64);
    metrics::gauge!("warmledger_head_position").set(app.ledger.tail().borrow().0 as f64);
    for projection in health(&app).await.into_iter().flatten() {
        let seconds = metrics::gauge!("warmledger_projection_lag_seconds", "projection" => projection.name);
        seconds.set(projection.waiting.as_secs_f64());
        metrics::gauge!("warmledger_projection_lag_events", "projection" => projection.name).set(projection.lag as f64);
        metrics::gauge!("warmledger_projection_parked", "projection" => projection.name).set(projection.parked as f64);
    }
    let (consumers, count) = consumers(&app).await.unwrap_or_default();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.metrics.render() + &feed::prometheus_text(&consumers, count))
}
