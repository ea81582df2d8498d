//! The HTTP side. One file a resource: router, types and handlers, top to bottom.
//!
//! Layout
//! - `webhooks`: receives webhooks, has them recorded, and answers
//! - `orders`, `timeline`, `domains`, `mailboxes`, `renewals`, `failures`: views of the projections
//! - `search`: everything of an e-mail address
//! - `diff`: what changed between two moments, and by which events
//! - `documents`: schemas for the types of lower layers, for the API document
//! - `reveal`: handing out credentials
//! - `access`: the access log; `deliveries`: what came and how it was answered
//! - `tokens`: API tokens
//! - `subjects`: erasing users, and legal holds
//! - `evidence`: the webhook that an event was made of
//! - `events`, `stream`: the feed of all events, by page and as server-sent events
//! - `customers`: each customer, with what they have
//! - `consumers`: the feed's consumers and their checkpoints
//! - `checkpoints`, `tiles`, `proofs`: proofs that the log was not changed
//! - `rows`: the rows of every projection, by any of their columns
//! - `projections`, `parked`, `health`: for operators
//! - `openapi`: the OpenAPI document
//! - `addressed`, `auth`, `erased`, `extract`, `list`, `prelude`, `problem`, `reading`, `related`, `wanted`: shared by the
//!   resources
//! - `accept`: the `Accept` header
//! - `watch`: request ids, logging, metrics and response headers
//! - `server`: connections, within their limits

mod accept;
mod access;
mod addressed;
mod auth;
mod checkpoints;
mod consumers;
mod customers;
mod deliveries;
mod diff;
mod documents;
mod domains;
mod erased;
mod events;
mod evidence;
mod extract;
mod failures;
mod health;
mod list;
mod mailboxes;
mod openapi;
mod orders;
mod parked;
mod prelude;
mod problem;
mod projections;
mod proofs;
mod reading;
mod related;
mod renewals;
mod reveal;
mod rows;
mod search;
mod server;
mod stream;
mod subjects;
mod tiles;
mod timeline;
mod tokens;
mod wanted;
mod watch;
mod webhooks;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aggregates::{ActorId, Position};
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::{Extension, Router};
use tokio::sync::watch::Receiver;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use accept::Offers;
pub(crate) use extract::range_of_words;
pub use health::Probe;
pub use problem::Problem;
pub use server::{Limits, Peer, serve};
pub(crate) use subjects::Subject;
pub(crate) use tokens::Token;

use crate::access::{Journal, Limiter, Tokens, TrustedProxies, UnderWay};
use crate::alerts::Alerts;
use crate::deliveries::Recorder;
use crate::metrics::Metrics;
use crate::processes::Comparison;
use ledger::erasure::Erasures;
use ledger::ingest::Ingest;
use ledger::refused::Keeper;
use ledger::{Ledger, Reader};
use runner::{LiveRunner, Snapshots};
use store::{Duty, Store};

/// State shared by the handlers.
pub struct App {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Opens sealed sections.
    pub reader: Reader,
    /// The ledger's writer.
    pub ledger: Ledger,
    /// Receives webhooks, by the name of the source.
    pub ingests: BTreeMap<String, Ingest>,
    /// Lists deliveries.
    pub deliveries: Recorder,
    /// Keeps refused webhooks aside.
    pub keeper: Arc<Keeper>,
    /// How many are being kept at once.
    pub keeping: Semaphore,
    /// Erases, holds and releases subjects.
    pub erasures: Erasures,
    /// The head of the log, as far as this process knows.
    pub head: Receiver<Position>,
    /// How long an event stream may be silent.
    pub heartbeat: Duration,
    /// How many named consumers one token may have.
    pub consumers_per_token: NonZeroU32,
    /// Lock held while a named consumer is created.
    pub consumers: Mutex<()>,
    /// The projections' runner.
    pub live: LiveRunner,
    /// Rows as of earlier moments.
    pub snapshots: Snapshots,
    /// Limits how many moments one token may have folded.
    pub moments: Limiter<ActorId>,
    /// Looks up tokens.
    pub tokens: Arc<Tokens>,
    /// Records accesses in the log.
    pub journal: Journal,
    /// The proxies whose forwarding headers are trusted.
    pub proxies: Arc<TrustedProxies>,
    /// The open event streams of each token.
    pub streams: UnderWay<ActorId>,
    /// Room for event streams of all tokens together.
    pub stream_room: Arc<Semaphore>,
    /// Limits how many mailboxes' credentials one token may reveal.
    pub reveals: Limiter<ActorId>,
    /// Each token's calls in progress.
    pub calls: UnderWay<ActorId>,
    /// How far a projection may lag before the service is not ready.
    pub lag_limit: Duration,
    /// Whether the service is ready while rows of a projection are parked.
    pub ready_with_parked: bool,
    /// Whether the store takes writes, as last probed.
    pub probe: Probe,
    /// Why no checkpoint is signed, if so.
    pub barred: Receiver<Option<String>>,
    /// Why erasures by other processes do not enter this process's journal, if so.
    pub erasures_not_followed: Receiver<Option<String>>,
    /// The leases of this process and of the others.
    pub comparison: Receiver<Comparison>,
    /// Alerts.
    pub alerts: Receiver<Alerts>,
    /// Duties that no process has held for some seconds.
    pub vacant: Receiver<Vec<Duty>>,
    /// Metrics.
    pub metrics: Metrics,
    /// Cancelled when the service stops.
    pub shutdown: CancellationToken,
    /// Work that outlives its request; the service waits for it when it stops.
    pub tasks: TaskTracker,
}

