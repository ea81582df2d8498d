//! `POST /webhooks/{source}`: receives a webhook, and answers once it is durable.
//!
//! - `arrival`: lists the delivery, and keeps a refused webhook aside

mod arrival;

use std::borrow::Cow;

use aggregates::{Position, StreamId};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;

use self::arrival::{Arrival, NotTaken};
use super::prelude::*;
use super::problem::POSITION;
use super::server::Cut;
use ledger::content::MAX_BODY;
use ledger::ingest::signature::{Refusal, SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, screen};
use ledger::ingest::{CONTENT_ENCODING, Claims, Ingest, IngestError};
use ledger::{Outcome, Receipt, RecordError};
use secret::Wiped;
use store::clock;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(receive))
}

/// Where a webhook is to be found.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Received {
    /// What became of it.
    #[schema(value_type = documents::WebhookOutcome)]
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
    post, path = "/webhooks/{source}", operation_id = "receiveWebhook", tag = "webhooks",
    params(
        ("source" = String, Path, description = "The sender: `coldmailreseller`, or one of the configured sources."),
        (
            "cmr-x-signature" = String,
            Header,
            description = "HMAC-SHA256 in hexadecimal or base64, over what the source signs; several, as while a key is \
                           changed, in several headers or separated by commas."
        ),
        ("cmr-x-timestamp" = String, Header, description = "When it was sent.")
    ),
    request_body(content = Object, content_type = "application/json", description = "The event, at most 1 MiB; gzip is inflated."),
    security(()),
    responses(
        (
            status = 200, body = Received, description = "It is durable.",
            headers(("Warmledger-Position" = u64, description = "The event's position."))
        ),
        (status = 400, description = "The body ended early, or there is not one `Host` header."),
        (status = 401, description = "The signature is missing, wrong or stale. Told before the body is read where the headers say so."),
        (status = 404, description = "No such source."),
        (status = 408, description = "The body did not arrive within 10 s."),
        (status = 413, description = "Over 1 MiB, as it comes or inflated."),
        (status = 415, description = "Authentic and not JSON, or compressed with something else than gzip."),
        (status = 500, description = "It could not be recorded; the service's log says why."),
        (status = 503, description = "The queue is full, too many bytes are under way, the store is away, or this process lacks a master \
                           key; see `Retry-After`.")
    )
)]
async fn receive(
    State(app): State<Arc<App>>,
    Path(source): Path<String>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let (parts, body) = request.into_parts();
    let ingest = app
        .ingests
        .get(&source)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no source of this name is configured"))?;
    let arrival = Arrival::new(&app, ingest, &parts);
    match take(ingest, &parts.headers, body, &arrival).await {
        Ok((receipt, claims)) => {
            arrival.list(
                receipt.outcome.into(),
                None,
                StatusCode::OK,
                Some(receipt.position),
                claims,
            );
            count(match receipt.outcome {
                Outcome::Recorded => "recorded",
                Outcome::Duplicate => "duplicate",
                Outcome::Quarantined => "quarantined",
            });
            let position = [(POSITION, HeaderValue::from(receipt.position.0))];
            let received = Received {
                status: receipt.outcome,
                position: receipt.position,
                stream: receipt.stream,
            };
            Ok((position, Json(received)))
        }
        Err(refused) => Err(arrival.refuse(refused).await),
    }
}

