//! Refused webhooks among the failures: from the list of deliveries, since nothing of them is in a view.

use std::collections::BTreeMap;

use aggregates::{EventId, Position, Source};
use projections::{Kind, Value};

use super::Filter;
use crate::deliveries::{self, FoundDelivery};
use crate::http::documents::RefusedFailure;
use crate::http::list::{cut, encode, not_a_cursor, place};
use crate::http::prelude::*;
use store::{DeliveryOutcome, Lookup};

/// The list in its cursors.
const LIST: &str = "failures/refused";

/// A page of refused webhooks, newest first.
pub(super) async fn list(
    app: &App,
    filter: Filter,
    range: Range,
    page: &Paging,
) -> Result<(Vec<RefusedFailure>, Option<String>), Problem> {
    let others = [
        ("reason", filter.reason.is_some()),
        ("provider", filter.provider.is_some()),
        ("userId", filter.user_id.is_some()),
        ("email", filter.email.is_some()),
        ("groupBy", filter.group_by.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, given)| *given) {
        let detail =
            format!("query parameter {name}: is not known of refused webhooks; leave it out with kind=refused");
        return Err(Problem::bad_request(detail));
    }
    let wanted = deliveries::Filter {
        domain: filter.domain.map(|DomainName(domain)| domain),
        outcomes: vec![DeliveryOutcome::Refused],
        from: range.from,
        to: range.to,
        ..deliveries::Filter::default()
    };
    let sources: Vec<Source> = app.ingests.values().map(|ingest| ingest.source().clone()).collect();
    let after = page.after().map(cursor).transpose()?;
    let limit = page.limit();
    let mut found = deliveries::find(&*app.store, &sources, &wanted, after, limit + 1).await?;
    let next = cut(&mut found, limit).map(|last| {
        let (at, id) = last.place();
        encode(LIST, &Value::Timestamp(at), &id.to_string(), None)
    });
    let resolved = resolved(app, &found).await?;
    let row = |found: FoundDelivery| {
        let event_id = found.event_id;
        let later = event_id
            .as_ref()
            .and_then(|id| resolved.get(&(found.source.clone(), id.clone())));
        RefusedFailure {
            kind: "refused",
            cause: found.cause,
            happened_at: found.at,
            source: found.source.into(),
            event_id: event_id.map(String::from),
            delivery: found.id,
            resolved_at: later.copied().filter(|at| *at >= found.at),
        }
    };
    Ok((found.into_iter().map(row).collect(), next))
}

/// When webhooks with these event ids were recorded.
async fn resolved(app: &App, found: &[FoundDelivery]) -> Result<BTreeMap<(Source, EventId), Timestamp>, Problem> {
    let claimed = found
        .iter()
        .filter_map(|found| Some((found.source.clone(), found.event_id.clone()?)));
    let lookup = Lookup {
        events: claimed.collect(),
        ..Lookup::default()
    };
    if lookup.events.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = app.store.lookup(&lookup).await?.events;
    let positions: Vec<Position> = known.into_iter().map(|(_, _, position, _)| position).collect();
    let events = app.store.events_at(&positions).await?;
    let recorded = events
        .into_iter()
        .map(|event| ((event.source, event.event_id), event.recorded_at));
    Ok(recorded.collect())
}

/// The place in a cursor of this list.
fn cursor(text: &str) -> Result<(Timestamp, u64), Problem> {
    match place(text, LIST, Kind::Timestamp) {
        Some((Value::Timestamp(at), id)) => Ok((at, id.parse().map_err(|_| not_a_cursor())?)),
        _ => Err(not_a_cursor()),
    }
}

/// What failed: a kind of the view's rows, or refused webhooks.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Wanting {
    /// Rows of this kind.
    Rows(projections::failures::FailureKind),
    /// Refused webhooks.
    Refused,
}

impl TryFrom<String> for Wanting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let all = projections::failures::FailureKind::ALL;
        match all.into_iter().find(|kind| kind.as_str() == text) {
            Some(kind) => Ok(Self::Rows(kind)),
            None if text == "refused" => Ok(Self::Refused),
            None => {
                let known: Vec<&str> = all.iter().map(|kind| kind.as_str()).collect();
                Err(format!("has to be one of {}, refused", known.join(", ")))
            }
        }
    }
}
