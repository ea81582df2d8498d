//! `/healthz`, `/readyz`, `/metrics`: for whoever keeps the service running. No token needed: nothing here names a
//! customer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, Problem};
use crate::checkpoints::ADVICE;
use crate::duties;
use crate::feed::{self, ConsumerStatus};
use crate::runner::Health;
use crate::store::{Duty, StoreError};

/// So many things that are wrong are named.
const NAMED: usize = 5;
/// A store that takes longer to tell how it is doing counts as away.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
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
    /// The projections of which rows stand still; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    parked: Vec<&'static str>,
    /// What is missing in this process that another one on the same ledger has, in words; left out if nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    differences: Vec<String>,
    /// What somebody has to look at all the same: a view that says something else, an index that is missing, a clock that ran ahead.
    /// Left out if there is nothing.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(required = false)]
    alerts: BTreeSet<String>,
}

/// Whether the process is up.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "health",
    responses((status = 200, body = Up, description = "It is."))
)]
async fn healthz() -> Json<Up> {
    Json(Up { status: "up" })
}

/// Whether the service can do its work: the store answers, the current master key is here, the log extends what was signed, and every projection keeps up.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    responses(
        (status = 200, body = Ready, description = "It is ready."),
        (
            status = 503,
            body = Problem,
            content_type = "application/problem+json",
            description = "The store is away, or this process does not have the current master key, or no process folds the projections, or the log is not the one that was signed, as one that was rolled back, or a table, a key \
                           or a trigger of it is missing or disabled, or a projection fails, lags beyond its limit, or, unless the setting `ready_with_parked` allows \
                           it, has parked rows; the detail says which."
        )
    )
)]
async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Ready>, Problem> {
    if !app.ledger.is_running() {
        return Err(Problem::unavailable("the ledger takes no webhooks; the log says why"));
    }
    if let Some(cause) = app.barred.borrow().clone() {
        return Err(Problem::unavailable(format!(
            "no checkpoints are signed: {cause}; {ADVICE}"
        )));
    }
    let standing = app.standing.borrow().clone();
    if let Some(cause) = standing.barred {
        return Err(Problem::unavailable(cause));
    }
    let alerts = app.alerts.borrow().clone();
    if !alerts.grave.is_empty() {
        let named: Vec<&str> = alerts.grave.iter().take(NAMED).map(String::as_str).collect();
        let more = match alerts.grave.len() - named.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        return Err(Problem::unavailable(format!(
            "the database is not as the ledger made it: {}{more}; `warmledger verify` tells how to make it so again",
            named.join("; ")
        )));
    }
    let health = health(&app)
        .await
        .ok_or_else(|| Problem::unavailable("the store is not available"))?;
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
    // what else nobody does is an alert: webhooks are taken all the same
    if app.vacant.borrow().contains(&Duty::Projections) {
        let work = duties::work(Duty::Projections);
        return Err(Problem::unavailable(format!("no process {work}")));
    }
    if !complaints.is_empty() {
        return Err(Problem::unavailable(format!("projections: {}", complaints.join("; "))));
    }
    let parked = health.iter().filter(|projection| projection.parked > 0);
    Ok(Json(Ready {
        status: "ready",
        parked: parked.map(|projection| projection.name).collect(),
        differences: standing.differences.into_iter().map(|one| one.detail).collect(),
        alerts: alerts.others,
    }))
}

/// How the projections are doing; none, and logged, if the store does not tell in time.
async fn health(app: &App) -> Option<Vec<Health>> {
    in_time(async {
        app.store.ping().await?;
        app.live.health().await
    })
    .await
}

/// How the feed's consumers are doing; none, and logged, if the store does not tell in time.
async fn consumers(app: &App) -> Option<(Vec<ConsumerStatus>, usize)> {
    in_time(feed::furthest_behind(&*app.store)).await
}

/// What the store answers; none, and logged, if it does not in time.
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
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "health",
    responses((status = 200, body = String, content_type = "text/plain", description = "All metrics."))
)]
async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
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
