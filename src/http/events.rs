//! `/api/v1/events`: the feed, in the ledger's one order, as CloudEvents 1.0.

use std::sync::Arc;

use aggregates::{OrderEvent, Position, StreamId};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Audit, Scope};
use super::extract::{Limit, Query};
use super::list::Page;
use super::problem::Refusals;
use super::{App, Problem, path_segment};
use crate::store::{EventQuery, StoreError, StoredEvent};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(feed))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only events after this position: the `next` of the page before, or the `position` of the last event seen.
    after: Option<u64>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
    /// Only events of this type, e.g. `MailboxesAssigned`.
    #[param(value_type = Option<String>)]
    r#type: Option<EventType>,
    /// Only events of this stream, e.g. `order-WR3N4JEW3D76N6KGRQSG36SSHBXK`.
    #[param(value_type = Option<String>)]
    stream: Option<StreamId>,
}

/// A stored event type.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct EventType(String);

impl TryFrom<String> for EventType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let names: Vec<&str> = OrderEvent::EVENT_TYPES.iter().map(|(name, _)| *name).collect();
        if names.contains(&text.as_str()) {
            Ok(Self(text))
        } else {
            Err(format!("has to be one of {}", names.join(", ")))
        }
    }
}

/// An event in the JSON format of CloudEvents 1.0. Nothing that is sealed is in it.
#[derive(Serialize, utoipa::ToSchema)]
struct CloudEvent {
    /// The version of CloudEvents.
    specversion: &'static str,
    /// The sender's id of the event; unique together with `source`.
    id: String,
    /// Where it came in: `/webhooks/<source>`, a URI reference relative to this service.
    source: String,
    /// What happened, as it is stored.
    r#type: String,
    /// When it was recorded.
    time: Timestamp,
    /// Its stream.
    subject: String,
    /// Of `data`.
    datacontenttype: &'static str,
    /// The plain facts, byte for byte as they are stored.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// Extension: its place in the ledger, 1, 2, 3, … without gaps.
    position: u64,
    /// Extension: its stream, as in `subject`.
    stream: String,
    /// Extension: its place in the stream, 1, 2, 3, …
    version: u32,
    /// Extension: the version of the shape of `data`.
    schemaversion: u32,
}

impl TryFrom<StoredEvent> for CloudEvent {
    type Error = StoreError;

    fn try_from(event: StoredEvent) -> Result<Self, StoreError> {
        let stream = String::from(event.stream);
        Ok(Self {
            specversion: "1.0",
            id: event.event_id.into(),
            source: format!("/webhooks/{}", path_segment(event.source.as_str())),
            r#type: event.type_name,
            time: event.recorded_at,
            subject: stream.clone(),
            datacontenttype: "application/json",
            data: RawValue::from_string(event.facts)
                .map_err(|error| StoreError::Corrupt(format!("facts at position {}: {error}", event.position)))?,
            position: event.position.0,
            stream,
            version: event.version,
            schemaversion: event.schema_version,
        })
    }
}

/// The feed of all events, oldest first.
///
/// To follow it, ask with `after` until a page comes with `next: null`: that is the end for now. Then ask again from
/// time to time with the `position` of the last event that was seen as `after`. `next` is that position whenever the
/// page is full, even if nothing may come behind it yet. Positions have no gaps and what was read once never changes,
/// so nothing is missed or seen twice.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "listEvents",
    tag = "events",
    params(Filter),
    security(("bearer" = ["audit"])),
    responses((status = 200, body = Page<CloudEvent>, description = "A page of the feed."), Refusals)
)]
async fn feed(
    _: Scope<Audit>,
    State(app): State<Arc<App>>,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<CloudEvent>>, Problem> {
    let limit = filter.limit.unwrap_or_default().get();
    let query = EventQuery {
        after: Position(filter.after.unwrap_or_default()),
        limit,
        type_name: filter.r#type.map(|name| name.0),
        stream: filter.stream,
        sealed: false,
    };
    let events = app.store.events(&query).await?;
    let full = events.len() == limit as usize;
    let next = events.last().filter(|_| full).map(|last| last.position.to_string());
    let items = events.into_iter().map(CloudEvent::try_from);
    Ok(Json(Page {
        items: items.collect::<Result<_, _>>()?,
        next,
    }))
}
