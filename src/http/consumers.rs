//! `/api/v1/consumers`: named consumers of the feed, each with its filter and its checkpoint.

use aggregates::{AccessEvent, AccessFacts, Action, ActorId, Position, Refusal};

use super::auth::{AnyToken, Audit, Operate, Scope, refused, require};
use super::events::{known_category, known_types, no_such_consumer};
use super::prelude::*;
use crate::access::{self, Caller};
use crate::feed::{self, ConsumerStatus};
use store::{Consumer, ConsumerName, EventFilter, Store};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, put, delete))
        .routes(routes!(checkpoint))
}

/// How every named consumer is doing; all on one page.
///
/// `nats` is the relay's.
#[utoipa::path(
    get, path = "/api/v1/consumers", operation_id = "listConsumers", tag = "consumers",
    security(("bearer" = ["operate"])),
    responses((status = 200, body = Page<documents::ConsumerStatus>, description = "All consumers."))
)]
async fn list(
    _: Scope<Operate>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Page<ConsumerStatus>>, Problem> {
    Ok(Json(Page {
        items: feed::statuses(&*app.store).await?,
        next: None,
    }))
}

/// How one consumer is doing.
#[utoipa::path(
    get, path = "/api/v1/consumers/{name}", operation_id = "getConsumer", tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = documents::ConsumerStatus, description = "The consumer."),
        (status = 404, description = "No such consumer.")
    )
)]
async fn show(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
) -> Result<Json<ConsumerStatus>, Problem> {
    status(&*app.store, &name).await.map(Json)
}

/// What a consumer is to be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ConsumerRequest {
    /// What it reads; everything, if left out.
    #[serde(default)]
    #[schema(value_type = documents::EventFilter)]
    filter: EventFilter,
    /// Its checkpoint; if left out, a new consumer begins before the first event, and another one's stays where it is.
    position: Option<u64>,
    /// Whether the checkpoint may move back.
    #[serde(default)]
    rewind: bool,
}

/// Makes a consumer, or sets the filter of one that is there, and its checkpoint if it is given.
///
/// Names are 1 to 64 characters of a-z, 0-9, `-` and `_`. It belongs to the token that makes it, which may have as many as the setting
/// `consumers_per_token` says; only that token, and one with the scope `operate`, may change it. What changes something is recorded,
/// unless its owner only moves the checkpoint on.
#[utoipa::path(
    put, path = "/api/v1/consumers/{name}", operation_id = "putConsumer", tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    request_body = ConsumerRequest,
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = documents::ConsumerStatus, description = "It was there, and is as wanted now."),
        (status = 201, body = documents::ConsumerStatus, description = "It is new."),
        (status = 409, description = "The checkpoint would move back without `rewind`, or the name is the relay's."),
        (status = 415, description = "Not JSON.")
    )
)]
async fn put(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
    Body(wanted): Body<ConsumerRequest>,
) -> Result<impl IntoResponse, Problem> {
    not_the_relays(&name)?;
    known_types(&wanted.filter.types).map_err(|error| Problem::bad_request(format!("filter.types {error}")))?;
    if let Some(category) = &wanted.filter.category {
        known_category(category).map_err(|error| Problem::bad_request(format!("filter.category {error}")))?;
    }
    if let Some(position) = wanted.position {
        not_beyond_the_head(&*app.store, position).await?;
    }
    let caller = scope.caller();
    let owner = &caller.actor().id;
    let before = app.store.consumer(&name).await?;
    let _making = match &before {
        Some(consumer) => {
            may_change(&app, caller, consumer, Action::SetConsumer).await?;
            if consumer.filter == wanted.filter && wanted.position.is_none_or(|at| at == consumer.position.0) {
                return Ok((StatusCode::OK, Json(status(&*app.store, &name).await?)));
            }
            None
        }
        None => {
            // lock: two at once in this process would be counted as one
            let making = app.consumers.lock().await;
            may_have_one_more(&app, owner).await?;
            Some(making)
        }
    };
    // check before recording: a refused position is not recorded as set
    if let (Some(position), Some(before)) = (wanted.position, &before) {
        not_back(before, position, wanted.rewind)?;
    }
    // its owner's forward commit is not recorded: the record would be the next event for its reader to commit
    let moves_on = before.as_ref().is_some_and(|before| {
        before.owner.as_ref() == Some(owner)
            && before.filter == wanted.filter
            && wanted.position.is_some_and(|position| position > before.position.0)
    });
    if !moves_on {
        app.journal
            .record(AccessEvent::ConsumerSet(facts(caller, &name)))
            .await?;
    }
    // the checkpoint first: if it is refused, the filter does not change either
    if let (Some(position), Some(_)) = (wanted.position, before) {
        commit(&*app.store, &name, position, wanted.rewind).await?;
    }
    let begins = Position(wanted.position.unwrap_or_default());
    let new = app
        .store
        .put_consumer(&name, &wanted.filter, begins, Some(owner))
        .await?;
    let code = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((code, Json(status(&*app.store, &name).await?)))
}

