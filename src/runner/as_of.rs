//! Answers as of an earlier moment: one row, folded from exactly the events that it rests on.

use std::fmt;
use std::str::FromStr;

use aggregates::{Position, Recorded, StreamId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use projections::{AnyProjection, Origin};

use super::RunError;
use super::advance::fold_row;
use crate::store::{EventQuery, Lookup, Reference, Store, StoreError, StoredEvent};

/// Events read at once where the whole log has to be read.
const PAGE: u32 = 5_000;

/// A moment in the ledger's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the event at this position.
    Position(Position),
    /// After everything that was recorded until then.
    Time(Timestamp),
}

/// A text that names no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a moment is a position (a whole number), a time (RFC 3339, such as 2026-03-01T12:00:00Z) or a date (UTC, its start)"
)]
pub struct NotAMoment;

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(Position(position)));
        }
        let date = |text: &str| {
            text.parse::<Date>()?
                .to_zoned(TimeZone::UTC)
                .map(|start| start.timestamp())
        };
        text.parse()
            .or_else(|_| date(text))
            .map(Self::Time)
            .map_err(|_: jiff::Error| NotAMoment)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => position.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// The position that a moment stands for: that of the last event recorded until then, at most the end of the log.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn position_at(store: &dyn Store, moment: Moment) -> Result<Position, StoreError> {
    let head = store.head().await?.position;
    let time = match moment {
        Moment::Position(position) => return Ok(position.min(head)),
        Moment::Time(time) => time,
    };
    // recorded_at never decreases with the position, and positions have no gaps: halve the log until it is found
    let (mut before, mut after) = (0, head.0 + 1);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let query = EventQuery {
            after: Position(middle - 1),
            limit: 1,
            ..EventQuery::default()
        };
        match store.events(&query).await?.first() {
            Some(event) if event.recorded_at <= time => before = middle,
            _ => after = middle,
        }
    }
    Ok(Position(before))
}

/// A projection's document for a key as it stood after the event at `until`; none if there was no such row.
///
/// # Errors
/// [`RunError`] if the store fails or an event cannot be folded.
pub async fn as_of(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: &str,
    until: Position,
) -> Result<Option<String>, RunError> {
    let events = history(store, projection, key, until).await?;
    let events: Vec<&Recorded> = events.iter().collect();
    if events.is_empty() {
        return Ok(None);
    }
    let folded = fold_row(projection, key, None, &events).map_err(|error| RunError::Fold {
        projection: projection.name(),
        key: key.to_owned(),
        error,
    })?;
    Ok(folded.row.map(|(document, _)| document))
}

/// The events that a row rests on up to a position, in their order.
///
/// # Errors
/// [`RunError`] if the store fails.
pub async fn history(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: &str,
    until: Position,
) -> Result<Vec<Recorded>, RunError> {
    let touched = |stored: StoredEvent| -> Result<Option<Recorded>, StoreError> {
        let event = stored.to_recorded()?;
        let touches = event.position <= until && projection.keys(&event).iter().any(|touched| touched == key);
        Ok(touches.then_some(event))
    };
    let mut events = Vec::new();
    let streams = match projection.origin(key) {
        None => Vec::new(),
        Some(Origin::Log) => {
            let mut after = Position(0);
            while after < until {
                let page = store
                    .events(&EventQuery {
                        after,
                        limit: PAGE,
                        ..EventQuery::default()
                    })
                    .await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                for stored in page {
                    events.extend(touched(stored)?);
                }
            }
            return Ok(events);
        }
        Some(Origin::Order(id)) => vec![StreamId::order(&id)],
        Some(Origin::Subscription(id)) => {
            let mut streams = referenced(store, Reference::subscription(&id)).await?;
            streams.push(StreamId::subscription(&id));
            streams
        }
        Some(Origin::Domain(name)) => referenced(store, Reference::domain(&name)).await?,
        Some(Origin::Event(source, id)) => {
            let lookup = Lookup {
                events: vec![(source, id)],
                ..Lookup::default()
            };
            store
                .lookup(&lookup)
                .await?
                .events
                .into_iter()
                .map(|(_, _, _, stream)| stream)
                .collect()
        }
    };
    for stored in store.streams(&streams).await? {
        events.extend(touched(stored)?);
    }
    Ok(events)
}

async fn referenced(store: &dyn Store, reference: Reference) -> Result<Vec<StreamId>, StoreError> {
    let found = store
        .lookup(&Lookup {
            references: vec![reference],
            ..Lookup::default()
        })
        .await?;
    let mut streams: Vec<StreamId> = found.references.into_iter().map(|(_, stream)| stream).collect();
    streams.sort_unstable();
    streams.dedup();
    Ok(streams)
}
