//! `/api/v1/projections`: the status of the projections, and rebuilding them.

use aggregates::{AccessEvent, AccessFacts};
use axum::http::{StatusCode, header};
use projections::AnyProjection;

use super::auth::{Operate, Scope};
use super::prelude::*;
use crate::access::Reason;
use runner::{NotNow, Status};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rebuild))
}

/// The projection of that name; not found otherwise.
pub(super) fn named(name: &str) -> Result<&'static dyn AnyProjection, Problem> {
    projections::by_name(name).ok_or_else(|| {
        let names: Vec<_> = projections::all().iter().map(|known| known.name()).collect();
        Problem::not_found(format!("there is no such projection; there are {}", names.join(", ")))
    })
}

/// How every projection is doing; all on one page.
#[utoipa::path(
    get, path = "/api/v1/projections", operation_id = "listProjections", tag = "projections",
    security(("bearer" = ["operate"])),
    responses((status = 200, body = Page<documents::ProjectionStatus>, description = "All projections."))
)]
async fn list(
    _: Scope<Operate>,
    State(app): State<Arc<App>>,
    _: Query<NoParameters>,
) -> Result<Json<Page<Status>>, Problem> {
    Ok(Json(Page {
        items: app.live.statuses().await?,
        next: None,
    }))
}

/// A rebuild that has begun.
#[derive(Serialize, utoipa::ToSchema)]
struct Begun {
    /// The projection.
    name: &'static str,
    /// Always `rebuilding`; `GET /api/v1/projections` tells how far it is.
    state: &'static str,
}

/// Why something is done.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Why {
    /// Why, at most 500 characters; not empty. It is recorded.
    #[param(value_type = Option<String>)]
    #[serde(default, deserialize_with = "Reason::if_any")]
    reason: Option<Reason>,
}

/// Begins to rebuild a projection from all events, beside the rows that are read meanwhile; they are switched at once
/// when it has caught up. One at a time; on SQLite, webhooks that come in meanwhile go first.
#[utoipa::path(
    post, path = "/api/v1/projections/{name}/rebuild", operation_id = "rebuildProjection", tag = "projections",
    params(("name" = String, Path, description = "The projection."), Why),
    security(("bearer" = ["operate"])),
    responses(
        (status = 202, body = Begun, description = "It has begun; `Location` tells where to look."),
        (status = 404, description = "No such projection."),
        (status = 409, description = "It or another projection is being rebuilt: there is one rebuild at a time.")
    )
)]
async fn rebuild(
    scope: Scope<Operate>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(why): Query<Why>,
) -> Result<impl IntoResponse, Problem> {
    let projection = named(&name)?;
    let claimed = app.live.lock_rebuild(projection).await.map_err(|error| match error {
        NotNow::Store(error) => error.into(),
        NotNow::Rebuilding(_) => Problem::new(StatusCode::CONFLICT, error.to_string()),
    })?;
    let facts = AccessFacts {
        projection: Some(projection.name().to_owned()),
        reason: why.reason.map(String::from),
        ..scope.caller().facts()
    };
    app.journal.record(AccessEvent::RebuildRequested(facts)).await?;
    let work = claimed.begin(app.shutdown.clone()).await?;
    app.tasks.spawn(work);
    let begun = Begun {
        name: projection.name(),
        state: "rebuilding",
    };
    let location = [(header::LOCATION, "/api/v1/projections")];
    Ok((StatusCode::ACCEPTED, location, Json(begun)))
}
