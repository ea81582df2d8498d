//! `/api/v1/events`: the feed by page, in log order, as CloudEvents 1.0.

use aggregates::{Event, Position, StreamId, SubjectId};

use super::auth::{Audit, Scope};
use super::extract::taken;
use super::prelude::*;
use crate::access::Read;
use crate::feed::{self, CloudEvent};
use store::{Category, Consumer, ConsumerName, EventFilter, Store};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(feed))
}

/// The most positions that one page of a filter scans. Types and subjects have no index, which every webhook would pay
/// for; this bounds the time of a page when matches are rare.
const LOOKED_THROUGH: u64 = 50_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Only events after this position: the `next` or the `position` of the page before, or the `position` of the last
    /// event seen.
    #[param(value_type = Option<u64>)]
    after: Option<Number>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
}

/// Stored event types, separated by commas.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct EventTypes(Vec<String>);

impl TryFrom<String> for EventTypes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let types: Vec<String> = text.split(',').map(str::to_owned).collect();
        known_types(&types)?;
        Ok(Self(types))
    }
}

/// Checks that all these types exist; the error lists those that do.
pub(super) fn known_types(types: &[String]) -> Result<(), String> {
    let names: Vec<&str> = Event::type_names().collect();
    if types.len() > names.len() {
        return Err(format!(
            "names {} types, and there are {}: name each once",
            types.len(),
            names.len()
        ));
    }
    if types.iter().all(|name| names.contains(&name.as_str())) {
        Ok(())
    } else {
        Err(format!("has to be one or several of {}", names.join(", ")))
    }
}

/// Who reads what: a filter of the call's own, or a named consumer with its filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Only events of these types, separated by commas, e.g. `MailboxesAssigned`.
    #[param(value_type = Option<String>)]
    r#type: Option<EventTypes>,
    /// Only events of streams of this category, the part of the name before the first `-`, e.g. `order`.
    #[param(value_type = Option<String>)]
    category: Option<KnownCategory>,
    /// Only events of this stream, e.g. `order-WR3N4JEW3D76N6KGRQSG36SSHBXK`.
    #[param(value_type = Option<String>)]
    stream: Option<StreamId>,
    /// Only events that are about this user, by the `userId` of an order.
    #[param(value_type = Option<String>)]
    subject: Option<SubjectId>,
    /// As this named consumer: what its filter lets pass, after its checkpoint unless a position is given.
    #[param(value_type = Option<String>)]
    consumer: Option<ConsumerName>,
}

taken!(Choice: "type", "category", "stream", "subject", "consumer");

/// What to read, and from where.
pub(super) struct Chosen {
    pub(super) filter: EventFilter,
    pub(super) after: Position,
    pub(super) consumer: Option<Consumer>,
}

impl Choice {
    /// Looks up the consumer and records that it was seen. `after` overrides its checkpoint.
    pub(super) async fn resolve(self, store: &dyn Store, after: Option<u64>) -> Result<Chosen, Problem> {
        let own = EventFilter {
            types: self.r#type.map(|types| types.0).unwrap_or_default(),
            category: self.category.map(|category| category.0),
            stream: self.stream,
            subject: self.subject,
        };
        let after = after.map(Position);
        let Some(name) = self.consumer else {
            return Ok(Chosen {
                filter: own,
                after: after.unwrap_or_default(),
                consumer: None,
            });
        };
        if own != EventFilter::default() {
            let detail = "query parameter consumer: a consumer reads by its own filter; leave out type, category, \
                          stream and subject, or change its filter with PUT /api/v1/consumers/{name}";
            return Err(Problem::bad_request(detail));
        }
        let consumer = store.consumer(&name).await?.ok_or_else(no_such_consumer)?;
        feed::note_seen(store, &consumer).await?;
        Ok(Chosen {
            filter: consumer.filter.clone(),
            after: after.unwrap_or(consumer.position),
            consumer: Some(consumer),
        })
    }
}

/// There is no consumer of the name.
pub(super) fn no_such_consumer() -> Problem {
    Problem::not_found("there is no such consumer; PUT /api/v1/consumers/{name} makes one")
}

/// The category of streams that exist.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct KnownCategory(pub(super) Category);

impl TryFrom<String> for KnownCategory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let category = Category::try_from(text)?;
        known_category(&category)?;
        Ok(Self(category))
    }
}

/// Checks that the category exists; the error lists those that do.
pub(super) fn known_category(category: &Category) -> Result<(), String> {
    if StreamId::CATEGORIES.contains(&category.as_str()) {
        Ok(())
    } else {
        Err(format!("has to be one of {}", StreamId::CATEGORIES.join(", ")))
    }
}

/// A page of the feed.
#[derive(Serialize, utoipa::ToSchema)]
struct FeedPage {
    /// The events.
    #[schema(value_type = Vec<documents::CloudEvent>)]
    items: Vec<CloudEvent>,
    /// What to send as `after` for the next page; null where there is none for now. Under a filter a page may have few
    /// items or none and a next one all the same: it looks through 50,000 positions at most.
    next: Option<String>,
    /// Everything up to this position has been looked at: what to send as `after` when asking again later. A filter may
    /// have left out events between the last item and here.
    position: u64,
}

/// The feed of all events, oldest first.
///
/// The first read with a token from an address is recorded, once an hour, and so is in the feed itself.
///
/// To follow it, ask with the `position` of the page before as `after`, at once while `next` is not null, from time to
/// time when it is. Positions have no gaps and what was read once never changes, so nothing is missed or seen twice.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "listEvents", tag = "events",
    params(Parameters, Choice),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = FeedPage, description = "A page of the feed."),
        (status = 404, description = "No such consumer.")
    )
)]
async fn feed(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    choice: Choice,
    Query(Parameters { after, limit }): Query<Parameters>,
) -> Result<Json<FeedPage>, Problem> {
    let limit = limit.unwrap_or_default().get();
    let chosen = choice.resolve(&*app.store, after.map(|after| after.0)).await?;
    let head = app.store.head().await?.position;
    app.journal.read(scope.caller(), Read::Feed(chosen.after)).await?;
    let until = until(&chosen.filter, chosen.after, head);
    let page = feed::page(&*app.store, &chosen.filter, chosen.after, until, limit).await?;
    let more = page.events.len() == limit as usize || page.position < head;
    let items = page.events.into_iter().map(CloudEvent::try_from);
    Ok(Json(FeedPage {
        items: items.collect::<Result<_, _>>()?,
        next: more.then(|| page.position.to_string()),
        position: page.position.0,
    }))
}

/// The last position that one page scans.
fn until(filter: &EventFilter, after: Position, head: Position) -> Position {
    // streams have an index
    if filter.stream.is_some() || *filter == EventFilter::default() {
        return head;
    }
    head.min(Position(after.0.saturating_add(LOOKED_THROUGH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_filter_that_has_no_index_looks_only_so_far() {
        let (rare, head) = (
            EventFilter {
                types: vec!["SubscriptionExpired".to_owned()],
                ..EventFilter::default()
            },
            Position(1_000_000),
        );
        assert_eq!(until(&rare, Position(0), head), Position(LOOKED_THROUGH));
        assert_eq!(until(&rare, Position(999_999), head), head);
        assert_eq!(until(&rare, Position(u64::MAX), head), head);
        assert_eq!(until(&EventFilter::default(), Position(0), head), head);
        let stream = EventFilter {
            stream: StreamId::parse("order-1").ok(),
            ..rare
        };
        assert_eq!(until(&stream, Position(0), head), head);
    }
}
