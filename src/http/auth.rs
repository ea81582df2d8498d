//! Authentication and authorisation: `Authorization: Bearer <token>`, one scope per route.
//!
//! A route names its scope by its first parameter, e.g. `_: Scope<Read>`. Routes that check scopes by themselves take
//! [`AnyToken`].

use std::marker::PhantomData;
use std::sync::Arc;

use aggregates::{AccessFacts, Action, ActorId, Position, Refusal, SubjectId, TokenId};
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::server::Peer;
use super::{App, Problem};
use crate::access::{self, BELIEVED, Caller, Connection, Identity, Permit, TokenError, Way};

/// A scope as the type of a route's first parameter.
pub(super) trait Needed {
    /// The scope.
    const SCOPE: access::Scope;
}

macro_rules! needed {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub(super) struct $name;
        impl Needed for $name {
            const SCOPE: access::Scope = access::Scope::$name;
        }
    )*};
}

needed! {
    /// Reading views.
    Read,
    /// Reading the events themselves.
    Audit,
    /// Erasing subjects, and legal holds.
    Erase,
    /// Operating the service.
    Operate,
    /// Making and revoking tokens.
    Admin,
}

/// A caller with the scope `S`. Until it is dropped, the call counts among its token's calls in progress.
pub(super) struct Scope<S> {
    caller: Caller,
    _permit: Permit<ActorId>,
    scope: PhantomData<S>,
}

impl<S> Scope<S> {
    /// The caller.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// A caller with a valid token of any scopes. See [`Scope`] for the permit.
pub(super) struct AnyToken(pub(super) Caller, pub(super) Permit<ActorId>);

impl<S: Needed> FromRequestParts<Arc<App>> for Scope<S> {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Denied> {
        let AnyToken(caller, permit) = admit(parts, app, S::SCOPE).await?;
        Ok(Self {
            caller,
            _permit: permit,
            scope: PhantomData,
        })
    }
}

/// The caller, if they have the scope. A refusal is recorded.
pub(super) async fn admit(parts: &mut Parts, app: &Arc<App>, scope: access::Scope) -> Result<AnyToken, Denied> {
    let AnyToken(caller, permit) = AnyToken::from_request_parts(parts, app).await?;
    if let Err(problem) = require(&caller, scope) {
        record_refusal(&caller, Refusal::Scope, parts, app).await?;
        return Err(problem.into());
    }
    Ok(AnyToken(caller, permit))
}

impl FromRequestParts<Arc<App>> for AnyToken {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Denied> {
        let caller = identified(parts, app).await?;
        let permit = app.calls.begin(&caller.actor().id).map_err(Problem::from)?;
        Ok(Self(caller, permit))
    }
}

/// The caller. A revoked or expired token is recorded.
async fn identified(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Denied> {
    let refuse = |detail: &str| Denied::Unauthenticated(detail.to_owned());
    let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (headers.next(), headers.next()) else {
        return Err(refuse("send `Authorization: Bearer <token>`"));
    };
    let token = value.to_str().ok().and_then(bearer);
    let token = token.ok_or_else(|| refuse("the Authorization header has to be `Bearer <token>`"))?;
    let error = match app.tokens.identify(token).await {
        Ok(identity) => return Ok(Caller::http(identity, connection(parts, app))),
        Err(error) => error,
    };
    let detail = error.to_string();
    let (refusal, actor) = match error {
        TokenError::Store(error) => return Err(Denied::Refused(error.into())),
        // anybody can send an unknown token, so that is not recorded
        TokenError::Unknown => return Err(Denied::Unauthenticated(detail)),
        TokenError::Revoked(actor) => (Refusal::Revoked, actor),
        TokenError::Expired(_, actor) => (Refusal::Expired, actor),
    };
    let scopes = access::Scopes::default();
    let caller = Caller::http(
        Identity {
            actor,
            scopes,
            token: None,
        },
        connection(parts, app),
    );
    record_refusal(&caller, refusal, parts, app).await?;
    Err(Denied::Unauthenticated(detail))
}

/// Checks the token again if the last check, at `since`, is older than `BELIEVED`: no call outlives its token, however
/// long its body takes to arrive or its answer to be made.
pub(super) async fn believed(since: Instant, parts: &mut Parts, app: &Arc<App>) -> Result<(), Denied> {
    if since.elapsed() < BELIEVED {
        return Ok(());
    }
    identified(parts, app).await.map(drop)
}

/// Withholds an answer if the token has ended meanwhile.
pub(super) async fn answer_while_good(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let mut kept = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        // the token was refused already, and that is recorded
        return response;
    }
    match believed(begun, &mut kept, &app).await {
        Ok(()) => response,
        Err(denied) => denied.into_response(),
    }
}

/// Checks that the caller has the scope.
///
/// # Errors
/// A [`Problem`] that names the scope.
pub(super) fn require(caller: &Caller, scope: access::Scope) -> Result<(), Problem> {
    if caller.may(scope) {
        return Ok(());
    }
    let detail = format!("this call needs a token with the scope `{scope}`");
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// Checks that the connection is private: that no one on the way could read the answer.
///
/// # Errors
/// A [`Problem`] that names `what` and the remedy.
pub(super) fn require_private(caller: &Caller, what: &str) -> Result<(), Problem> {
    let way = caller.connection().map(|connection| connection.way);
    if way.is_some_and(Way::is_private) {
        return Ok(());
    }
    let why = way.map(Way::explained).unwrap_or_default();
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        format!("{what} over HTTPS only: {why}"),
    ))
}

