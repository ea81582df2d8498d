//! Unrecognised webhooks, read again by a version that knows their kind. Nothing is rewritten: each gets a new event,
//! once, and an access event that holds both positions.

use aggregates::{AccessEvent, AccessFacts, EventId, OrderEvent, Position, WebhookUnrecognised};

use crate::ingest::{Ingest, ReadToday};
use crate::{OpenError, Outcome, Reader, RecordError};
use store::{EventFilter, EventQuery, Lookup, Store, StoreError, StoredEvent};

/// Why an unrecognised webhook cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum ReprocessError {
    /// Its source is not configured any more.
    #[error("the source {0} is not configured any more")]
    UnknownSource(String),
    /// The original cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The event cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for ReprocessError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// An unrecognised webhook.
pub struct Unrecognised {
    /// The event.
    pub event: StoredEvent,
    /// Its facts.
    pub facts: WebhookUnrecognised,
}

/// What became of an unrecognised webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reprocessed {
    /// It would be an event of this type; nothing was recorded.
    WouldBe(&'static str),
    /// It is an event of this type now, at this position.
    Recorded(&'static str, Position),
    /// It became one before, at this position.
    AlreadyThere(&'static str, Position),
    /// This version does not know its kind either.
    Unknown,
    /// It cannot be used, for this reason.
    Unusable(String),
    /// Its subject was erased, so there is nothing to read.
    Erased,
}

/// A page of unrecognised webhooks after a position, oldest first, and the position of the last event that was read:
/// none if there is no event left.
///
/// # Errors
/// [`StoreError`]
pub async fn list(
    store: &dyn Store,
    after: Position,
    limit: u32,
) -> Result<(Vec<Unrecognised>, Option<Position>), StoreError> {
    let query = EventQuery {
        after,
        limit,
        filter: EventFilter {
            types: vec!["WebhookUnrecognised".to_owned()],
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    let events = store.events(&query).await?;
    let last = events.last().map(|event| event.position);
    let mut found = Vec::with_capacity(events.len());
    for event in events {
        if let Some(OrderEvent::WebhookUnrecognised(facts)) = event.to_recorded()?.order() {
            let facts = facts.clone();
            found.push(Unrecognised { event, facts });
        }
    }
    Ok((found, last))
}

/// Reads an unrecognised webhook with today's parser. If its kind is known now, it is recorded as the event that it is.
/// A repeated call changes nothing, and with `dry_run` none does.
///
/// # Errors
/// [`ReprocessError`]
pub async fn reprocess<'i>(
    store: &dyn Store,
    reader: &Reader,
    ingest: impl Fn(&str) -> Option<&'i Ingest>,
    found: &Unrecognised,
    facts: &AccessFacts,
    dry_run: bool,
) -> Result<Reprocessed, ReprocessError> {
    let Unrecognised { event, facts: claim } = found;
    // with its sealed sections, one at a time: a body may be a mebibyte
    let opened = store.events_at(&[event.position]).await?.pop();
    let event = opened.as_ref().unwrap_or(event);
    let source = event.source.as_str();
    let ingest = ingest(source).ok_or_else(|| ReprocessError::UnknownSource(source.to_owned()))?;
    let original = match reader.original(event).await {
        Ok(original) => original,
        Err(OpenError::Erased) => return Ok(Reprocessed::Erased),
        Err(error) => return Err(error.into()),
    };
    let position = event.position;
    let before = Lookup {
        events: vec![(event.source.clone(), EventId::reprocessed(position))],
        ..Lookup::default()
    };
    let before = store
        .lookup(&before)
        .await?
        .events
        .pop()
        .map(|(_, _, position, _)| position);
    let (type_name, receipt) = match ingest
        .read_as_today(&original, claim, (position, event.recorded_at), dry_run)
        .await?
    {
        ReadToday::Unknown => return Ok(Reprocessed::Unknown),
        ReadToday::Unusable(reason) => return Ok(Reprocessed::Unusable(reason)),
        ReadToday::Known(type_name, None) => {
            return Ok(before.map_or(Reprocessed::WouldBe(type_name), |position| {
                Reprocessed::AlreadyThere(type_name, position)
            }));
        }
        ReadToday::Known(type_name, Some(receipt)) => (type_name, receipt),
    };
    if receipt.outcome == Outcome::Quarantined {
        return Ok(Reprocessed::Unusable("it was quarantined".to_owned()));
    }
    let facts = AccessFacts {
        first_position: Some(position),
        last_position: Some(receipt.position),
        subject: Some(event.subject.clone()),
        ..facts.clone()
    };
    let event_id = EventId::parse(&format!("replay-{position}")).map_err(StoreError::from)?;
    crate::record_access_as(store, event_id, AccessEvent::WebhookReplayed(facts)).await?;
    Ok(match receipt.outcome {
        Outcome::Duplicate => Reprocessed::AlreadyThere(type_name, receipt.position),
        _ => Reprocessed::Recorded(type_name, receipt.position),
    })
}
