//! Every request: its id, one log line, its metrics; and what becomes of a handler that panics.
//!
//! What is logged is the route's pattern, never the path or the query, which may hold ids and tokens.

use std::any::Any;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::Label;
use tracing::Instrument;

use super::Problem;

/// Taken from the caller if it makes sense, and sent back with every response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a caller.
const MAX_ID: usize = 128;

/// Wraps a request.
pub(super) async fn watch(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, latency) = (response.status().as_u16(), started.elapsed());
    let latency_ms = latency.as_secs_f64() * 1000.0;
    span.in_scope(|| match status {
        500.. => tracing::warn!(status, latency_ms, "answered"),
        400.. => tracing::info!(status, latency_ms, "answered"),
        _ => tracing::debug!(status, latency_ms, "answered"),
    });
    let labels = vec![
        Label::new("method", known(&method)),
        Label::new("route", route),
        Label::new("status", status.to_string()),
    ];
    metrics::histogram!("warmledger_http_request_duration_seconds", labels).record(latency);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn request_id(request: &Request) -> HeaderValue {
    let own = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        !bytes.is_empty() && bytes.len() <= MAX_ID && bytes.iter().all(u8::is_ascii_graphic)
    };
    let fresh = || {
        let id = hex::encode(rand::random::<[u8; 12]>());
        // hexadecimal digits are a header's value always
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    };
    request
        .headers()
        .get(REQUEST_ID)
        .filter(own)
        .cloned()
        .unwrap_or_else(fresh)
}

/// A method may be any word: those that are not in use would make metrics without end.
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

/// The answer of a handler that panicked. The panic's own words stay in the log: they may hold anything.
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
            .layer(from_fn(watch));
        let request = Request::get("/").header(REQUEST_ID, id).body(Body::empty()).unwrap();
        router.call(request).await.unwrap()
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
