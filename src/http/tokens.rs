//! `/api/v1/tokens`: making, listing and revoking API tokens.

use aggregates::{AccessEvent, AccessFacts, Action, Refusal, TokenId};
use axum::response::{IntoResponse, Response};

use super::auth::{Admin, Scope, refused, require_private};
use super::prelude::*;
use crate::access::{self, Scopes, TokenName, new_token};
use secret::Wiped;
use store::StoredToken;
use store::clock;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// A token, without the token.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    /// Its id: the actor in the access log.
    pub(crate) id: String,
    /// What its maker calls it.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// From when on it is no longer good.
    pub(crate) expires_at: Option<Timestamp>,
    /// When it was last used, to ten minutes.
    pub(crate) last_used_at: Option<Timestamp>,
    /// Since when it is revoked.
    pub(crate) revoked_at: Option<Timestamp>,
}

impl From<&StoredToken> for Token {
    fn from(stored: &StoredToken) -> Self {
        Self {
            id: stored.id.to_string(),
            name: stored.name.clone(),
            scopes: stored.scopes.names(),
            created_at: stored.created_at,
            expires_at: stored.expires_at,
            last_used_at: stored.last_used_at,
            revoked_at: stored.revoked_at,
        }
    }
}

/// All tokens, those that are no longer good included; all on one page. The admin token of the settings is not among them.
#[utoipa::path(
    get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "tokens",
    security(("bearer" = ["admin"])),
    responses((status = 200, body = Page<Token>, description = "All tokens."))
)]
async fn list(
    _: Scope<Admin>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Page<Token>>, Problem> {
    let tokens = app.store.tokens().await?;
    Ok(Json(Page {
        items: tokens.iter().map(Token::from).collect(),
        next: None,
    }))
}

/// What a token is to be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenRequest {
    /// What to call it: 1 to 100 characters.
    #[schema(value_type = String)]
    name: TokenName,
    /// What it may do: `read`, `audit`, `reveal`, `reveal-bulk`, `erase`, `operate`, `admin`; at least one.
    scopes: Vec<String>,
    /// From when on it is no longer good: an RFC 3339 time, or a date (its start in UTC). Never, if left out.
    #[schema(value_type = Option<String>)]
    expires_at: Option<TimeParameter>,
}

/// A new token. Only for the document.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct CreatedToken {
    /// The token itself. It is shown here and never again.
    token: String,
    /// What is kept of it.
    about: Token,
}

/// Makes a token. The answer is the only place where it can ever be read, so it is given over HTTPS only, or over
/// loopback where `reveal_over_loopback` allows it.
#[utoipa::path(
    post, path = "/api/v1/tokens", operation_id = "createToken", tag = "tokens",
    request_body = TokenRequest,
    security(("bearer" = ["admin"])),
    responses(
        (status = 201, body = CreatedToken, description = "The token."),
        (status = 403, description = "The token lacks the scope `admin`, or the call came over plain HTTP.")
    )
)]
async fn create(
    scope: Scope<Admin>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
    Body(wanted): Body<TokenRequest>,
) -> Result<Response, Problem> {
    if let Err(problem) = require_private(scope.caller(), "tokens are handed out") {
        let facts = scope.caller().facts();
        return Err(refused(&app, Action::CreateToken, Refusal::PlainHttp, facts, problem).await);
    }
    let scopes: Result<Scopes, String> = wanted.scopes.iter().map(|name| name.parse::<access::Scope>()).collect();
    let scopes = scopes.map_err(|problem| Problem::bad_request(format!("scopes: {problem}")))?;
    if scopes.is_empty() {
        return Err(Problem::bad_request("scopes: at least one is needed"));
    }
    let (now, expires_at) = (clock::now(), wanted.expires_at.map(|moment| clock::to_micros(moment.0)));
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::bad_request("expiresAt: has passed already"));
    }
    let (token, stored) = new_token(&wanted.name, scopes, now, expires_at);
    let facts = access::facts_of(&stored, scope.caller().facts());
    app.journal.record(AccessEvent::TokenCreated(facts)).await?;
    app.store.create_token(&stored).await?;
    /// The token in plaintext, on its way to the caller.
    #[derive(Serialize)]
    struct Written<'a> {
        token: &'a str,
        about: Token,
    }
    let written = Written {
        token: token.expose(),
        about: Token::from(&stored),
    };
    let mut bytes = Wiped::new(Vec::with_capacity(2_048));
    serde_json::to_writer(&mut *bytes, &written).map_err(|_| Problem::internal())?;
    Ok((StatusCode::CREATED, super::reveal::json(bytes)).into_response())
}

/// Revokes a token: within some seconds no process takes it any more.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", operation_id = "revokeToken", tag = "tokens",
    params(("id" = String, Path, description = "The token's id, e.g. `tok_0123456789abcdef`.")),
    security(("bearer" = ["admin"])),
    responses(
        (status = 204, description = "It is revoked."),
        (status = 404, description = "No such token, or it was revoked before.")
    )
)]
async fn revoke(
    scope: Scope<Admin>,
    State(app): State<Arc<App>>,
    Path(id): Path<TokenId>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    let tokens = app.store.tokens().await?;
    if !tokens.iter().any(|token| token.id == id && token.revoked_at.is_none()) {
        return Err(Problem::not_found("there is no such token, or it was revoked before"));
    }
    let at = clock::now();
    let facts = AccessFacts {
        revoked_at: Some(at),
        token_id: Some(id.clone()),
        ..scope.caller().facts()
    };
    app.journal.record(AccessEvent::TokenRevoked(facts)).await?;
    app.store.revoke_token(&id, at).await?;
    app.tokens.forget();
    Ok(StatusCode::NO_CONTENT)
}
