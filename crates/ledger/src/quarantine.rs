//! Quarantined webhooks: a list with reasons, and reading them again once this version understands more.

use aggregates::{AccessEvent, AccessFacts, EventId, OrderEvent, Position, WebhookQuarantined};

use crate::ingest::{Ingest, ReadAgain};
use crate::{OpenError, Outcome, Reader, RecordError};
use store::{EventFilter, EventQuery, Store, StoreError, StoredEvent};

/// Why quarantined webhooks cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The event at the position is not a quarantined webhook, or there is none.
    #[error("there is no quarantined webhook at position {0}")]
    NotQuarantined(Position),
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

impl From<StoreError> for QuarantineError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// A quarantined webhook.
pub struct Quarantined {
    /// The event.
    pub event: StoredEvent,
    /// Its facts.
    pub facts: WebhookQuarantined,
}

/// The result of reading a quarantined webhook again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is a proper event now.
    Recorded(Position),
    /// It was replayed before, or the sender has delivered it again in a form that could be used.
    AlreadyThere(Position),
    /// It still cannot be used, for this reason.
    Unusable(String),
    /// Its subject was erased, so there is nothing to read.
    Erased,
}

/// Quarantined webhooks after a position, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError`]
pub async fn list(store: &dyn Store, after: Position, limit: u32) -> Result<Vec<Quarantined>, StoreError> {
    let query = EventQuery {
        after,
        limit,
        filter: EventFilter {
            types: vec!["WebhookQuarantined".to_owned()],
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    let events = store.events(&query).await?;
    let read = events.into_iter().map(|event| Ok(quarantined(event)?.ok()));
    read.filter_map(Result::transpose).collect()
}

/// The event as a quarantined webhook; the event itself if it is none.
fn quarantined(event: StoredEvent) -> Result<Result<Quarantined, StoredEvent>, StoreError> {
    match event.to_recorded()?.order() {
        Some(OrderEvent::WebhookQuarantined(facts)) => {
            let facts = facts.clone();
            Ok(Ok(Quarantined { event, facts }))
        }
        _ => Ok(Err(event)),
    }
}

/// Reads the quarantined webhook at a position with today's parser. If it can be used now, it is recorded as a proper
/// event, and a second event records where it came from. A repeated call changes nothing.
///
/// # Errors
/// [`QuarantineError`]
pub async fn replay<'i>(
    store: &dyn Store,
    reader: &Reader,
    ingest: impl Fn(&str) -> Option<&'i Ingest>,
    position: Position,
    facts: &AccessFacts,
) -> Result<Replayed, QuarantineError> {
    let event = store.events_at(&[position]).await?.pop();
    let event = event.ok_or(QuarantineError::NotQuarantined(position))?;
    let found = quarantined(event)?.map_err(|_| QuarantineError::NotQuarantined(position))?;
    let source = found.event.source.as_str();
    let ingest = ingest(source).ok_or_else(|| QuarantineError::UnknownSource(source.to_owned()))?;
    let original = match reader.original(&found.event).await {
        Ok(original) => original,
        Err(OpenError::Erased) => return Ok(Replayed::Erased),
        Err(error) => return Err(error.into()),
    };
    let receipt = match ingest
        .read_again(&original, &found.facts, found.event.recorded_at)
        .await?
    {
        ReadAgain::Unusable(reason) => return Ok(Replayed::Unusable(reason)),
        // its event id belongs to another event, so the ledger recognised the same quarantined webhook
        ReadAgain::Recorded(receipt) if receipt.position == position => {
            return Ok(Replayed::Unusable(found.facts.detail));
        }
        ReadAgain::Recorded(receipt) => receipt,
    };
    if receipt.outcome == Outcome::Quarantined {
        return Ok(Replayed::Unusable("it was quarantined again".to_owned()));
    }
    let facts = AccessFacts {
        first_position: Some(position),
        last_position: Some(receipt.position),
        subject: Some(found.event.subject.clone()),
        ..facts.clone()
    };
    // one such event for each quarantined webhook, however often it is replayed
    let event_id = EventId::parse(&format!("replay-{position}")).map_err(StoreError::from)?;
    crate::record_access_as(store, event_id, AccessEvent::WebhookReplayed(facts)).await?;
    Ok(match receipt.outcome {
        Outcome::Duplicate => Replayed::AlreadyThere(receipt.position),
        _ => Replayed::Recorded(receipt.position),
    })
}