/// Takes a webhook, or says why not. Of a quarantined one also what it claims to be about.
async fn take(
    ingest: &Ingest,
    headers: &HeaderMap,
    body: Body,
    arrival: &Arrival<'_>,
) -> Result<(Receipt, Claims), NotTaken> {
    let source = ingest.source().as_str();
    let signatures = signatures(headers);
    let header = |name: &str| match name {
        SIGNATURE_HEADER => signatures.as_deref(),
        _ => headers.get(name).and_then(|value| value.to_str().ok()),
    };
    // without a signature the body is not read
    let screened = screen(header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER));
    let screened = screened.map_err(|refusal| refusal_of(source, refusal.into()))?;
    let age = ingest.check_age(&screened, clock::now());
    if let Err(stale) = &age
        && !(stale.may_pass_later() && arrival.may_keep())
    {
        return Err(refusal_of(source, (*stale).into()));
    }
    if let Some(coding) = header(CONTENT_ENCODING).filter(|coding| !is_taken(coding)) {
        let detail = format!("a body that is compressed with {coding:.40} is not taken; send gzip, or none");
        let problem = unusable(source, StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
        return Err(NotTaken::new("contentEncoding", problem));
    }
    let body = match read(body).await {
        Ok(body) => body,
        Err(problem) if problem.is(StatusCode::PAYLOAD_TOO_LARGE) => {
            let problem = unusable(source, StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB");
            return Err(NotTaken::new("tooLarge", problem));
        }
        Err(problem) => {
            count("interrupted");
            return Err(NotTaken::new("interrupted", problem));
        }
    };
    let authenticated = ingest.authenticate(&screened, &body);
    if let Err(stale) = age {
        let scheme = match &authenticated {
            Ok(_) => Some(ingest.scheme()),
            Err(error) => would_match(error),
        };
        drop(authenticated);
        return Err(refusal_of(source, stale.into()).of(header, body, scheme));
    }
    let authentic = match authenticated {
        Ok(authentic) => authentic,
        Err(error) => {
            let scheme = would_match(&error);
            return Err(refusal_of(source, error).of(header, body, scheme));
        }
    };
    if let Some(kind) = header(header::CONTENT_TYPE.as_str()).filter(|kind| !is_json(kind)) {
        let detail =
            format!("the signature is right, but the content type is {kind:.80}; it has to be application/json");
        let problem = unusable(source, StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
        drop(authentic);
        return Err(NotTaken::new("contentType", problem).of(header, body, Some(ingest.scheme())));
    }
    let receipt = ingest.record_authentic(header, authentic).await;
    let receipt = receipt.map_err(|error| refusal_of(source, error))?;
    let claims = match receipt.outcome {
        Outcome::Quarantined => Claims::of(&body),
        Outcome::Recorded | Outcome::Duplicate => Claims::default(),
    };
    Ok((receipt, claims))
}

/// Counts a webhook by its outcome.
fn count(outcome: &'static str) {
    metrics::counter!("warmledger_webhooks_total", "outcome" => outcome).increment(1);
}

/// Every signature header, joined by commas.
fn signatures(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut values = headers
        .get_all(SIGNATURE_HEADER)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let first = values.next()?;
    let all = values.fold(Cow::Borrowed(first), |all, value| Cow::Owned(format!("{all},{value}")));
    Some(all)
}

/// The whole body, copied as it arrives, since kept frames would keep their buffers alive. A body up to twice the limit
/// is read to its end, so that its sender is still there for the answer.
async fn read(mut body: Body) -> Result<Wiped<Vec<u8>>, Problem> {
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // announced bytes allocate no memory
    let mut bytes = Wiped::new(Vec::with_capacity(told.min(16 * 1024)));
    let mut length = if told > 2 * MAX_BODY { told } else { 0 };
    while length <= 2 * MAX_BODY
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| match error.into_inner().downcast::<Cut>() {
            Ok(cut) => Problem::from(*cut),
            Err(_) => Problem::new(StatusCode::BAD_REQUEST, "the body could not be read to its end"),
        })?;
        let data = frame.into_data().unwrap_or_default();
        length += data.len();
        if length <= MAX_BODY {
            bytes.extend_from_slice(&data);
        }
    }
    if length > MAX_BODY {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 1 MiB",
        ));
    }
    Ok(bytes)
}

/// Whether a content coding is supported. The body itself shows whether it is compressed.
fn is_taken(coding: &str) -> bool {
    let known = ["gzip", "x-gzip", "identity", ""];
    known.iter().any(|known| coding.trim().eq_ignore_ascii_case(known))
}

/// Whether a content type is JSON, or absent.
fn is_json(content_type: &str) -> bool {
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match kind.split_once('/') {
        Some((_, "json")) => true,
        Some((kind, sub)) => !kind.is_empty() && sub.len() > 5 && sub.ends_with("+json"),
        None => kind.is_empty(),
    }
}

/// A webhook refused for its form, not its sender: counted, and explained in the log.
fn unusable(source: &str, status: StatusCode, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    count("unusable");
    tracing::warn!(source, status = status.as_u16(), detail, "a webhook is refused");
    Problem::new(status, detail).told()
}

/// Why a webhook was not taken.
fn refusal_of(source: &str, error: IngestError) -> NotTaken {
    match error {
        IngestError::Refused(refusal) => {
            count("refused");
            tracing::warn!(source, %refusal, "a webhook is not authentic");
            let problem = Problem::new(StatusCode::UNAUTHORIZED, refusal.to_string()).told();
            NotTaken::new(refusal.cause(), problem)
        }
        IngestError::TooLong(error) => {
            let problem = unusable(source, StatusCode::PAYLOAD_TOO_LARGE, error.to_string());
            NotTaken::new("tooLarge", problem)
        }
        IngestError::Record(error) => {
            count("unavailable");
            match error {
                RecordError::QueueFull | RecordError::Contended => {
                    let problem = Problem::unavailable("too many webhooks are waiting; send it again later");
                    NotTaken::new("queueFull", problem.retry_after(1))
                }
                RecordError::Closed => {
                    let problem = Problem::unavailable("the service is shutting down; send it again later");
                    NotTaken::new("shuttingDown", problem)
                }
                RecordError::Store(error) if error.is_transient() => {
                    let problem = Problem::unavailable("the store is not available; send it again later");
                    NotTaken::new("storeAway", problem)
                }
                error if error.lacks_key() => {
                    // logged once already
                    let problem = Problem::unavailable(
                        "a master key is missing in this process, as /readyz tells; send it again later",
                    );
                    NotTaken::new("noMasterKey", problem)
                }
                error => {
                    tracing::error!(source, %error, "a webhook could not be recorded");
                    let detail =
                        "the webhook could not be recorded; nothing of it was kept; the service's log says why";
                    NotTaken::new("failed", Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
                }
            }
        }
    }
}

/// The scheme under which a signature that is refused would match.
fn would_match(error: &IngestError) -> Option<Scheme> {
    match error {
        IngestError::Refused(Refusal::Mismatch { would_match }) => *would_match,
        _ => None,
    }
}
