//! `/api/v1/orders/{orderId}/events`: an order's timeline. The order's own stream, and those of its subscriptions, domains
//! and mailboxes, in the order in which they were recorded.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{CredentialKind, MailboxId, OrderEvent, OrderId, Position, StreamId};
use serde_json::value::RawValue;

use super::auth::{Read, Scope};
use super::list::cut;
use super::prelude::*;
use crate::access;
use store::{StoreError, StoredEvent};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(timeline))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TimelinePage {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<Limit>,
    /// The `next` of the page before: only events after this position.
    #[param(value_type = Option<u64>)]
    after: Option<Number>,
}

/// An event of an order's timeline. Nothing that is sealed is in it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct TimelineEvent {
    /// Its place in the ledger.
    position: u64,
    /// Its stream: the order's, or that of one of its subscriptions, domains or mailboxes.
    stream: String,
    /// Its place in its stream: 1, 2, 3, …
    version: u32,
    /// What happened.
    #[serde(rename = "type")]
    type_name: String,
    /// When it was recorded.
    recorded_at: Timestamp,
    /// The sender's id of it.
    event_id: String,
    /// Who sent it.
    source: String,
    /// The credentials that it brought, by mailbox: that they are new, or replace earlier ones; never what they are.
    credentials: Vec<BroughtCredentials>,
    /// The plain facts.
    #[schema(value_type = Object)]
    facts: Box<RawValue>,
}

/// The credentials of a mailbox that an event brought.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct BroughtCredentials {
    /// The mailbox.
    mailbox_id: String,
    /// Those that no earlier event of the timeline had.
    #[schema(value_type = Vec<String>)]
    first: Vec<CredentialKind>,
    /// Those that replace an earlier one.
    #[schema(value_type = Vec<String>)]
    changed: Vec<CredentialKind>,
}

impl TimelineEvent {
    fn new(event: StoredEvent, credentials: Vec<BroughtCredentials>) -> Result<Self, StoreError> {
        Ok(Self {
            position: event.position.0,
            stream: event.stream.into(),
            version: event.version,
            recorded_at: event.recorded_at,
            event_id: event.event_id.into(),
            source: event.source.into(),
            credentials,
            facts: RawValue::from_string(event.facts)
                .map_err(|error| StoreError::Corrupt(format!("facts at position {}: {error}", event.position)))?,
            type_name: event.type_name,
        })
    }
}

/// An order's timeline: its events and those of its subscriptions, domains and mailboxes, oldest first.
///
/// The first timeline that is read with a token from an address is recorded, once an hour.
#[utoipa::path(
    get, path = "/api/v1/orders/{orderId}/events", operation_id = "listOrderEvents", tag = "orders",
    params(("orderId" = String, Path, description = "The order."), TimelinePage),
    security(("bearer" = ["read"])),
    responses(
        (
            status = 200, body = Page<TimelineEvent>, description = "A page of the order's events.",
            headers(("Warmledger-Position" = u64, description = "The position up to which the answer holds every event."))
        ),
        (status = 404, description = "No such order.")
    )
)]
async fn timeline(
    scope: Scope<Read>,
    State(app): State<Arc<App>>,
    Path(id): Path<OrderId>,
    Query(page): Query<TimelinePage>,
) -> Result<Answer<Page<TimelineEvent>>, Problem> {
    app.journal.read(scope.caller(), access::Read::Timelines).await?;
    let head = app.store.head().await?.position;
    let limit = page.limit.unwrap_or_default().get();
    let after = Position(page.after.map_or(0, |after| after.0));
    let events = events(&app, &id).await?;
    if events.is_empty() {
        return Err(Problem::not_found("no such order is known").at(head));
    }
    let mut known = BTreeMap::new();
    let mut items = Vec::new();
    for event in events {
        // those of earlier pages too: what is changed depends on them
        let brought = brought(&event, &mut known)?;
        if event.position > after && items.len() <= limit as usize {
            items.push(TimelineEvent::new(event, brought)?);
        }
    }
    let next = cut(&mut items, limit).map(|last| last.position.to_string());
    Ok(Answer::new(head, Page { items, next }))
}

/// The events of the order's streams; none if the order is not known.
async fn events(app: &App, id: &OrderId) -> Result<Vec<StoredEvent>, Problem> {
    let own = StreamId::order(id);
    let events = app.store.streams(std::slice::from_ref(&own)).await?;
    if events.is_empty() {
        return Ok(events);
    }
    let mut streams = BTreeSet::from([own]);
    for event in &events {
        let recorded = event.to_recorded()?;
        if let Some(order) = recorded.order() {
            streams.extend(beside(order));
        }
    }
    let streams: Vec<StreamId> = streams.into_iter().collect();
    Ok(app.store.streams(&streams).await?)
}

/// The streams where events about the event's subscriptions, domains and mailboxes may be.
fn beside(event: &OrderEvent) -> Vec<StreamId> {
    match event {
        OrderEvent::MailboxesAssigned(facts) => {
            let domains = facts.domains.iter();
            let of_domain = domains.clone().map(|assigned| StreamId::domain(&assigned.domain));
            let paid = domains.clone().filter_map(|assigned| assigned.subscription_id.as_ref());
            let mailboxes = domains.flat_map(|assigned| &assigned.mailboxes);
            let mailboxes = mailboxes.filter_map(|mailbox| mailbox.mailbox_id.as_ref());
            of_domain
                .chain(paid.map(StreamId::subscription))
                .chain(mailboxes.map(StreamId::mailbox))
                .collect()
        }
        OrderEvent::MailboxCreated(facts) => {
            let domain = facts.domain.as_ref().map(StreamId::domain);
            let paid = facts.subscription_id.as_ref().map(StreamId::subscription);
            [domain, paid, Some(StreamId::mailbox(&facts.mailbox_id))]
                .into_iter()
                .flatten()
                .collect()
        }
        _ => match event.opens() {
            Some((paid, domain)) => {
                let domain = domain.map(StreamId::domain);
                domain.into_iter().chain(paid.map(StreamId::subscription)).collect()
            }
            None => Vec::new(),
        },
    }
}

/// The credentials that an event brought; adds them to those that are known.
fn brought(
    event: &StoredEvent,
    known: &mut BTreeMap<MailboxId, BTreeSet<CredentialKind>>,
) -> Result<Vec<BroughtCredentials>, StoreError> {
    let recorded = event.to_recorded()?;
    let mailboxes: Vec<(&MailboxId, &[CredentialKind])> = match recorded.order() {
        Some(OrderEvent::MailboxesAssigned(facts)) => {
            let mailboxes = facts.domains.iter().flat_map(|domain| &domain.mailboxes);
            let named = mailboxes.filter_map(|mailbox| Some((mailbox.mailbox_id.as_ref()?, &*mailbox.credentials)));
            named.collect()
        }
        Some(OrderEvent::MailboxCreated(facts)) => vec![(&facts.mailbox_id, &facts.credentials)],
        Some(OrderEvent::MailboxUpdated(facts)) => vec![(&facts.mailbox_id, &facts.credentials)],
        _ => Vec::new(),
    };
    let with_some = mailboxes.into_iter().filter(|(_, kinds)| !kinds.is_empty());
    let brought = with_some.map(|(id, kinds)| {
        let own = known.entry(id.clone()).or_default();
        let (changed, first) = kinds.iter().partition(|kind| own.contains(kind));
        own.extend(kinds);
        BroughtCredentials {
            mailbox_id: id.to_string(),
            first,
            changed,
        }
    });
    Ok(brought.collect())
}