/// Records a refusal. Returns the problem to answer with.
pub(super) async fn refused(
    app: &App,
    action: Action,
    refusal: Refusal,
    facts: AccessFacts,
    problem: Problem,
) -> Problem {
    match app.journal.refused(action, refusal, facts).await {
        Ok(()) => problem,
        Err(error) => error.into(),
    }
}

/// Records that a call was refused for its token.
async fn record_refusal(caller: &Caller, refusal: Refusal, parts: &mut Parts, app: &App) -> Result<(), Problem> {
    let Some(route) = parts.extensions.get::<MatchedPath>() else {
        return Ok(());
    };
    let action = asked_for(&parts.method, route.as_str());
    let mut facts = AccessFacts {
        call: Some(format!("{} {}", parts.method, route.as_str())),
        ..caller.facts()
    };
    if let Ok(about) = RawPathParams::from_request_parts(parts, &()).await {
        for (name, value) in &about {
            match name {
                // an unknown user stays unnamed: the path may hold anything, and the record is kept for ever
                "userId" => {
                    if let Ok(subject) = SubjectId::parse(value) {
                        facts.subject = app.erasures.state(&subject).await?.map(|known| known.subject);
                    }
                }
                "id" => facts.token_id = TokenId::parse(value).ok(),
                "position" => {
                    facts.first_position = value.parse().ok().map(Position);
                    facts.last_position = facts.first_position;
                }
                "name" => facts.projection = projections::by_name(value).map(|found| found.name().to_owned()),
                _ => {}
            }
        }
    }
    app.journal.refused(action, refusal, facts).await?;
    Ok(())
}

/// The action that a call of a route asks for.
fn asked_for(method: &Method, route: &str) -> Action {
    let any_of = |paths: &[&str]| paths.iter().any(|path| route.starts_with(path));
    match (method.as_str(), route) {
        ("POST", path) if path.ends_with("/credentials/reveal") => Action::Reveal,
        ("DELETE", "/api/v1/subjects/{userId}") => Action::Erase,
        ("POST", "/api/v1/subjects/{userId}/hold") => Action::Hold,
        ("POST", "/api/v1/subjects/{userId}/release") => Action::Release,
        ("POST", "/api/v1/projections/{name}/rebuild") => Action::Rebuild,
        ("PUT" | "POST", path) if path.starts_with("/api/v1/consumers/") => Action::SetConsumer,
        ("DELETE", "/api/v1/consumers/{name}") => Action::DeleteConsumer,
        ("POST", "/api/v1/tokens") => Action::CreateToken,
        ("DELETE", "/api/v1/tokens/{id}") => Action::RevokeToken,
        ("GET", "/api/v1/events" | "/api/v1/events/stream") => Action::ReadFeed,
        ("GET", "/api/v1/orders/{orderId}/events") => Action::ReadTimelines,
        ("GET", "/api/v1/access" | "/api/v1/projections/access/rows") => Action::ReadAccessLog,
        ("GET", path) if path.starts_with("/api/v1/proofs/") || path.starts_with("/tile/entries/") => {
            Action::ReadProofs
        }
        ("POST", "/api/v1/events/{position}/evidence") => Action::OpenEvidence,
        ("GET", "/api/v1/tokens") => Action::ReadTokens,
        ("GET", path) if path.ends_with("/rows") || path.ends_with("/diff") => Action::ReadViews,
        ("GET", _)
            if any_of(&[
                "/api/v1/orders",
                "/api/v1/domains",
                "/api/v1/renewals",
                "/api/v1/failures",
            ]) =>
        {
            Action::ReadViews
        }
        ("GET", path) if !path.starts_with("/api/v1/projections") => Action::ReadLedger,
        _ => Action::Operate,
    }
}

pub(super) fn connection(parts: &Parts, app: &App) -> Connection {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    // every connection has its peer; without one no connection would count as private
    let peer = peer.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| peer.0.ip());
    let connection = app.proxies.connection(peer, |name| joined(&parts.headers, name));
    if let Way::UntrustedProxy(proxy) = connection.way
        && proxy.is_loopback()
    {
        tracing::warn!("a proxy on this machine forwards calls and is not trusted: name {proxy} in trusted_proxies");
    }
    connection
}

/// The values of all headers of a name, joined. Bytes that are not UTF-8 make the value unreadable, not absent.
pub(super) fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The token of a header's value. The scheme's name is not case-sensitive (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Why a call is refused.
pub(super) enum Denied {
    /// The token is missing or invalid.
    Unauthenticated(String),
    /// The token lacks the scope, or cannot be looked up now.
    Refused(Problem),
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let detail = match self {
            Self::Refused(problem) => return problem.into_response(),
            Self::Unauthenticated(detail) => detail,
        };
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_the_word_bearer_in_any_case() {
        assert_eq!(bearer("Bearer wl_1"), Some("wl_1"));
        assert_eq!(bearer("bearer  wl_1"), Some("wl_1"));
        assert_eq!(bearer("Basic wl_1"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("wl_1"), None);
    }
}