/// Forgets a consumer and its checkpoint, which is recorded. Its owner may do so with the scope `audit`. If the relay runs, its `nats`
/// is made anew.
#[utoipa::path(
    delete, path = "/api/v1/consumers/{name}", operation_id = "deleteConsumer", tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    security(("bearer" = ["operate"])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "No such consumer.")
    )
)]
async fn delete(
    AnyToken(caller, _permit): AnyToken,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    let consumer = app.store.consumer(&name).await?;
    let own = consumer.as_ref().and_then(|consumer| consumer.owner.as_ref()) == Some(&caller.actor().id);
    if !(own && caller.may(access::Scope::Audit))
        && let Err(problem) = require(&caller, access::Scope::Operate)
    {
        let facts = facts(&caller, &name);
        return Err(refused(&app, Action::DeleteConsumer, Refusal::Scope, facts, problem).await);
    }
    consumer.ok_or_else(no_such_consumer)?;
    app.journal
        .record(AccessEvent::ConsumerDeleted(facts(&caller, &name)))
        .await?;
    match app.store.delete_consumer(&name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_consumer()),
    }
}

/// A consumer is done with everything up to a position.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct CommitRequest {
    /// The position: of the last event that is done with, or a later one up to which the stream has come.
    position: u64,
    /// Whether the checkpoint may move back, to read events again.
    #[serde(default)]
    rewind: bool,
}

/// Moves a consumer's checkpoint. What it has read and not committed, it gets again after a restart: at least once.
#[utoipa::path(
    post, path = "/api/v1/consumers/{name}/checkpoint", operation_id = "commitCheckpoint", tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    request_body = CommitRequest,
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = documents::ConsumerStatus, description = "It is stored."),
        (status = 404, description = "No such consumer."),
        (status = 409, description = "It would move back without `rewind`, or the consumer is the relay's."),
        (status = 415, description = "Not JSON.")
    )
)]
async fn checkpoint(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
    Body(checkpoint): Body<CommitRequest>,
) -> Result<Json<ConsumerStatus>, Problem> {
    not_the_relays(&name)?;
    not_beyond_the_head(&*app.store, checkpoint.position).await?;
    let consumer = app.store.consumer(&name).await?.ok_or_else(no_such_consumer)?;
    may_change(&app, scope.caller(), &consumer, Action::SetConsumer).await?;
    commit(&*app.store, &name, checkpoint.position, checkpoint.rewind).await?;
    status(&*app.store, &name).await.map(Json)
}

fn facts(caller: &Caller, name: &ConsumerName) -> AccessFacts {
    AccessFacts {
        consumer: Some(name.as_str().to_owned()),
        ..caller.facts()
    }
}

/// Checks that the caller may change the consumer. A refusal is recorded.
async fn may_change(app: &App, caller: &Caller, consumer: &Consumer, action: Action) -> Result<(), Problem> {
    let theirs = consumer.owner.as_ref().is_none_or(|owner| *owner == caller.actor().id);
    if theirs || caller.may(access::Scope::Operate) {
        return Ok(());
    }
    let facts = facts(caller, &consumer.name);
    let detail = "the consumer belongs to another token; choose another name, or use a token with the scope `operate`";
    let problem = Problem::new(StatusCode::FORBIDDEN, detail);
    Err(refused(app, action, Refusal::Scope, facts, problem).await)
}

/// Checks that the owner may have one more consumer.
async fn may_have_one_more(app: &App, owner: &ActorId) -> Result<(), Problem> {
    let consumers = app.store.consumers().await?;
    let own = consumers
        .iter()
        .filter(|consumer| consumer.owner.as_ref() == Some(owner));
    let most = app.consumers_per_token.get();
    if own.count() < most as usize {
        return Ok(());
    }
    let detail = format!(
        "a token may have {most} named consumers (setting consumers_per_token), and has them: delete one that is not needed any \
         more, or raise the setting"
    );
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail))
}

async fn status(store: &dyn Store, name: &ConsumerName) -> Result<ConsumerStatus, Problem> {
    feed::status(store, name).await?.ok_or_else(no_such_consumer)
}

async fn commit(store: &dyn Store, name: &ConsumerName, position: u64, rewind: bool) -> Result<(), Problem> {
    let to = Position(position);
    let furthest = if rewind { Position(u64::MAX) } else { to };
    if store.commit(name, Position(0)..=furthest, to, None).await? {
        return Ok(());
    }
    let consumer = store.consumer(name).await?.ok_or_else(no_such_consumer)?;
    not_back(&consumer, position, rewind)
}

fn not_back(consumer: &Consumer, position: u64, rewind: bool) -> Result<(), Problem> {
    let at = consumer.position;
    if rewind || at <= Position(position) {
        return Ok(());
    }
    let detail = format!("the checkpoint is at {at} already; to move it back, send \"rewind\": true");
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

async fn not_beyond_the_head(store: &dyn Store, position: u64) -> Result<(), Problem> {
    let head = store.head().await?.position;
    if Position(position) <= head {
        return Ok(());
    }
    let detail = format!("position: there is no event at {position} yet; the newest is at {head}");
    Err(Problem::bad_request(detail))
}

fn not_the_relays(name: &ConsumerName) -> Result<(), Problem> {
    if *name != ConsumerName::nats() {
        return Ok(());
    }
    let detail = "nats is the relay's own consumer, which moves its checkpoint by itself; choose another name";
    Err(Problem::new(StatusCode::CONFLICT, detail))
}
