//! `/api/v1/events/{position}/evidence`: the exact webhook behind an event, and whether its signature verifies today.

use aggregates::{AccessFacts, Action, Position, Refusal};
use axum::response::Response;

use super::auth::{Audit, Scope, refused, require, require_private};
use super::prelude::*;
use super::reveal;
use crate::access::{self, Reason};
use ledger::OpenError;
use ledger::evidence::{self, Evidence, EvidenceError, Finding};
use secret::Wiped;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(open))
}

/// Why it is opened.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EvidenceRequest {
    /// Why, e.g. the number of a case: 10 to 500 characters, as they can be seen. It is recorded.
    #[schema(min_length = 10, max_length = 500)]
    reason: String,
    /// Whether the exact body is to be shown too. It holds whatever the sender put there, the credentials of a whole order
    /// included, so it takes what revealing those takes: the scope `reveal-bulk` as well, HTTPS, and each mailbox in it counts
    /// among the token's reveals.
    #[serde(default)]
    include_body: bool,
}

/// What was found. Only for the document: the answer with the body is written by itself.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "only its schema is used")]
struct OpenedEvidence {
    /// All but the body.
    finding: documents::Finding,
    /// The exact bytes that were received, in base64; left out unless asked for.
    #[schema(nullable = false)]
    body_base64: Option<String>,
    /// The position of the event that says who opened it.
    recorded_at_position: u64,
}

/// The answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    finding: Finding,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<&'a str>,
    recorded_at_position: Position,
}

/// Opens the original of an event and checks its signature again.
///
/// Recorded, with the reason, before it is answered. The signature is checked with the keys that are configured today: it
/// tells which of them gives it, and under which scheme. How long ago it was made does not matter.
#[utoipa::path(
    post, path = "/api/v1/events/{position}/evidence", operation_id = "openEvidence", tag = "events",
    params(("position" = u64, Path, description = "The event's position.")),
    request_body = EvidenceRequest,
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = OpenedEvidence, description = "The original."),
        (status = 404, description = "No such event, or one that was not made of a webhook."),
        (status = 410, description = "It was erased, or deleted behind the service's back: the detail says which.")
    )
)]
async fn open(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(position): Path<u64>,
    _: Query<NoParameters>,
    Body(request): Body<EvidenceRequest>,
) -> Result<Response, Problem> {
    let caller = scope.caller();
    let position = Position(position);
    let reason = Reason::demanded(&request.reason).map(String::from);
    let facts = AccessFacts {
        first_position: Some(position),
        last_position: Some(position),
        reason: Reason::given(&request.reason).ok().map(String::from),
        ..caller.facts()
    };
    let refuse =
        |refusal: Refusal, problem: Problem| refused(&app, Action::OpenEvidence, refusal, facts.clone(), problem);
    if request.include_body {
        if let Err(problem) = require(caller, access::Scope::RevealBulk) {
            return Err(refuse(Refusal::Scope, problem).await);
        }
        if let Err(problem) = require_private(caller, "the body is handed out") {
            return Err(refuse(Refusal::PlainHttp, problem).await);
        }
        if let Err(over) = app.reveals.take(&caller.actor().id, 1) {
            return Err(refuse(Refusal::RateLimit, over.into()).await);
        }
    }
    let reason = match reason {
        Ok(reason) => reason,
        Err(problem) => {
            let problem = Problem::bad_request(format!("reason {problem}"));
            return Err(refuse(Refusal::Reason, problem).await);
        }
    };
    let ingest = |source: &str| app.ingests.get(source);
    let found = match Evidence::open(&*app.store, &app.reader, ingest, position).await {
        Ok(found) => found,
        Err(EvidenceError::Open(OpenError::Erased)) => {
            return Err(refuse(Refusal::Erased, OpenError::Erased.into()).await);
        }
        Err(EvidenceError::Open(error)) => return Err(error.into()),
        Err(error @ EvidenceError::Gone(_)) => return Err(Problem::new(StatusCode::GONE, error.to_string())),
        Err(error @ (EvidenceError::NoEvent(_) | EvidenceError::NoOriginal(_))) => {
            return Err(Problem::not_found(error.to_string()));
        }
    };
    if request.include_body
        && let Err(problem) = reveal::others_within_rate(&app, caller, found.mailboxes())
    {
        return Err(refuse(Refusal::RateLimit, problem).await);
    }
    let event = evidence::opened(position, found.subject(), reason, request.include_body, caller.facts());
    let recorded_at_position = app.journal.record(event).await?;
    let body = request.include_body.then(|| found.body_base64());
    let written = Written {
        finding: found.finding(),
        body_base64: body.as_ref().map(|text| text.as_str()),
        recorded_at_position,
    };
    // full capacity at once: growing would leave unwiped copies behind
    let room = body.as_ref().map_or(0, |text| text.len()) + 64 * 1024;
    let mut bytes = Wiped::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *bytes, &written).map_err(|_| Problem::internal())?;
    Ok(reveal::json(bytes))
}
