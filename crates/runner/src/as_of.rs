//! Answers as of an earlier moment: one row, folded from exactly the events that touch it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use aggregates::{Position, Recorded};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use projections::AnyProjection;

use super::RunError;
use super::erased::ErasedPositions;
use super::history::history;
use super::rows::fold_row;
use store::clock;
use store::{EventQuery, Store, StoreError, StoredEvent};

/// A moment in the ledger's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the event at this position.
    Position(Position),
    /// After everything recorded up to this time.
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

/// A past moment, and its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOfPoint {
    /// The last event recorded by then; 0 before the first.
    pub position: Position,
    /// The requested time; if a position was requested, the time at which its event was recorded.
    pub time: Timestamp,
}

/// Why a moment has no place in the log yet.
#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    /// It is a position beyond the end of the log.
    #[error("position {0} is still to come: the log ends at {1}")]
    Position(Position, Position),
    /// It is a time in the future.
    #[error("{0} is still to come: it is {1} now")]
    Time(Timestamp, Timestamp),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The place of a moment in the log.
///
/// # Errors
/// [`NotYet`] if it is in the future.
pub async fn as_of_point(store: &dyn Store, moment: Moment) -> Result<AsOfPoint, NotYet> {
    // the clock is read before the log: everything recorded by then is in it, except for appends in flight
    let now = clock::now();
    let head = store.head().await?.position;
    match moment {
        Moment::Position(position) if position > head => Err(NotYet::Position(position, head)),
        Moment::Position(position) => {
            let recorded_at = event_at(store, position).await?.map(|event| event.recorded_at);
            let time = recorded_at.unwrap_or(now);
            Ok(AsOfPoint { position, time })
        }
        Moment::Time(time) if time > now => Err(NotYet::Time(time, now)),
        Moment::Time(time) => {
            let position = position_at(store, head, time).await?;
            Ok(AsOfPoint { position, time })
        }
    }
}

/// The event at a position; none at 0.
async fn event_at(store: &dyn Store, Position(position): Position) -> Result<Option<StoredEvent>, StoreError> {
    let Some(before) = position.checked_sub(1) else {
        return Ok(None);
    };
    let query = EventQuery {
        after: Position(before),
        limit: 1,
        ..EventQuery::default()
    };
    Ok(store.events(&query).await?.pop())
}

/// The position of the last event stamped no later. If a clock had run ahead and was set back, earlier events may be
/// stamped later: they count as recorded before it.
async fn position_at(store: &dyn Store, head: Position, time: Timestamp) -> Result<Position, StoreError> {
    // within a part recorded_at never decreases and positions have no gaps: binary search
    let (Position(mut before), Position(mut after)) = store.part_at(time, head).await?;
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        match event_at(store, Position(middle)).await? {
            Some(event) if event.recorded_at <= time => before = middle,
            _ => after = middle,
        }
    }
    Ok(Position(before))
}

/// A projection's document for a key as of the event at `until`; none if there was no such row.
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

/// A projection's row for a key, as readers see it, as of the event at `until`; none if there was no such row.
///
/// # Errors
/// As [`as_of`].
pub async fn item_as_of(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: &str,
    until: Position,
) -> Result<Option<serde_json::Value>, RunError> {
    let events = history(store, projection, key, until).await?;
    let erased = ErasedPositions::of(store, projection, &events).await?;
    let events: Vec<&Recorded> = events.iter().collect();
    let mut row = None;
    steps(projection, key, &events, events.len(), &erased, |last| row = last)?;
    Ok(row)
}

/// A row as readers see it, before the event with the index `first` and after that one and each later one, without
/// credentials that were erased since. A panic of the projection is returned as an error.
pub(super) fn steps(
    projection: &dyn AnyProjection,
    key: &str,
    events: &[&Recorded],
    first: usize,
    erased: &ErasedPositions,
    mut seen: impl FnMut(Option<serde_json::Value>),
) -> Result<(), RunError> {
    let mut seen = |mut row: Option<serde_json::Value>| {
        if let Some(row) = &mut row {
            erased.mask(row);
        }
        seen(row);
    };
    let steps = catch_unwind(AssertUnwindSafe(|| projection.steps(key, events, first, &mut seen)));
    let steps = match steps {
        Ok(steps) => steps.map_err(|error| error.to_string()),
        Err(_) => Err("the projection panicked; the log says where".to_owned()),
    };
    steps.map_err(|error| RunError::Fold {
        projection: projection.name(),
        key: key.to_owned(),
        error,
    })
}
