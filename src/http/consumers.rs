//! `/api/v1/consumers`: named consumers of the feed, each with its filter and its checkpoint.

use std::sync::Arc;

use aggregates::Position;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Audit, Operate, Scope};
use super::events::{known_category, known_types, no_such_consumer};
use super::extract::{Body, NoParameters, Path, Query};
use super::list::Page;
use super::problem::Refusals;
use super::{App, Problem};
use crate::feed::{self, ConsumerStatus};
use crate::store::{ConsumerName, EventFilter, Store};

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
    get,
    path = "/api/v1/consumers",
    operation_id = "listConsumers",
    tag = "consumers",
    security(("bearer" = ["operate"])),
    responses((status = 200, body = Page<ConsumerStatus>, description = "All consumers."), Refusals)
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
    get,
    path = "/api/v1/consumers/{name}",
    operation_id = "getConsumer",
    tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = ConsumerStatus, description = "The consumer."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such consumer."),
        Refusals
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
struct Wanted {
    /// What it reads; everything, if left out.
    #[serde(default)]
    filter: EventFilter,
    /// Its checkpoint; if left out, a new consumer begins before the first event, and another one's stays where it is.
    position: Option<u64>,
    /// Whether the checkpoint may move back.
    #[serde(default)]
    rewind: bool,
}

/// Makes a consumer, or sets the filter of one that is there, and its checkpoint if it is given.
///
/// Names are 1 to 64 characters of a-z, 0-9, `-` and `_`.
#[utoipa::path(
    put,
    path = "/api/v1/consumers/{name}",
    operation_id = "putConsumer",
    tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    request_body = Wanted,
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = ConsumerStatus, description = "It was there, and is as wanted now."),
        (status = 201, body = ConsumerStatus, description = "It is new."),
        (
            status = 409,
            body = Problem,
            content_type = "application/problem+json",
            description = "The checkpoint would move back without `rewind`, or the name is the relay's."
        ),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not JSON."),
        Refusals
    )
)]
async fn put(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
    Body(wanted): Body<Wanted>,
) -> Result<impl IntoResponse, Problem> {
    not_the_relays(&name)?;
    known_types(&wanted.filter.types).map_err(|error| Problem::bad_request(format!("filter.types {error}")))?;
    if let Some(category) = &wanted.filter.category {
        known_category(category).map_err(|error| Problem::bad_request(format!("filter.category {error}")))?;
    }
    if let Some(position) = wanted.position {
        not_beyond_the_head(&*app.store, position).await?;
    }
    // the checkpoint first: if it is refused, the filter stays as it is too
    if let Some(position) = wanted.position
        && app.store.consumer(&name).await?.is_some()
    {
        commit(&*app.store, &name, position, wanted.rewind).await?;
    }
    let begins = Position(wanted.position.unwrap_or_default());
    let new = app.store.put_consumer(&name, &wanted.filter, begins).await?;
    let code = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((code, Json(status(&*app.store, &name).await?)))
}

/// Forgets a consumer and its checkpoint. If the relay runs, its `nats` is made anew.
#[utoipa::path(
    delete,
    path = "/api/v1/consumers/{name}",
    operation_id = "deleteConsumer",
    tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    security(("bearer" = ["operate"])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such consumer."),
        Refusals
    )
)]
async fn delete(
    _: Scope<Operate>,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    match app.store.delete_consumer(&name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_consumer()),
    }
}

/// A consumer is done with everything up to a position.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    /// The position: of the last event that is done with, or a later one up to which the stream has come.
    position: u64,
    /// Whether the checkpoint may move back, to read events again.
    #[serde(default)]
    rewind: bool,
}

/// Moves a consumer's checkpoint. What it has read and not committed, it gets again after a restart: at least once.
#[utoipa::path(
    post,
    path = "/api/v1/consumers/{name}/checkpoint",
    operation_id = "commitCheckpoint",
    tag = "consumers",
    params(("name" = String, Path, description = "The consumer.")),
    request_body = Checkpoint,
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = ConsumerStatus, description = "It is stored."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such consumer."),
        (
            status = 409,
            body = Problem,
            content_type = "application/problem+json",
            description = "It would move back without `rewind`, or the consumer is the relay's."
        ),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not JSON."),
        Refusals
    )
)]
async fn checkpoint(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Path(name): Path<ConsumerName>,
    _: Query<NoParameters>,
    Body(checkpoint): Body<Checkpoint>,
) -> Result<Json<ConsumerStatus>, Problem> {
    not_the_relays(&name)?;
    not_beyond_the_head(&*app.store, checkpoint.position).await?;
    commit(&*app.store, &name, checkpoint.position, checkpoint.rewind).await?;
    status(&*app.store, &name).await.map(Json)
}

async fn status(store: &dyn Store, name: &ConsumerName) -> Result<ConsumerStatus, Problem> {
    feed::status(store, name).await?.ok_or_else(no_such_consumer)
}

async fn commit(store: &dyn Store, name: &ConsumerName, position: u64, rewind: bool) -> Result<(), Problem> {
    let to = Position(position);
    let furthest = if rewind { Position(u64::MAX) } else { to };
    if store.commit(name, Position(0)..=furthest, to).await? {
        return Ok(());
    }
    let at = store.consumer(name).await?.ok_or_else(no_such_consumer)?.position;
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
