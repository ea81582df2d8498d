//! `/api/v1/access`: who revealed, erased, exported, rebuilt; when, why, from where; and what was refused.

use aggregates::{Action, ActorId, MailboxId, SubjectId};
use projections::Projection;
use projections::access::{Access, AccessEntry};
use utoipa::openapi::schema::Object;

use super::auth::{Audit, Scope};
use super::extract::one_of;
use super::prelude::*;
use crate::access::Read;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Whether a request was granted.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Granted,
    Refused,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }
}

fn actions() -> Object {
    one_of("What was done or asked for.", &Action::ALL.map(Action::as_str))
}

fn outcomes() -> Object {
    one_of("What came of it.", &["granted", "refused"])
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// Who did it: a token's id, `admin`, `cli:<user>` or `service`.
    #[param(value_type = Option<String>)]
    actor: Option<ActorId>,
    /// What was done or asked for.
    #[param(schema_with = actions, required = false)]
    action: Option<Action>,
    /// What came of it.
    #[param(schema_with = outcomes, required = false)]
    outcome: Option<Outcome>,
    /// The mailbox.
    #[param(value_type = Option<String>)]
    mailbox: Option<MailboxId>,
    /// Whom it was about, by the `userId` of an order.
    #[param(value_type = Option<String>)]
    subject: Option<SubjectId>,
    /// The domain of the mailbox.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
}

/// One thing that somebody did, or asked for in vain. What does not apply is null.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// The position of the event.
    position: u64,
    /// When.
    at: Timestamp,
    /// Who: a token's id, `admin`, `cli:<user>` or `service`.
    actor: String,
    /// The token's name.
    actor_name: Option<String>,
    /// What was done or asked for.
    action: Option<&'static str>,
    /// `granted` or `refused`.
    outcome: &'static str,
    /// Why it was refused.
    refusal: Option<&'static str>,
    /// Why it was done, in the words of the one who did it.
    reason: Option<String>,
    /// The address that the call came from.
    address: Option<String>,
    /// The program that called, by its own word.
    user_agent: Option<String>,
    /// The call that was refused for its token: its method, and its path with the names of its parameters.
    call: Option<String>,
    /// The named consumer of the feed that was made, set or deleted.
    consumer: Option<String>,
    /// The mailbox.
    mailbox_id: Option<String>,
    /// Whom it was about.
    subject: Option<String>,
    /// The domain.
    domain: Option<String>,
    /// The order.
    order_id: Option<String>,
    /// What was handed out: `password`, `appPassword`, `oneTimeCode`, `authenticatorSecret` if the seed itself was,
    /// `original` if it was the exact body of a webhook, which may hold any of them.
    #[schema(value_type = Vec<String>)]
    credentials: Vec<aggregates::Shown>,
    /// The projection.
    projection: Option<String>,
    /// The token that was made or revoked.
    token_id: Option<String>,
    /// The scopes of the token that was made.
    scopes: Vec<String>,
    /// The first position of the range.
    first_position: Option<u64>,
    /// The last position of the range.
    last_position: Option<u64>,
    /// Whether the check passed.
    passed: Option<bool>,
    /// How many refusals of the same action to the same actor came before this one and are not recorded by themselves.
    passed_over: Option<u64>,
    /// The public name of the new key.
    key: Option<String>,
}

impl From<AccessEntry> for Entry {
    fn from(entry: AccessEntry) -> Self {
        let outcome = entry.outcome();
        let facts = entry.facts;
        Self {
            position: entry.position.0,
            at: entry.recorded_at,
            actor: facts.actor.id.into(),
            actor_name: facts.actor.name,
            action: entry.action.map(Action::as_str),
            outcome,
            refusal: facts.refusal.map(aggregates::Refusal::as_str),
            reason: facts.reason,
            address: facts.address,
            user_agent: facts.user_agent,
            call: facts.call,
            consumer: facts.consumer,
            mailbox_id: facts.mailbox_id.map(Into::into),
            subject: facts.subject.map(Into::into),
            domain: facts.domain.map(Into::into),
            order_id: facts.order_id.map(Into::into),
            credentials: facts.credentials,
            projection: facts.projection,
            token_id: facts.token_id.map(Into::into),
            scopes: facts.scopes,
            first_position: facts.first_position.map(|position| position.0),
            last_position: facts.last_position.map(|position| position.0),
            passed: facts.passed,
            passed_over: facts.passed_over,
            key: facts.key,
        }
    }
}

/// Who did what with the ledger, newest first.
///
/// The first read with a token from an address is recorded, once an hour, and so is in the log itself.
///
/// Who saw a mailbox's password: `?mailbox=<mailboxId>&action=reveal&outcome=granted`.
#[utoipa::path(
    get, path = "/api/v1/access", operation_id = "listAccess", tag = "access",
    params(Filter, Range, Paging, Wanted),
    security(("bearer" = ["audit"])),
    responses((status = 200, body = Page<Entry>, description = "A page of the access log."))
)]
async fn list(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    wanted: Wanted,
    page: Paging,
    range: Range,
    Query(filter): Query<Filter>,
) -> Result<Answer<Page<Entry>>, Problem> {
    app.journal.read(scope.caller(), Read::AccessLog).await?;
    let conditions = Conditions::default()
        .between("recorded_at", range)
        .equal("actor", filter.actor.map(String::from))
        .equal("action", filter.action.map(Action::as_str))
        .equal("outcome", filter.outcome.map(Outcome::as_str))
        .equal("mailbox_id", filter.mailbox.map(String::from))
        .equal("subject", filter.subject.map(String::from))
        .equal("domain", filter.domain);
    let reading = Reading::of_list(&app, scope.caller(), &[Access::NAME], wanted, page.after()).await?;
    let rows = reading
        .rows::<Access>(conditions, descending("position"), &page)
        .await?;
    let entries = rows.rows.into_iter().filter_map(|(_, view)| view);
    Ok(reading.answer(Page {
        items: entries.map(Entry::from).collect(),
        next: rows.next,
    }))
}
