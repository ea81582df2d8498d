//! Every failed domain of every failed webhook, also of domains that succeeded later. Key: `<source>/<event
//! id>/<index>`, where the index counts the webhook's list from 0.
//!
//! A webhook that fails its order as a whole has one row without a domain.

use aggregates::{Domain, EventId, OrderEvent, OrderId, Position, Recorded, ServiceProvider, Source, UserId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::assignment::failures;
use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct Failures;

/// One failed domain of one failed webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// The order.
    pub order_id: OrderId,
    /// The domain; absent if the order failed as a whole.
    pub domain: Option<Domain>,
    /// The provider's words.
    pub reason: Option<String>,
    /// Google, Microsoft, …
    pub service_provider: Option<ServiceProvider>,
    /// The user who ordered.
    pub user_id: Option<UserId>,
    /// The position of the event.
    pub position: Position,
    /// The source that sent it.
    pub source: Source,
    /// The sender's event id.
    pub event_id: EventId,
    /// When the provider sent it; when it was recorded, if the sender did not say.
    pub happened_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The day of `happened_at`, UTC.
    pub day: Date,
}

impl Projection for Failures {
    const NAME: &'static str = "failures";
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::new("order_id", Kind::Text),
        Column::new("domain", Kind::Text).nullable().indexed(),
        // no index: the provider's reason can exceed the size of an index entry
        Column::new("reason", Kind::Text).nullable(),
        Column::new("service_provider", Kind::Text).nullable(),
        Column::new("user_id", Kind::Text).nullable().indexed(),
        Column::new("position", Kind::Integer).indexed(),
        Column::new("source", Kind::Text),
        Column::new("event_id", Kind::Text),
        Column::new("happened_at", Kind::Timestamp),
        Column::new("recorded_at", Kind::Timestamp),
        Column::new("day", Kind::Date).indexed(),
    ];
    /// `None` only before the row's one event is folded.
    type View = Option<Failure>;

    fn keys(event: &Recorded) -> Keys {
        let Some(OrderEvent::AssignmentFailed(facts)) = event.order() else {
            return Keys::none();
        };
        (0..failures(facts).len())
            .map(|index| format!("{}/{}/{index}", event.source, event.event_id))
            .collect()
    }

    fn origin(key: &str) -> Option<Origin> {
        let (event, _) = key.rsplit_once('/')?;
        let (source, event_id) = event.split_once('/')?;
        Some(Origin::Event(
            Source::parse(source).ok()?,
            EventId::parse(event_id).ok()?,
        ))
    }

    fn apply(view: &mut Option<Failure>, key: &str, event: &Recorded) -> Verdict {
        let Some(OrderEvent::AssignmentFailed(facts)) = event.order() else {
            return Verdict::Remove;
        };
        let index = key.rsplit_once('/').and_then(|(_, index)| index.parse::<usize>().ok());
        let Some(failure) = index.and_then(|index| failures(facts).get(index)) else {
            return Verdict::Remove;
        };
        let happened_at = event.happened_at();
        *view = Some(Failure {
            order_id: facts.order_id.clone(),
            domain: failure.domain.clone(),
            reason: failure.reason.clone(),
            service_provider: facts.service_provider.clone(),
            user_id: facts.user_id.clone(),
            position: event.position,
            source: event.source.clone(),
            event_id: event.event_id.clone(),
            happened_at,
            recorded_at: event.recorded_at,
            day: Offset::UTC.to_datetime(happened_at).date(),
        });
        Verdict::Keep
    }

    fn columns(view: &Option<Failure>, _: &str) -> Row {
        let Some(failure) = view else {
            return vec![Value::Null; Self::COLUMNS.len()];
        };
        vec![
            failure.order_id.as_str().into(),
            failure.domain.as_ref().map(Domain::as_str).into(),
            failure.reason.as_ref().into(),
            failure
                .service_provider
                .as_ref()
                .map(|provider| provider.0.as_str())
                .into(),
            failure.user_id.as_ref().map(UserId::as_str).into(),
            Value::count(failure.position.0),
            failure.source.as_str().into(),
            failure.event_id.as_str().into(),
            failure.happened_at.into(),
            failure.recorded_at.into(),
            failure.day.into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SOURCE, assigned, failed, given};

    fn key(event_id: &str, index: usize) -> String {
        format!("{SOURCE}/{event_id}/{index}")
    }

    #[test]
    fn every_failed_domain_of_a_webhook_has_its_row() {
        given::<Failures>([failed("E1", "O1")
            .fails("a.com", "Pre-warmed mailboxes not available")
            .fails("b.com", "Insufficient wallet balance")
            .user("U1")
            .provider("GOOGLE")
            .sent("2025-10-27T23:59:59Z")
            .recorded("2025-10-28T00:00:01Z")])
        .then_columns(
            &key("E1", 0),
            &[
                ("order_id", "O1".into()),
                ("domain", "a.com".into()),
                ("reason", "Pre-warmed mailboxes not available".into()),
                ("service_provider", "GOOGLE".into()),
                ("user_id", "U1".into()),
                ("position", 1_i64.into()),
                ("event_id", "E1".into()),
                ("day", jiff::civil::date(2025, 10, 27).into()),
            ],
        )
        .then_columns(&key("E1", 1), &[("domain", "b.com".into())])
        .then_row_count(2);
    }

    #[test]
    fn a_failure_stays_when_its_domain_is_assigned_after_all() {
        given::<Failures>([
            failed("E1", "O1").fails("a.com", "Pre-warmed mailboxes not available"),
            assigned("E2", "O1").domain("a.com", "S1", &["M1"]),
        ])
        .then_row_count(1);
    }

    #[test]
    fn an_order_that_failed_as_a_whole_has_a_row_without_a_domain() {
        given::<Failures>([
            failed("E1", "O1").fails_whole("Insufficient wallet balance"),
            failed("E2", "O2"),
        ])
        .then_columns(
            &key("E1", 0),
            &[
                ("domain", Value::Null),
                ("reason", "Insufficient wallet balance".into()),
            ],
        )
        .then_columns(&key("E2", 0), &[("domain", Value::Null), ("reason", Value::Null)]);
    }
}
