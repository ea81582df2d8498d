//! `/api/v1/projections/{name}/parked` and `…/retry`: rows parked since an event could not be folded into them, and
//! retrying them.

use projections::{AnyProjection, Value};

use super::auth::{Operate, Scope};
use super::list::{cut, encode, key_in};
use super::prelude::*;
use super::projections::named;
use runner::RunError;
use store::{Parked, ParkedRow};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retry))
}

/// A parked row.
#[derive(Serialize, utoipa::ToSchema)]
struct ParkedItem {
    /// Its key.
    key: String,
    /// The position of the event that could not be folded; the row is the fold of those before it.
    position: u64,
    /// What was wrong.
    error: String,
    /// Since when it is parked.
    since: Timestamp,
}

impl From<ParkedRow> for ParkedItem {
    fn from(row: ParkedRow) -> Self {
        Self {
            key: row.parked.key,
            position: row.parked.position.0,
            error: row.parked.error,
            since: row.parked_at,
        }
    }
}

/// The parked rows of a projection, by key: an event could not be folded into them. All other rows go on, and no event is
/// lost: a retry folds the row from all of its events.
#[utoipa::path(
    get, path = "/api/v1/projections/{name}/parked", operation_id = "listParkedRows", tag = "projections",
    params(("name" = String, Path, description = "The projection."), Paging),
    security(("bearer" = ["operate"])),
    responses(
        (status = 200, body = Page<ParkedItem>, description = "A page of parked rows."),
        (status = 404, description = "No such projection.")
    )
)]
async fn list(
    _: Scope<Operate>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    page: Paging,
    _: Query<NoParameters>,
) -> Result<Json<Page<ParkedItem>>, Problem> {
    let projection = named(&name)?;
    let list = format!("{}/parked", projection.name());
    let mut rows = runner::parked(&*app.store, Some(projection.name())).await?;
    if let Some(cursor) = page.after() {
        let after = key_in(cursor, &list)?;
        rows.retain(|row| row.parked.key > after);
    }
    let last = cut(&mut rows, page.limit());
    Ok(Json(Page {
        next: last.map(|row| encode(&list, &Value::Text(row.parked.key.clone()), &row.parked.key, None)),
        items: rows.into_iter().map(ParkedItem::from).collect(),
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Which {
    /// Only the row with this key; every parked row without it.
    #[param(value_type = Option<String>)]
    key: Option<Words>,
}

/// What came of a retry.
#[derive(Serialize, utoipa::ToSchema)]
struct RetryOutcome {
    /// The keys of the rows that are up to date again.
    mended: Vec<String>,
    /// The rows that are still parked.
    parked: Vec<StillParked>,
}

/// A row that still cannot be folded.
#[derive(Serialize, utoipa::ToSchema)]
struct StillParked {
    /// Its key.
    key: String,
    /// The position of the event that could not be folded.
    position: u64,
    /// What is wrong now.
    error: String,
}

impl From<Parked> for StillParked {
    fn from(parked: Parked) -> Self {
        Self {
            key: parked.key,
            position: parked.position.0,
            error: parked.error,
        }
    }
}

/// Folds parked rows anew from all of their events, one after the other; answered when it is done. Whichever process
/// keeps the views up to date, any of them takes this call. For very many rows a rebuild is faster.
#[utoipa::path(
    post, path = "/api/v1/projections/{name}/retry", operation_id = "retryParkedRows", tag = "projections",
    params(("name" = String, Path, description = "The projection."), Which),
    security(("bearer" = ["operate"])),
    responses(
        (status = 200, body = RetryOutcome, description = "They were tried; what still fails stays parked."),
        (status = 404, description = "No such projection, or no parked row with this key."),
        (status = 409, description = "The rows are of another version, or move on too fast: rebuild the projection instead.")
    )
)]
async fn retry(
    _: Scope<Operate>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<RetryOutcome>, Problem> {
    let projection: &'static dyn AnyProjection = named(&name)?;
    let key = which.key.as_ref().map(|key| key.0.as_str());
    let retried = runner::retry(&*app.store, projection, key).await.map_err(refusal)?;
    if key.is_some() && retried.mended.is_empty() && retried.parked.is_empty() {
        let detail = "no row with this key is parked; GET /api/v1/projections/{name}/parked lists those that are";
        return Err(Problem::not_found(detail));
    }
    tracing::info!(
        projection = projection.name(),
        mended = retried.mended.len(),
        parked = retried.parked.len(),
        "parked rows were tried again"
    );
    Ok(Json(RetryOutcome {
        mended: retried.mended,
        parked: retried.parked.into_iter().map(StillParked::from).collect(),
    }))
}

fn refusal(error: RunError) -> Problem {
    match error {
        RunError::Store(error) => error.into(),
        RunError::OtherVersion(..) | RunError::TooFast(_) => Problem::new(StatusCode::CONFLICT, error.to_string()),
        RunError::Keys { .. }
        | RunError::Fold { .. }
        | RunError::Disturbed
        | RunError::TooManyMoments
        | RunError::Cancelled => {
            tracing::error!(%error, "parked rows could not be tried again");
            Problem::internal()
        }
    }
}
