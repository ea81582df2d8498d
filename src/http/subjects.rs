//! `/api/v1/subjects`: subjects with data keys, erasing them, and legal holds.

use aggregates::{AccessFacts, Action, Refusal, SubjectId};

use super::auth::{Audit, Erase, Scope};
use super::prelude::*;
use crate::access::Reason;
use ledger::erasure::{EffectError, ErasureError};
use store::SubjectState;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, erase))
        .routes(routes!(hold))
        .routes(routes!(release))
}

/// A subject: a user, or `~` and a stream's name for what came in before its user was known.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subject {
    /// The user's id.
    pub(crate) subject: String,
    /// Whether anything of it can be opened.
    pub(crate) has_key: bool,
    /// The position of the event that put it under legal hold; null if it is not.
    pub(crate) held_at_position: Option<u64>,
    /// The position of the event that erased it last: nothing up to there can be opened. Null if it was never erased.
    pub(crate) erased_at_position: Option<u64>,
}

impl From<&SubjectState> for Subject {
    fn from(state: &SubjectState) -> Self {
        Self {
            subject: state.subject.to_string(),
            has_key: state.has_key,
            held_at_position: state.held_at.map(|position| position.0),
            erased_at_position: state.erased_at.map(|position| position.0),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<SubjectId>,
}

/// Subjects, by name.
#[utoipa::path(
    get, path = "/api/v1/subjects", operation_id = "listSubjects", tag = "subjects",
    params(Parameters),
    security(("bearer" = ["audit"])),
    responses((status = 200, body = Page<Subject>, description = "A page of subjects."))
)]
async fn list(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Page<Subject>>, Problem> {
    let limit = parameters.limit.unwrap_or_default().get();
    let states = app.store.all_subjects(parameters.after.as_ref(), limit).await?;
    let full = states.len() == limit as usize;
    Ok(Json(Page {
        next: states.last().filter(|_| full).map(|last| last.subject.to_string()),
        items: states.iter().map(Subject::from).collect(),
    }))
}

/// One subject.
#[utoipa::path(
    get, path = "/api/v1/subjects/{userId}", operation_id = "getSubject", tag = "subjects",
    params(("userId" = String, Path, description = "The user.")),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = Subject, description = "The subject."),
        (status = 404, description = "No such subject.")
    )
)]
async fn show(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(subject): Path<SubjectId>,
    _: Query<NoParameters>,
) -> Result<Json<Subject>, Problem> {
    let state = app.erasures.state(&subject).await?.ok_or(ErasureError::Unknown)?;
    Ok(Json(Subject::from(&state)))
}

/// Why it is done.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// Why, e.g. the number of a request: 10 to 500 characters, as they can be seen. It is recorded.
    #[schema(value_type = String, min_length = 10, max_length = 500)]
    reason: Reason,
}

/// What was erased.
#[derive(Serialize, utoipa::ToSchema)]
struct Erased {
    /// The subjects whose data keys were destroyed: that of the user, and those of streams that turned out to be about the
    /// same user. None if there was nothing left to erase.
    subjects: Vec<String>,
    /// The position of the last event that says so.
    position: u64,
}

/// Erases a user: everything personal and secret about them that was recorded so far becomes unreadable, for good.
///
/// When this is answered, the data key is destroyed and this process has forgotten it; others forget it within a second.
/// The events stay, with their ids, domains and dates. There is no way back.
#[utoipa::path(
    delete, path = "/api/v1/subjects/{userId}", operation_id = "eraseSubject", tag = "subjects",
    params(("userId" = String, Path, description = "The user.")),
    request_body = Why,
    security(("bearer" = ["erase"])),
    responses(
        (status = 202, body = Erased, description = "The user is erased."),
        (status = 404, description = "No such subject."),
        (status = 409, description = "The user is under legal hold; the detail names the event.")
    )
)]
async fn erase(
    scope: Scope<Erase>,
    State(app): State<Arc<App>>,
    Path(subject): Path<SubjectId>,
    _: Query<NoParameters>,
    Body(why): Body<Why>,
) -> Result<(StatusCode, Json<Erased>), Problem> {
    let facts = facts(&scope, &subject, why);
    admit(&app, &facts, Action::Erase).await?;
    // the erasure must finish even if the caller hangs up
    let (erasures, whom, by) = (app.erasures.clone(), subject, facts.clone());
    let work = app.tasks.spawn(async move { erasures.erase(&whom, &by).await });
    let erased = match work.await {
        Ok(Err(error @ ErasureError::Held(..))) => {
            app.journal.refused(Action::Erase, Refusal::LegalHold, facts).await?;
            return Err(error.into());
        }
        Ok(erased) => erased?,
        Err(_) => return Err(Problem::internal()),
    };
    let erased = Erased {
        subjects: erased.subjects.iter().map(ToString::to_string).collect(),
        position: erased.position.0,
    };
    Ok((StatusCode::ACCEPTED, Json(erased)))
}

