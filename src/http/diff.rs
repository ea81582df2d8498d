//! What changed in one row between two moments, and by which events.

use aggregates::OrderId;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use projections::orders::Orders;
use projections::{AnyProjection, Origin, Projection};

use super::auth::{AnyToken, Denied, Read, Scope, admit};
use super::extract::taken;
use super::prelude::*;
use super::projections::named;
use super::rows::scope_of;
use super::wanted::AsOf;
use crate::access;
use runner::Diff;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(row)).routes(routes!(order))
}

/// The most events that one answer reads where any event may affect the row.
const MOST_READ: u64 = 10_000;

/// The projection named in the path, if the caller may read its rows. Checked before any other parameter.
struct Readable(&'static dyn AnyProjection, AnyToken);

impl FromRequestParts<Arc<App>> for Readable {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Denied> {
        drop(admit(parts, app, access::Scope::Read).await?);
        let Path(name): Path<String> = Path::from_request_parts(parts, app).await?;
        let projection = named(&name)?;
        let token = admit(parts, app, scope_of(projection)).await?;
        Ok(Self(projection, token))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The row's key, e.g. an order's id for `orders`, a domain for `mailboxes`, a subscription's id for `renewals`.
    #[param(value_type = String)]
    key: Words,
}

/// Between which moments.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Moments {
    /// The moment before the changes: a position, an RFC 3339 time, or a date (its start in UTC). Without it all
    /// changes since the first event.
    #[param(value_type = Option<String>, example = "2025-11-01")]
    from: Option<AsOf>,
    /// The moment after them. Without it all changes until now.
    #[param(value_type = Option<String>, example = "2025-12-01")]
    to: Option<AsOf>,
}

taken!(Moments: "from", "to");

/// What changed in one row of a projection after `from` and up to `to`, field by field, and by which events. For a row of
/// `access` the token needs the scope `audit` as well.
#[utoipa::path(
    get, path = "/api/v1/projections/{name}/diff", operation_id = "diffRow", tag = "projections",
    params(("name" = String, Path, description = "The projection."), Row, Moments),
    security(("bearer" = ["read"])),
    responses(
        (
            status = 200, body = documents::Diff, description = "What changed; nothing, where no event in between changed the row.",
            headers(("Warmledger-Position" = u64, description = "The position of `to`."))
        ),
        (status = 404, description = "No such projection, or no such row until then.")
    )
)]
async fn row(
    Readable(projection, _token): Readable,
    State(app): State<Arc<App>>,
    moments: Moments,
    Query(row): Query<Row>,
) -> Result<Answer<Diff>, Problem> {
    between(&app, projection, &row.key.0, moments).await
}

/// What changed in an order after `from` and up to `to`, field by field, and by which events.
#[utoipa::path(
    get, path = "/api/v1/orders/{orderId}/diff", operation_id = "diffOrder", tag = "orders",
    params(("orderId" = String, Path, description = "The order."), Moments),
    security(("bearer" = ["read"])),
    responses(
        (
            status = 200, body = documents::Diff, description = "What changed; nothing, where no event in between changed the order.",
            headers(("Warmledger-Position" = u64, description = "The position of `to`."))
        ),
        (status = 404, description = "No such order until then.")
    )
)]
async fn order(
    _: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<OrderId>,
    moments: Moments,
    _: Query<NoParameters>,
) -> Result<Answer<Diff>, Problem> {
    between(&app, named(Orders::NAME)?, id.as_str(), moments).await
}

async fn between(
    app: &App,
    projection: &'static dyn AnyProjection,
    key: &str,
    Moments { from, to }: Moments,
) -> Result<Answer<Diff>, Problem> {
    let name = projection.name();
    let to = match to {
        Some(to) => to.as_of_point(app, "to").await?.position,
        None => app.store.head().await?.position,
    };
    let from = match from {
        Some(from) => from.as_of_point(app, "from").await?.position,
        None => aggregates::Position(0),
    };
    if from > to {
        let detail = format!("query parameter from: is position {from}, which is after to, position {to}");
        return Err(Problem::bad_request(detail));
    }
    if projection.origin(key) == Some(Origin::Log) && to.0 > MOST_READ {
        return Err(Problem::bad_request(format!(
            "a row of {name} may come of any event, so this diff would read all {to} events up to then, and one answer reads \
             at most {MOST_READ}; `warmledger projections diff {name} KEY` reads them all, which takes as long as it takes"
        )));
    }
    let diff = runner::diff(&*app.store, projection, key, from, to).await?;
    let missing = || Problem::not_found(format!("there was no such row of {name} until then")).at(to);
    Ok(Answer::new(to, diff.ok_or_else(missing)?))
}
