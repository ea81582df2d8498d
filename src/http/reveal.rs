//! Handing out credentials, of one mailbox or of all mailboxes of a domain. They leave the ledger only here.
//!
//! A reveal is recorded before its answer is written; refusals are recorded too.

use aggregates::{AccessEvent, AccessFacts, Action, MailboxId, OrderId, Refusal};
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use projections::Projection;
use projections::accounts::{AccountView, Accounts, Place};
use projections::mailboxes::Mailboxes;

use super::auth::{AnyToken, refused, require, require_private};
use super::extract::Sent;
use super::prelude::*;
use super::wanted::AtLeast;
use crate::access::{Caller, Reason, Scope};
use ledger::OpenError;
use ledger::reveal::{self, Credentials, Places};
use secret::{Secret, Wiped};
use store::clock;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(mailbox)).routes(routes!(domain))
}

/// What for.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevealRequest {
    /// Why the credentials are needed, e.g. a ticket: 10 to 500 characters, as they can be seen. It is recorded.
    #[schema(min_length = 10, max_length = 500)]
    reason: String,
    /// Whether the TOTP seed itself is to be shown. The one-time code is computed from it here either way.
    #[serde(default)]
    include_seed: bool,
}

/// The credentials of a mailbox. Only for the document: what holds them is never made into a text but here.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "only its schema is used")]
struct Revealed {
    /// The mailbox; null if the provider gave it no id.
    mailbox_id: Option<String>,
    /// Its address.
    email: Option<String>,
    /// The account's password, the newest that is known.
    password: Option<String>,
    /// The app password, the newest that is known.
    app_password: Option<String>,
    /// The one-time code of now; null if there is no seed, or none that a code can be computed from.
    one_time_code: Option<RevealedCode>,
    /// Why there is no one-time code; left out if there is one.
    #[schema(nullable = false)]
    no_code_reason: Option<String>,
    /// The TOTP seed; only if asked for.
    authenticator_secret: Option<String>,
    /// Whether something of this was erased: what came in since is here.
    erased: bool,
    /// The position of the event that says who saw this.
    position: u64,
}

/// A one-time code (RFC 6238).
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "only its schema is used")]
struct RevealedCode {
    /// Six digits, or as many as the seed's `otpauth://` address says.
    code: String,
    /// From when on another code is right.
    valid_until: Timestamp,
}

/// The credentials of all mailboxes of a domain.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct RevealedDomain {
    /// The mailboxes.
    items: Vec<Revealed>,
}

/// The newest credentials of a mailbox, with its one-time code of now.
///
/// Recorded, with the reason, before it is answered; refusals are recorded too. Only over HTTPS, or over loopback where
/// `reveal_over_loopback` allows it.
#[utoipa::path(
    post, path = "/api/v1/mailboxes/{mailboxId}/credentials/reveal",
    operation_id = "revealCredentials", tag = "credentials",
    params(("mailboxId" = String, Path, description = "The mailbox."), AtLeast),
    request_body = RevealRequest,
    security(("bearer" = ["reveal"])),
    responses(
        (status = 200, body = Revealed, description = "The credentials."),
        (status = 403, description = "The token lacks the scope `reveal`, or the call came over plain HTTP."),
        (status = 404, description = "No such mailbox."),
        (status = 410, description = "They were erased."),
        (status = 429, description = "More mailboxes a minute than a token may see (`reveals_per_minute`), or over another of its limits; see `Retry-After`.")
    )
)]
async fn mailbox(
    AnyToken(caller, _permit): AnyToken,
    State(app): State<Arc<App>>,
    Path(id): Path<MailboxId>,
    _: Query<NoParameters>,
    header: AtLeast,
    Sent(request): Sent<RevealRequest>,
) -> Result<Response, Problem> {
    let mut attempt = Attempt::new(&app, caller);
    attempt.facts.mailbox_id = Some(id.clone());
    let request = attempt.begin(Scope::Reveal, request).await?;
    let reading = attempt.reading(&[Accounts::NAME], header).await?;
    let Some(view) = reading.row::<Accounts>(id.as_str()).await? else {
        let problem = Problem::not_found("no such mailbox is known");
        return Err(attempt.refuse(Refusal::Unknown, problem).await);
    };
    let home = reveal::home(&*app.store, &view, &id).await?;
    attempt.facts.order_id = home.as_ref().and_then(|home| home.order_id.clone());
    attempt.facts.domain = home.map(|home| home.domain);
    let wanted = Target {
        id: Some(id),
        places: Places::newest(&view),
    };
    let mut answers = attempt.hand_out(&[wanted], request.include_seed).await?;
    let bytes = answers.pop().ok_or_else(Problem::internal)?;
    Ok(json(bytes))
}

