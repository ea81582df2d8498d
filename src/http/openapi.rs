//! `/` and `/openapi.json`: the API document.

use axum::body::Bytes;
use axum::http::header;
use axum::{Extension, Json};

use utoipa::openapi::path::Parameter;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Header, Ref, RefOr, Response};
use utoipa::{OpenApi, PartialSchema};

use super::prelude::*;
use super::problem::PROBLEM_JSON;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(index)).routes(routes!(document))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "warmledger",
        description = "The ledger of mailbox orders: each of the provider's webhooks becomes one immutable event, and \
                       everything else here is a view of those events.\n\n\
                       Errors are `application/problem+json` (RFC 9457). Lists are `{\"items\": […], \"next\": \
                       \"<cursor>\"|null}`: send `next` as `after` for the next page. Times are RFC 3339 in UTC; `from` \
                       and `to` take a day as well (`today` and `-7d` too, in the time zone `tz`): `to` is exclusive as a \
                       time, and includes the day as a day. An unknown query parameter is refused. \
                       Every response carries `x-request-id`, the caller's own if it sent one.\n\n\
                       Views follow the events within moments: a webhook that was just answered may not be in them yet. \
                       Every answer from a view says in `Warmledger-Position` up to which event it stands for; send \
                       `atLeast`, or that header, to have it include a position, and `asOf` for an earlier moment.",
    ),
    components(schemas(Problem)),
    modifiers(&Bearer)
)]
struct Api;

/// How callers authenticate.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("A token with the scope that the call names; `warmledger tokens create` makes one. The admin token has all.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document without its paths; every router adds its own.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// Renames rest parameters as OpenAPI needs them: it has no `{*rest}`.
pub(super) fn name_rests(document: &mut utoipa::openapi::OpenApi) {
    let paths = std::mem::take(&mut document.paths.paths);
    let named = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item));
    document.paths.paths = named.collect();
}

/// Errors of any call.
const ANYWHERE: &[(u16, &str)] = &[
    (400, "The request is malformed; the detail names what is wrong."),
    (408, "The request did not arrive in time."),
    (500, "Something went wrong here; the service's log says what."),
    (
        503,
        "The service has too much to do, stops, or its store is not available; see `Retry-After`.",
    ),
];

/// Errors of any call but a webhook.
const ANSWERED: &[(u16, &str)] = &[(
    406,
    "The Accept header takes none of the media types that the call answers with.",
)];

/// Errors of a call that needs a token.
const WITH_TOKEN: &[(u16, &str)] = &[
    (400, "A parameter is unknown or has a bad value; the detail names it."),
    (
        401,
        "The bearer token is missing, wrong, revoked or expired; see `WWW-Authenticate`.",
    ),
    (
        403,
        "The token lacks the scope that the call needs; the detail names it.",
    ),
    (
        429,
        "The token is over one of its limits; the detail names it and its setting, see `Retry-After`.",
    ),
    (
        503,
        "The store is not available, or what was asked for is not ready yet; see `Retry-After`.",
    ),
];

/// Errors of a call with a body.
const WITH_BODY: &[(u16, &str)] = &[
    (413, "The body is too long."),
    (415, "The content type is not `application/json`."),
];

/// Adds to every call what its annotation leaves out: common errors, the problem schema of errors, and the position
/// header of answers from views.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let public = SecurityRequirement::default();
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let webhook = path.starts_with("/webhooks/");
            let with_token = operation.security.iter().flatten().any(|one| *one != public);
            let with_body = operation.request_body.is_some();
            let answers = &mut operation.responses.responses;
            for (applies, refusals) in [
                (with_token, WITH_TOKEN),
                (true, ANYWHERE),
                (!webhook, ANSWERED),
                (with_body, WITH_BODY),
            ] {
                for (status, description) in refusals.iter().filter(|_| applies) {
                    let documented = || Response::new(*description).into();
                    answers.entry(status.to_string()).or_insert_with(documented);
                }
            }
            let is_moment = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(one) if one.name == "asOf");
            let of_views = operation.parameters.iter().flatten().any(is_moment);
            for (status, answer) in answers {
                let RefOr::T(answer) = answer else { continue };
                if status.starts_with('2') && of_views {
                    let mut position = Header::new(u64::schema());
                    position.description = Some("The position up to which the answer holds every event.".to_owned());
                    answer.headers.insert("Warmledger-Position".to_owned(), position.into());
                }
                if status.starts_with(['4', '5']) && answer.content.is_empty() {
                    let content = Content::new(Some(Ref::from_schema_name("Problem")));
                    answer.content.insert(PROBLEM_JSON.to_owned(), content.into());
                }
            }
        }
    }
}

/// The whole document as JSON.
#[derive(Clone)]
pub(super) struct Document(pub(super) Bytes);

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "meta",
    responses((status = 200, body = Object, description = "An OpenAPI 3.1 document."))
)]
async fn document(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], json)
}

/// Where to begin.
#[derive(Serialize, utoipa::ToSchema)]
struct Index {
    /// `warmledger`
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The OpenAPI document: every call, its parameters and its answers.
    openapi: &'static str,
    /// The main calls. All but the webhook take `Authorization: Bearer <token>`.
    calls: Vec<&'static str>,
}

/// Where to begin.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "index",
    tag = "meta",
    responses((status = 200, body = Index, description = "The main calls."))
)]
async fn index() -> Json<Index> {
    Json(Index {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        openapi: "/openapi.json",
        calls: vec![
            "POST /webhooks/{source}",
            "GET /api/v1/orders",
            "GET /api/v1/orders/{orderId}",
            "GET /api/v1/orders/{orderId}/events",
            "GET /api/v1/orders/{orderId}/diff",
            "GET /api/v1/domains",
            "GET /api/v1/domains/{domain}/mailboxes",
            "GET /api/v1/renewals",
            "GET /api/v1/failures",
            "GET /api/v1/events",
            "GET /api/v1/events/stream",
            "POST /api/v1/mailboxes/{mailboxId}/credentials/reveal",
            "GET /api/v1/access",
            "GET /api/v1/tokens",
            "GET /api/v1/consumers",
            "GET /api/v1/projections",
            "GET /api/v1/projections/{name}/diff",
            "GET /api/v1/projections/{name}/rows",
            "GET /api/v1/proofs/inclusion",
            "GET /api/v1/proofs/consistency",
            "GET /api/v1/checkpoints",
            "GET /checkpoint",
            "GET /readyz",
            "GET /metrics",
        ],
    })
}
