//! For any order of arrival of an order's webhooks and its renewals, and any batches they are folded in, every
//! projection ends with the same rows.
//!
//! Each webhook has its own time of recording, and no two of one kind the same time of sending, so that a permutation
//! changes only what arrival really changes: positions, streams, versions, and what the `Order` aggregate adds to a
//! claim. If two of one kind do share their second, the position decides: one log gives the same rows in any order of
//! folding.
#![allow(clippy::unwrap_used)]

mod histories;
mod ledger;

use std::collections::BTreeMap;

use aggregates::{Position, Recorded};
use histories::{History, coarse_history, history};
use ledger::Ledger;
use projections::{AnyProjection, Folded, Row, Value, all};
use proptest::prelude::*;

/// The rows of all projections: by projection and key, the document and the columns.
type Rows = BTreeMap<(&'static str, String), (String, Row)>;

/// Folds the events in batches of the given sizes, cycling through them; each batch continues from the stored
/// documents.
fn fold(events: &[Recorded], batches: &[usize]) -> Rows {
    let mut rows = Rows::new();
    let mut rest = events;
    for size in batches.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, later) = rest.split_at((*size).min(rest.len()));
        for projection in all() {
            fold_batch(&mut rows, *projection, batch);
        }
        rest = later;
    }
    rows
}

fn fold_batch(rows: &mut Rows, projection: &dyn AnyProjection, batch: &[Recorded]) {
    let mut touched: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
    for event in batch {
        for key in projection.keys(event) {
            touched.entry(key).or_default().push(event);
        }
    }
    for (key, events) in touched {
        let row = (projection.name(), key);
        let document = rows.get(&row).map(|(document, _)| document.as_str());
        match projection.fold(&row.1, document, &events).unwrap() {
            Folded::Keep { document, row: columns } => rows.insert(row, (document, columns)),
            Folded::Remove => rows.remove(&row),
        };
    }
}

/// The rows with every position replaced by its event's id.
fn by_event(rows: Rows, events: &[Recorded]) -> BTreeMap<(&'static str, String), (serde_json::Value, Row)> {
    let id = |position: u64| {
        let event = events.iter().find(|event| event.position == Position(position));
        event.unwrap().event_id.as_str().to_owned()
    };
    let rows = rows.into_iter().map(|((name, key), (document, mut columns))| {
        let mut document = serde_json::from_str(&document).unwrap();
        replace_positions(&mut document, &id);
        let described = projections::by_name(name).unwrap().columns();
        for (column, value) in described.iter().zip(&mut columns) {
            match value {
                Value::Integer(number) if column.name.ends_with("position") => {
                    *value = id(u64::try_from(*number).unwrap()).into();
                }
                _ => {}
            }
        }
        ((name, key), (document, columns))
    });
    rows.collect()
}

fn replace_positions(value: &mut serde_json::Value, id: &impl Fn(u64) -> String) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                match member.as_u64() {
                    Some(position) if name == "position" => *member = id(position).into(),
                    _ => replace_positions(member, id),
                }
            }
        }
        // a stamp: its time, its rank, its position
        serde_json::Value::Array(items) if items.len() == 3 && items[0].is_string() && items[1].is_u64() => {
            items[2] = id(items[2].as_u64().unwrap()).into();
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| replace_positions(item, id)),
        _ => {}
    }
}

/// A history, and one more order of arrival for it.
fn arrivals() -> impl Strategy<Value = (History, History)> {
    history().prop_flat_map(|history| (Just(history.clone()), Just(history).prop_shuffle()))
}

fn batches() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..9, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_ends_in_the_same_rows((one, other) in arrivals()) {
        let one = Ledger::record(one);
        let other = Ledger::record(other);
        let (one, other) = (by_event(fold(&one, &[usize::MAX]), &one), by_event(fold(&other, &[usize::MAX]), &other));
        for (key, row) in &one {
            prop_assert_eq!(Some(row), other.get(key), "{:?}", key);
        }
        prop_assert_eq!(one.len(), other.len());
    }

    #[test]
    fn one_log_folded_in_any_order_ends_in_the_same_rows(
        (history, order) in coarse_history().prop_flat_map(|history| {
            let order: Vec<usize> = (0..history.len()).collect();
            (Just(history), Just(order).prop_shuffle())
        })
    ) {
        let events = Ledger::record(history);
        let shuffled: Vec<Recorded> = order.into_iter().map(|index| events[index].clone()).collect();
        prop_assert_eq!(fold(&shuffled, &[1]), fold(&events, &[usize::MAX]));
    }

    #[test]
    fn batches_of_any_size_end_in_the_same_rows(history in history(), batches in batches()) {
        let events = Ledger::record(history);
        prop_assert_eq!(fold(&events, &batches), fold(&events, &[usize::MAX]));
    }

    #[test]
    fn every_row_fits_the_columns_of_its_projection(history in history()) {
        for ((name, key), (_, row)) in fold(&Ledger::record(history), &[usize::MAX]) {
            let columns = projections::by_name(name).unwrap().columns();
            prop_assert_eq!(row.len(), columns.len());
            for (column, value) in columns.iter().zip(&row) {
                prop_assert!(column.accepts(value), "{} {}: {:?} in {:?}", name, key, value, column);
            }
        }
    }
}

#[test]
fn the_histories_reach_waiting_streams_and_enrichment() {
    use projections::testing::{assigned, subscription};
    let renewal = subscription("E2", aggregates::OrderEvent::SubscriptionRenewed, "S1");
    let opened = assigned("E1", "O1").domain("a.com", "S1", &["M1"]);
    let early = Ledger::record(vec![renewal.clone(), opened.clone()]);
    assert_eq!(early[0].stream.as_str(), "subscription-S1");
    assert_eq!(early[0].order().unwrap().order_id(), None);
    let late = Ledger::record(vec![opened, renewal]);
    assert_eq!(late[1].stream.as_str(), "order-O1");
    assert_eq!(late[1].version, 2);
    assert_eq!(late[1].order().unwrap().order_id().unwrap().as_str(), "O1");
}
