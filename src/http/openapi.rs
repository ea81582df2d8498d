//! `/` and `/openapi.json`: what can be called here.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::problem;
use super::{App, Problem};

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
                       and `to` take a date as well, and `to` is exclusive. An unknown query parameter is refused. \
                       Every response carries `x-request-id`, the caller's own if it sent one.\n\n\
                       Views follow the events within moments: a webhook that was just answered may not be in them yet. \
                       Every answer from a view says in `Warmledger-Position` up to which event it stands for; send \
                       `atLeast`, or that header, to have it include a position, and `asOf` for an earlier moment.",
    ),
    components(schemas(Problem)),
    modifiers(&Bearer)
)]
struct Api;

/// How callers show who they are.
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

/// Names parameters that stand for the rest of a path as others are named: the document knows no `{*rest}`.
pub(super) fn name_rests(document: &mut utoipa::openapi::OpenApi) {
    let paths = std::mem::take(&mut document.paths.paths);
    let named = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item));
    document.paths.paths = named.collect();
}

/// Adds to every call what any call can be refused with, where its own annotation does not say it in other words.
pub(super) fn add_refusals(document: &mut utoipa::openapi::OpenApi) {
    let anywhere = [
        (400, "The request is malformed; the detail names what is wrong."),
        (408, "The request did not arrive in time."),
        (500, "Something went wrong here; the service's log says what."),
        (
            503,
            "The service has too much to do, stops, or its store is not available; see `Retry-After`.",
        ),
    ];
    let answered = [(
        406,
        "The Accept header takes none of the media types that the call answers with.",
    )];
    let with_token = [(
        429,
        "Too many calls with this token; the detail names the limit and the setting; see `Retry-After`.",
    )];
    let with_body = [
        (413, "The body is too long."),
        (415, "The content type is not `application/json`."),
    ];
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let takes_body = operation.request_body.is_some();
            let answers = &mut operation.responses.responses;
            let takes_token = answers.contains_key("403");
            let mut add = |refusals: &[(u16, &str)]| {
                for (status, description) in refusals {
                    let documented = || problem(description).into();
                    answers.entry(status.to_string()).or_insert_with(documented);
                }
            };
            add(&anywhere);
            if !path.starts_with("/webhooks/") {
                add(&answered);
            }
            if takes_token {
                add(&with_token);
            }
            if takes_body {
                add(&with_body);
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