/// What was recorded.
#[derive(Serialize, utoipa::ToSchema)]
struct Recorded {
    /// The position of the event that says so.
    position: u64,
}

/// Puts a user under legal hold: they cannot be erased until they are released. One who is, stays so.
#[utoipa::path(
    post, path = "/api/v1/subjects/{userId}/hold", operation_id = "holdSubject", tag = "subjects",
    params(("userId" = String, Path, description = "The user; need not be known yet.")),
    request_body = Why,
    security(("bearer" = ["erase"])),
    responses((status = 200, body = Recorded, description = "The user is under legal hold."))
)]
async fn hold(
    scope: Scope<Erase>,
    State(app): State<Arc<App>>,
    Path(subject): Path<SubjectId>,
    _: Query<NoParameters>,
    Body(why): Body<Why>,
) -> Result<Json<Recorded>, Problem> {
    let facts = facts(&scope, &subject, why);
    admit(&app, &facts, Action::Hold).await?;
    let position = app.erasures.hold(&subject, facts).await?.0;
    Ok(Json(Recorded { position }))
}

/// Lifts a legal hold.
#[utoipa::path(
    post, path = "/api/v1/subjects/{userId}/release", operation_id = "releaseSubject", tag = "subjects",
    params(("userId" = String, Path, description = "The user.")),
    request_body = Why,
    security(("bearer" = ["erase"])),
    responses(
        (status = 200, body = Recorded, description = "The user is released."),
        (status = 409, description = "There is no hold.")
    )
)]
async fn release(
    scope: Scope<Erase>,
    State(app): State<Arc<App>>,
    Path(subject): Path<SubjectId>,
    _: Query<NoParameters>,
    Body(why): Body<Why>,
) -> Result<Json<Recorded>, Problem> {
    let facts = facts(&scope, &subject, why);
    admit(&app, &facts, Action::Release).await?;
    let position = app.erasures.release(&subject, facts).await?.0;
    Ok(Json(Recorded { position }))
}

/// Counts the event against the caller's budget, as it is recorded past the journal. A refusal does not name the
/// subject: the path may hold anything, and the record is kept for ever.
async fn admit(app: &App, facts: &AccessFacts, action: Action) -> Result<(), Problem> {
    let about_nobody = AccessFacts {
        subject: None,
        ..facts.clone()
    };
    Ok(app.journal.admit(&facts.actor, 1, action, about_nobody).await?)
}

fn facts<S>(scope: &Scope<S>, subject: &SubjectId, why: Why) -> AccessFacts {
    AccessFacts {
        reason: Some(why.reason.into()),
        subject: Some(subject.clone()),
        ..scope.caller().facts()
    }
}

impl From<ErasureError> for Problem {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::Unknown => Self::not_found("the ledger knows no such subject"),
            ErasureError::Held(..) | ErasureError::NotHeld => Self::new(StatusCode::CONFLICT, error.to_string()),
            ErasureError::Record(error) => error.into(),
            ErasureError::Open(error) => error.into(),
            ErasureError::Store(error) => error.into(),
            ErasureError::Effect(EffectError::Store(error)) => error.into(),
            ErasureError::Effect(error @ EffectError::None { .. }) => {
                tracing::error!(%error, "what was asked for a subject had no effect");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            ErasureError::Journal(cause) => {
                let cause = anyhow::Error::new(cause);
                tracing::error!(error = format!("{cause:#}"), "an erasure is not in the journal yet");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the subject is erased, but this process's erasure journal could not be written, without which a backup would bring it \
                     back; mend that and ask again",
                )
            }
        }
    }
}