/// The routes with their document; `guard` wraps the API's routes.
fn routes(
    guard: impl FnOnce(OpenApiRouter<Arc<App>>) -> OpenApiRouter<Arc<App>>,
) -> (Router<Arc<App>>, utoipa::openapi::OpenApi) {
    let api = OpenApiRouter::new()
        .merge(orders::router())
        .merge(timeline::router())
        .merge(domains::router())
        .merge(mailboxes::router())
        .merge(customers::router())
        .merge(renewals::router())
        .merge(failures::router())
        .merge(search::router())
        .merge(reveal::router())
        .merge(access::router())
        .merge(deliveries::router())
        .merge(tokens::router())
        .merge(subjects::router())
        .merge(evidence::router())
        .merge(events::router())
        .merge(stream::router())
        .merge(consumers::router())
        .merge(projections::router())
        .merge(diff::router())
        .merge(parked::router())
        .merge(rows::router())
        .merge(checkpoints::router())
        .merge(proofs::router());
    let (router, mut document) = OpenApiRouter::with_openapi(openapi::base())
        .merge(openapi::router())
        .merge(webhooks::router())
        .merge(guard(api))
        .merge(checkpoints::log_router())
        .merge(tiles::router())
        .merge(health::router())
        .split_for_parts();
    openapi::complete(&mut document);
    (router, document)
}

/// The OpenAPI document as JSON, as `/openapi.json` answers it.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn document() -> serde_json::Result<Vec<u8>> {
    written(routes(|api| api).1)
}

fn written(mut document: utoipa::openapi::OpenApi) -> serde_json::Result<Vec<u8>> {
    openapi::name_rests(&mut document);
    serde_json::to_vec(&document)
}

/// The service's routes.
///
/// # Errors
/// If their document cannot be written as JSON.
pub fn router(app: App) -> serde_json::Result<Router> {
    let app = Arc::new(app);
    let guard = from_fn_with_state(Arc::clone(&app), auth::answer_while_good);
    let (router, document) = routes(|api| api.layer(guard));
    let proxies = Arc::clone(&app.proxies);
    let offers = Arc::new(Offers::of(&document));
    let document = openapi::Document(Bytes::from(written(document)?));
    Ok(router
        .fallback(no_such_path)
        .method_not_allowed_fallback(other_method)
        // one layer of all: each layer costs one more boxed service per request
        .layer((
            from_fn(move |request: Request, next: Next| {
                let (proxies, offers) = (Arc::clone(&proxies), Arc::clone(&offers));
                async move { watch::watch(&proxies, &offers, request, next).await }
            }),
            CatchPanicLayer::custom(watch::panicked),
            Extension(document),
        ))
        .with_state(app))
}

/// Answers until the database is available. One answer a connection, so that the next one reaches the service.
pub fn waiting_router() -> Router {
    let one_only = from_fn(async |request: Request, next: Next| {
        let mut response = next.run(request).await;
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        response
    });
    let router: Router = health::alone().into();
    router
        .fallback(async || Problem::unavailable("waiting for the database, or the transit engine of the master keys"))
        .layer(one_only)
}

async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing at this path; GET /openapi.json lists what there is")
}

async fn other_method() -> Problem {
    let detail = "this path does not take this method; the Allow header lists those that it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