/// The newest credentials of all mailboxes of a domain: for handing them over to a customer.
///
/// As for a single mailbox; each mailbox is recorded by an event of its own.
#[utoipa::path(
    post, path = "/api/v1/domains/{domain}/credentials/reveal",
    operation_id = "revealDomainCredentials", tag = "credentials",
    params(("domain" = String, Path, description = "The domain, in any case."), AtLeast),
    request_body = RevealRequest,
    security(("bearer" = ["reveal-bulk"])),
    responses(
        (status = 200, body = RevealedDomain, description = "The credentials."),
        (status = 403, description = "The token lacks the scope `reveal-bulk`, or the call came over plain HTTP."),
        (status = 404, description = "No such domain."),
        (status = 410, description = "They were erased."),
        (status = 429, description = "More mailboxes a minute than a token may see (`reveals_per_minute`), or over another of its limits; see `Retry-After`.")
    )
)]
async fn domain(
    AnyToken(caller, _permit): AnyToken,
    State(app): State<Arc<App>>,
    Path(DomainName(name)): Path<DomainName>,
    _: Query<NoParameters>,
    header: AtLeast,
    Sent(request): Sent<RevealRequest>,
) -> Result<Response, Problem> {
    let mut attempt = Attempt::new(&app, caller);
    attempt.facts.domain = Some(name.clone());
    let request = attempt.begin(Scope::RevealBulk, request).await?;
    let reading = attempt.reading(&[Mailboxes::NAME, Accounts::NAME], header).await?;
    let view = reading.row::<Mailboxes>(name.as_str()).await?;
    let Some(item) = view.as_ref().and_then(|view| view.item(name.as_str())) else {
        let problem = Problem::not_found("no mailboxes of this domain are known");
        return Err(attempt.refuse(Refusal::Unknown, problem).await);
    };
    attempt.facts.order_id = Some(OrderId::clone(item.order_id));
    let ids: Vec<&str> = item
        .mailboxes
        .iter()
        .filter_map(|mailbox| mailbox.mailbox_id.map(MailboxId::as_str))
        .collect();
    let accounts = reading.views::<Accounts>(&ids).await?;
    let account = |id: &MailboxId| -> Option<&AccountView> {
        let found = accounts.iter().find(|(key, _)| key == id.as_str());
        found.map(|(_, view)| view)
    };
    let targets = item.mailboxes.iter().map(|mailbox| {
        let told_at = Place {
            position: mailbox.position,
            index: mailbox.index,
        };
        let newest = mailbox.mailbox_id.and_then(account).map(Places::newest);
        Target {
            id: mailbox.mailbox_id.cloned(),
            places: newest.unwrap_or_else(|| Places::all_at(told_at)),
        }
    });
    let targets: Vec<Target> = targets.collect();
    attempt.count_others(targets.len()).await?;
    let answers = attempt.hand_out(&targets, request.include_seed).await?;
    let mut bytes = Wiped::new(Vec::with_capacity(
        answers.iter().map(|answer| answer.len() + 1).sum::<usize>() + 16,
    ));
    bytes.extend_from_slice(b"{\"items\":[");
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(answer);
    }
    bytes.extend_from_slice(b"]}");
    Ok(json(bytes))
}

/// A request for credentials.
struct Attempt<'a> {
    app: &'a App,
    caller: Caller,
    facts: AccessFacts,
}

/// A mailbox whose credentials are asked for.
struct Target {
    id: Option<MailboxId>,
    places: Places,
}

impl<'a> Attempt<'a> {
    fn new(app: &'a App, caller: Caller) -> Self {
        let facts = caller.facts();
        Self { app, caller, facts }
    }

    /// Records the refusal; returns the problem to answer with.
    async fn refuse(&self, refusal: Refusal, problem: Problem) -> Problem {
        refused(self.app, Action::Reveal, refusal, self.facts.clone(), problem).await
    }

    /// Checks everything that does not depend on the mailbox.
    async fn begin(
        &mut self,
        scope: Scope,
        request: Result<Json<RevealRequest>, JsonRejection>,
    ) -> Result<RevealRequest, Problem> {
        if let Ok(Json(request)) = &request {
            // recorded with whatever refusal follows
            self.facts.reason = Reason::given(&request.reason).ok().map(String::from);
        }
        if let Err(problem) = require(&self.caller, scope) {
            return Err(self.refuse(Refusal::Scope, problem).await);
        }
        if let Err(problem) = require_private(&self.caller, "credentials are handed out") {
            return Err(self.refuse(Refusal::PlainHttp, problem).await);
        }
        if let Err(over) = self.app.reveals.take(&self.caller.actor().id, 1) {
            return Err(self.refuse(Refusal::RateLimit, over.into()).await);
        }
        let request = match request {
            Ok(Json(request)) => request,
            Err(rejection) => {
                let problem = super::extract::refused_body(rejection);
                return Err(self.refuse(Refusal::Reason, problem).await);
            }
        };
        if let Err(problem) = Reason::demanded(&request.reason) {
            let problem = Problem::bad_request(format!("reason {problem}"));
            return Err(self.refuse(Refusal::Reason, problem).await);
        }
        Ok(request)
    }

