//! For every request: its id, one log line, its metrics, the headers of every answer; and the answer when a handler
//! panics.
//!
//! The route's pattern is logged, never the path or the query, which may hold ids and tokens.

use std::any::Any;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::Label;
use tracing::Instrument;

use super::accept::Offers;
use super::problem::Logged;
use super::server::{Fate, Peer};
use super::{Problem, auth};
use crate::access::TrustedProxies;

/// The request id: the caller's, if valid, or a new one. Sent back with every response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id accepted from a caller.
const MAX_ID: usize = 128;

/// Browsers use HTTPS for a year (RFC 6797).
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The request id, for a handler: visible ASCII, of 128 characters at most.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// Wraps a request.
pub(super) async fn watch(proxies: &TrustedProxies, offers: &Offers, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let text = id.to_str().unwrap_or_default().to_owned();
    request.extensions_mut().insert(RequestId(text));
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let peer = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map(|ConnectInfo(peer)| peer.0.ip());
    let https = peer.is_some_and(|peer| proxies.say_https(peer, |name| auth::joined(request.headers(), name)));
    let fate = request.extensions().get::<Fate>().cloned();
    let refused = has_one_host(&request).and_then(|()| offers.refuse(&request).map_or(Ok(()), Err));
    let mut response = match refused {
        Ok(()) => next.run(request).instrument(span.clone()).await,
        Err(problem) => problem.into_response(),
    };
    // a cut body overrides the handler's answer
    if let Some(cut) = fate.and_then(|fate| fate.cut()) {
        response = Problem::from(cut).into_response();
    }
    let (status, latency) = (response.status().as_u16(), started.elapsed());
    let latency_ms = latency.as_secs_f64() * 1000.0;
    span.in_scope(|| match status {
        500.. => tracing::warn!(status, latency_ms, "answered"),
        400.. if response.extensions().get::<Logged>().is_none() => tracing::info!(status, latency_ms, "answered"),
        _ => tracing::debug!(status, latency_ms, "answered"),
    });
    let labels = vec![
        Label::new("method", known(&method)),
        Label::new("route", route),
        Label::new("status", status.to_string()),
    ];
    metrics::histogram!("warmledger_http_request_duration_seconds", labels).record(latency);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // answers hold names and addresses: nothing on the way may cache them, unless the answer allows it
    let no_store = || HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert_with(no_store);
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}

/// Checks that a request has one Host header (RFC 9112 §3.2): with more, two programs on the way may route it to
/// different hosts.
fn has_one_host(request: &Request) -> Result<(), Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    match (request.version(), hosts) {
        (_, 1) | (Version::HTTP_09 | Version::HTTP_10, 0) => Ok(()),
        (_, 0) => Err(Problem::bad_request("the Host header is missing")),
        _ => Err(Problem::bad_request("there is more than one Host header")),
    }
}

fn request_id(request: &Request) -> HeaderValue {
    let own = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        !bytes.is_empty() && bytes.len() <= MAX_ID && bytes.iter().all(u8::is_ascii_graphic)
    };
    let fresh = || {
        let id = hex::encode(rand::random::<[u8; 12]>());
        // hexadecimal digits are always a valid header value
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    };
    request
        .headers()
        .get(REQUEST_ID)
        .filter(own)
        .cloned()
        .unwrap_or_else(fresh)
}

/// A known method's name. A method may be any word, so others would create metrics without bound.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The answer when a handler panicked. The panic's message stays in the log: it may hold anything.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::Service;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    async fn call(id: &str) -> Response {
        async fn panics() -> &'static str {
            panic!("a secret in a panic")
        }
        let mut router = Router::new()
            .route("/", get(panics))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(|request: Request, next: Next| async move {
                watch(&TrustedProxies::default(), &Offers::default(), request, next).await
            }));
        let request = Request::get("/").header(REQUEST_ID, id).header("host", "x");
        router.call(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_without_its_words() {
        let response = call("caller-1").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()[REQUEST_ID], "caller-1");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn an_id_that_makes_no_sense_is_replaced() {
        for bad in ["", "a b", &"x".repeat(129)] {
            let id = call(bad).await.headers()[REQUEST_ID].clone();
            assert_eq!(id.len(), 24, "{bad:?}");
        }
    }
}
