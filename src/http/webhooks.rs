//! `POST /webhooks/{source}`: a webhook comes in, and is answered once it is durable.

use std::sync::Arc;
use std::time::Duration;

use aggregates::{Position, StreamId};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use http_body_util::LengthLimitError;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Path;
use super::reading::POSITION;
use super::{App, Problem};
use crate::clock;
use crate::ingest::IngestError;
use crate::ledger::{Outcome, RecordError};

/// The longest body that is taken, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How long a body may take to arrive. A sender that stalls would hold up an orderly stop for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(receive))
}

/// Where a webhook is to be found.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Received {
    /// What became of it.
    status: Outcome,
    /// The event's position; of a duplicate, the first one's.
    #[schema(value_type = u64)]
    position: Position,
    /// The event's stream.
    #[schema(value_type = String)]
    stream: StreamId,
}

/// Takes one of a source's webhooks, and answers once it is durable.
///
/// Whatever is authentic is kept: a repeat is answered as a `duplicate`, one that cannot be used is `quarantined`; both
/// with 200, since sending it again would not help. What was refused or answered with 5xx was not kept and may be sent
/// again: it is recorded once.
#[utoipa::path(
    post,
    path = "/webhooks/{source}",
    operation_id = "receiveWebhook",
    tag = "webhooks",
    params(
        ("source" = String, Path, description = "The sender: `coldmailreseller`, or one of the configured sources."),
        ("cmr-x-signature" = String, Header, description = "HMAC-SHA256 in hexadecimal, over what the source signs."),
        ("cmr-x-timestamp" = String, Header, description = "When it was sent.")
    ),
    request_body(content = Object, content_type = "application/json", description = "The event, at most 1 MiB."),
    security(()),
    responses(
        (
            status = 200,
            body = Received,
            description = "It is durable.",
            headers(("Warmledger-Position" = u64, description = "The event's position."))
        ),
        (
            status = 401,
            body = Problem,
            content_type = "application/problem+json",
            description = "The signature is missing, wrong or stale."
        ),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such source."),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "Over 1 MiB."),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not JSON."),
        (
            status = 503,
            body = Problem,
            content_type = "application/problem+json",
            description = "The queue is full, the store is away or this process lacks a master key; see `Retry-After`."
        )
    )
)]
async fn receive(
    State(app): State<Arc<App>>,
    Path(source): Path<String>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let ingest = app
        .ingests
        .get(&source)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no source of this name is configured"))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if !header(header::CONTENT_TYPE.as_str()).is_some_and(is_json) {
        let detail = "the content type has to be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY))
        .await
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s"))?;
    let body = body.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB")
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "the body could not be read to its end")
        }
    })?;
    match ingest.receive(header, &body, clock::now()).await {
        Ok(receipt) => {
            let label = match receipt.outcome {
                Outcome::Recorded => "recorded",
                Outcome::Duplicate => "duplicate",
                Outcome::Quarantined => "quarantined",
            };
            metrics::counter!("warmledger_webhooks_total", "outcome" => label).increment(1);
            let position = [(POSITION, HeaderValue::from(receipt.position.0))];
            let received = Received {
                status: receipt.outcome,
                position: receipt.position,
                stream: receipt.stream,
            };
            Ok((position, Json(received)))
        }
        Err(error) => Err(refusal(&source, error)),
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || (kind.len() > 5
            && kind.to_ascii_lowercase().starts_with("application/")
            && kind.to_ascii_lowercase().ends_with("+json"))
}

fn refusal(source: &str, error: IngestError) -> Problem {
    match error {
        IngestError::Refused(refusal) => {
            metrics::counter!("warmledger_webhooks_total", "outcome" => "refused").increment(1);
            tracing::warn!(source, %refusal, "a webhook is not authentic");
            Problem::new(StatusCode::UNAUTHORIZED, refusal.to_string())
        }
        IngestError::Record(error) => {
            metrics::counter!("warmledger_webhooks_total", "outcome" => "unavailable").increment(1);
            match error {
                RecordError::QueueFull | RecordError::Contended => {
                    let detail = "too many webhooks are waiting; send it again later";
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
                }
                RecordError::Closed => {
                    let detail = "the service is shutting down; send it again later";
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
                }
                RecordError::Store(error) if error.is_transient() => {
                    let detail = "the store is not available; send it again later";
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
                }
                error if error.lacks_key() => {
                    // the log has it, once
                    let detail = "a master key is missing in this process, as /readyz tells; send it again later";
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
                }
                error => {
                    tracing::error!(source, %error, "a webhook could not be recorded");
                    let detail =
                        "the webhook could not be recorded; nothing of it was kept; the service's log says why";
                    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
                }
            }
        }
    }
}