    /// Counts the mailboxes other than the one that the call itself counts as.
    async fn count_others(&self, mailboxes: usize) -> Result<(), Problem> {
        match others_within_rate(self.app, &self.caller, mailboxes) {
            Ok(()) => Ok(()),
            Err(problem) => Err(self.refuse(Refusal::RateLimit, problem).await),
        }
    }

    /// The views with every event recorded by now: a replaced password is not handed out.
    async fn reading(&self, views: &[&str], header: AtLeast) -> Result<Reading<'a>, Problem> {
        let head = self.app.store.head().await?.position;
        let wanted = Wanted::new(None, Some(head.0), header)?;
        Reading::of_keys(self.app, views, wanted).await
    }

    /// Opens the credentials; a refusal for an erasure is recorded.
    async fn open(&self, places: &[Places]) -> Result<Vec<Credentials>, Problem> {
        match reveal::open(&*self.app.store, &self.app.reader, places).await {
            Ok(opened) => Ok(opened),
            Err(OpenError::Erased) => Err(self.refuse(Refusal::Erased, OpenError::Erased.into()).await),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the credentials, records the reveal, and writes one JSON object for each mailbox.
    async fn hand_out(&mut self, targets: &[Target], seed: bool) -> Result<Vec<Wiped<Vec<u8>>>, Problem> {
        let places: Vec<Places> = targets.iter().map(|target| target.places.clone()).collect();
        let opened = self.open(&places).await?;
        let records = targets.iter().zip(&opened).map(|(target, credentials)| {
            AccessEvent::CredentialsRevealed(AccessFacts {
                credentials: credentials.shown(seed),
                mailbox_id: target.id.clone(),
                subject: credentials.subject.clone(),
                ..self.facts.clone()
            })
        });
        // all in one batch, and durable before anything is written
        let positions = self.app.journal.record_all(records.collect()).await?;
        // an append sees all earlier ones: what another process has erased meanwhile opens no more
        let opened = self.open(&places).await?;
        let written = targets.iter().zip(&opened).zip(positions);
        written
            .map(|((target, credentials), position)| write(target.id.as_ref(), credentials, seed, position.0))
            .collect()
    }
}

/// Counts the mailboxes of an answer against the token's reveals, except for the one that the call already counted.
pub(super) fn others_within_rate(app: &App, caller: &Caller, mailboxes: usize) -> Result<(), Problem> {
    let others = u32::try_from(mailboxes.saturating_sub(1)).unwrap_or(u32::MAX);
    Ok(app.reveals.take_besides(&caller.actor().id, others)?)
}

/// The credentials in plaintext, on their way to the caller.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    mailbox_id: Option<&'a str>,
    email: Option<&'a str>,
    password: Option<&'a str>,
    app_password: Option<&'a str>,
    one_time_code: Option<WrittenCode<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_code_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator_secret: Option<&'a str>,
    erased: bool,
    position: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCode<'a> {
    code: &'a str,
    valid_until: Timestamp,
}

fn write(
    id: Option<&MailboxId>,
    credentials: &Credentials,
    seed: bool,
    position: u64,
) -> Result<Wiped<Vec<u8>>, Problem> {
    fn exposed(secret: &Option<Secret<String>>) -> Option<&str> {
        secret.as_ref().map(|secret| secret.expose().as_str())
    }
    let now = u64::try_from(clock::now().as_second()).unwrap_or_default();
    let code = credentials.one_time_code(now);
    let one_time_code = code.as_ref().ok().and_then(|code| {
        let until = i64::try_from(code.until).ok()?;
        Some(WrittenCode {
            code: code.code.expose(),
            valid_until: Timestamp::from_second(until).ok()?,
        })
    });
    let secrets = [
        &credentials.email,
        &credentials.password,
        &credentials.app_password,
        &credentials.authenticator_secret,
    ];
    // all of it escaped in the worst case; growing would leave unwiped copies behind
    let longest = secrets
        .into_iter()
        .flatten()
        .map(|secret| 6 * secret.expose().len())
        .sum::<usize>();
    let mut bytes = Wiped::new(Vec::with_capacity(longest + 6 * 128 + 512));
    let written = Written {
        mailbox_id: id.map(MailboxId::as_str),
        email: exposed(&credentials.email),
        password: exposed(&credentials.password),
        app_password: exposed(&credentials.app_password),
        one_time_code,
        no_code_reason: code.as_ref().err().map(ToString::to_string),
        authenticator_secret: exposed(&credentials.authenticator_secret).filter(|_| seed),
        erased: credentials.erased,
        position,
    };
    serde_json::to_writer(&mut *bytes, &written).map_err(|_| Problem::internal())?;
    Ok(bytes)
}

/// An answer whose bytes are wiped once they are sent.
pub(super) fn json(bytes: Wiped<Vec<u8>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Bytes::from_owner(bytes)).into_response()
}
