//! Answers as of an earlier moment equal those of a ledger that has no later events.
//!
//! - `bounded`: limits on the moments that are folded and stored
//! - `diffs`: what changed between two moments, and by which events
//! - `histories`: any history, cut anywhere, over HTTP
//! - `pages`: the pages of one answer, and refusals
//! - `waiting`: answers that include the newest events

mod bounded;
mod diffs;
mod histories;
mod pages;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{Position, Recorded};
use projections::Folded;
use warmledger::clock;
use warmledger::runner::{AsOfPoint, Moment, NotYet, as_of, as_of_point};
use warmledger::service::Core;
use warmledger::simulate::{Options, Plan, Scenario};
use warmledger::store::{EventQuery, Mode};

use crate::on_both_stores;
use crate::support::Database;

on_both_stores!(
    a_row_as_of_a_position_is_the_row_of_a_ledger_that_ends_there,
    a_time_stands_for_the_last_event_recorded_until_then,
);

/// Records a shuffled plan through the ledger, and returns the events.
async fn record(core: &Core, seed: u64) -> Vec<Recorded> {
    let plan = Plan::new(&Options {
        scenario: Scenario::Mix,
        renewals: true,
        families: true,
        odd: 0.1,
        duplicates: 0.1,
        shuffle: true,
        seed,
        ..Options::new(12, clock::now())
    });
    let ingest = &core.ingests["coldmailreseller"];
    for delivery in &plan.deliveries {
        ingest.record_unsigned(delivery.body.as_bytes()).await.unwrap();
    }
    let query = EventQuery {
        limit: 100_000,
        ..EventQuery::default()
    };
    let stored = core.store.events(&query).await.unwrap();
    stored.iter().map(|event| event.to_recorded().unwrap()).collect()
}

async fn a_row_as_of_a_position_is_the_row_of_a_ledger_that_ends_there(database: Database) {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let events = record(&core, 11).await;
    assert!(
        events.len() > 30,
        "{} events are too few to mean anything",
        events.len()
    );
    for projection in projections::all() {
        let keys: BTreeSet<String> = events.iter().flat_map(|event| projection.keys(event)).collect();
        // this ledger has no access events
        let is_access = projection.name() == "access";
        assert_eq!(keys.is_empty(), is_access, "{} has no rows", projection.name());
        for until in [0, 1, events.len() / 3, events.len() / 2, events.len() - 1, events.len()] {
            let mut expected: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
            for event in &events[..until] {
                for key in projection.keys(event) {
                    expected.entry(key).or_default().push(event);
                }
            }
            for key in &keys {
                let expected = expected
                    .get(key)
                    .map(|events| projection.fold(key, None, events).unwrap());
                let expected = expected.and_then(|folded| match folded {
                    Folded::Keep { document, .. } => Some(document),
                    Folded::Remove => None,
                });
                let answer = as_of(&*core.store, *projection, key, Position(until as u64))
                    .await
                    .unwrap();
                assert_eq!(answer, expected, "{} {key} as of {until}", projection.name());
            }
        }
    }
    core.close().await;
}

async fn a_time_stands_for_the_last_event_recorded_until_then(database: Database) {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let before = clock::now();
    let events = record(&core, 5).await;
    let store = &*core.store;
    let now = clock::now();
    let at = async |moment| as_of_point(store, moment).await.unwrap();
    let end = Position(events.len() as u64);
    assert_eq!(at(Moment::Time(before)).await.position, Position(0));
    assert_eq!(
        at(Moment::Time(now)).await,
        AsOfPoint {
            position: end,
            time: now
        }
    );
    let beyond = as_of_point(store, Moment::Position(Position(end.0 + 1))).await;
    assert!(matches!(beyond, Err(NotYet::Position(_, last)) if last == end));
    let tomorrow = now + jiff::SignedDuration::from_hours(24);
    let tomorrow = as_of_point(store, Moment::Time(tomorrow)).await;
    assert!(matches!(tomorrow, Err(NotYet::Time(..))));
    for event in events.iter().step_by(7) {
        let last = events.iter().rfind(|other| other.recorded_at <= event.recorded_at);
        assert_eq!(
            Some(at(Moment::Time(event.recorded_at)).await.position),
            last.map(|last| last.position)
        );
        let own = at(Moment::Position(event.position)).await;
        assert_eq!((own.position, own.time), (event.position, event.recorded_at));
    }
    core.close().await;
}
