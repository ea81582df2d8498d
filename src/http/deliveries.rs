//! `/api/v1/deliveries`: what came, from where, and how it was answered.

use aggregates::{EventId, OrderId, Position, Source};
use projections::{Kind, Value};

use super::auth::{Audit, Scope};
use super::list::{encode, not_a_cursor, place};
use super::prelude::*;
use crate::deliveries::{self, FoundDelivery};
use store::DeliveryOutcome;

/// The list in its cursors.
const LIST: &str = "deliveries";

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Some outcomes, separated by commas.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct Outcomes(Vec<DeliveryOutcome>);

impl TryFrom<String> for Outcomes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let outcomes: Option<Vec<DeliveryOutcome>> = text.split(',').map(str::trim).map(DeliveryOutcome::of).collect();
        let known = DeliveryOutcome::ALL.map(DeliveryOutcome::as_str).join(", ");
        outcomes
            .map(Self)
            .ok_or_else(|| format!("has to be one or some of {known}, separated by commas"))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// The sender's id of the event.
    #[param(value_type = Option<String>)]
    event_id: Option<EventId>,
    /// The order.
    #[param(value_type = Option<String>)]
    order_id: Option<OrderId>,
    /// A domain that the webhook names.
    #[param(value_type = Option<String>)]
    domain: Option<DomainName>,
    /// The source.
    #[param(value_type = Option<String>)]
    source: Option<Source>,
    /// The outcome, or several separated by commas, e.g. `refused,quarantined`.
    #[param(value_type = Option<String>)]
    outcome: Option<Outcomes>,
}

/// A delivery. An event that was recorded without a listed delivery (from a file, by an earlier version, just before a crash,
/// or longer ago than deliveries are listed) has neither number nor address, status or request id.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    /// Its number in the list.
    id: Option<u64>,
    /// When it was answered.
    at: Timestamp,
    /// The source that it claims to be of.
    source: String,
    /// Where it came from.
    address: Option<String>,
    /// `recorded`, `duplicate`, `quarantined`, `unrecognised` (recorded, of an unknown kind) or `refused`.
    outcome: &'static str,
    /// Why it was refused: `missingSignature`, `malformedSignature`, `wrongSignature`, `missingTimestamp`,
    /// `malformedTimestamp`, `stale`, `contentType`, `contentEncoding`, `tooLarge`, `interrupted`, `queueFull`,
    /// `storeAway`, `noMasterKey`, `shuttingDown`, `failed`.
    cause: Option<String>,
    /// The status of the answer.
    status: Option<u16>,
    /// The request id of the answer.
    request_id: Option<String>,
    /// The sender's id of the event; of a refused webhook, what its body claims.
    event_id: Option<String>,
    /// The position of its event; of a duplicate, the first one's.
    position: Option<u64>,
}

impl From<FoundDelivery> for Delivery {
    fn from(found: FoundDelivery) -> Self {
        Self {
            id: found.id,
            at: found.at,
            source: found.source.into(),
            address: found.address,
            outcome: found.outcome.as_str(),
            cause: found.cause,
            status: found.status,
            request_id: found.request_id,
            event_id: found.event_id.map(String::from),
            position: found.position.map(|Position(position)| position),
        }
    }
}

/// Deliveries of webhooks, newest first: did it arrive, and how was it answered?
///
/// Deliveries are listed within a second of their answer, and for a bounded time (the setting `deliveries_keep`). With
/// `eventId`, `orderId` or `domain`, events that lack a listed delivery are answered too. Anybody can send a webhook that is
/// refused, and claim any id in it.
#[utoipa::path(
    get, path = "/api/v1/deliveries", operation_id = "listDeliveries", tag = "webhooks",
    params(Filter, Range, Paging),
    security(("bearer" = ["audit"])),
    responses((status = 200, body = Page<Delivery>, description = "A page of deliveries."))
)]
async fn list(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    page: Paging,
    range: Range,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let after = page.after().map(cursor).transpose()?;
    let filter = deliveries::Filter {
        event_id: filter.event_id,
        order_id: filter.order_id,
        domain: filter.domain.map(|DomainName(domain)| domain),
        source: filter.source,
        outcomes: filter.outcome.map(|Outcomes(outcomes)| outcomes).unwrap_or_default(),
        from: range.from,
        to: range.to,
    };
    let sources: Vec<Source> = app.ingests.values().map(|ingest| ingest.source().clone()).collect();
    // one more than the limit shows whether there is a next page
    let limit = page.limit();
    let mut found = deliveries::find(&*app.store, &sources, &filter, after, limit + 1).await?;
    let next = super::list::cut(&mut found, limit).map(|last| {
        let (at, id) = last.place();
        encode(LIST, &Value::Timestamp(at), &id.to_string(), None)
    });
    Ok(Json(Page {
        items: found.into_iter().map(Delivery::from).collect(),
        next,
    }))
}

/// The place in a cursor of this list.
fn cursor(text: &str) -> Result<(Timestamp, u64), Problem> {
    match place(text, LIST, Kind::Timestamp) {
        Some((Value::Timestamp(at), id)) => Ok((at, id.parse().map_err(|_| not_a_cursor())?)),
        _ => Err(not_a_cursor()),
    }
}
