//! Any history, cut anywhere: the answer as of a position equals that of a fresh ledger with only the events up to it.

use std::collections::BTreeSet;

use aggregates::Recorded;
use projections::Projection;
use projections::mailboxes::Mailboxes;
use projections::orders::Orders;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::Value;
use warmledger::clock;
use warmledger::service::Core;
use warmledger::simulate::{Options, Plan, Scenario};
use warmledger::store::{Append, Batch, GenerationState, Lookup, Mode, NewEvent, Store, StoredEvent};

use crate::support::log::{all_events, grown, new_event};
use crate::support::{Database, TestService};

mod sqlite {
    #[test]
    fn any_answer_as_of_a_position_is_that_of_a_ledger_that_ends_there() {
        super::any_history(6, || async { super::Database::sqlite() });
    }
}

mod postgres {
    #[test]
    fn any_answer_as_of_a_position_is_that_of_a_ledger_that_ends_there() {
        super::any_history(2, super::Database::postgres);
    }
}

/// A history, and its cuts in per cent of its length.
type Case = (Options, BTreeSet<u64>);

fn cases() -> impl Strategy<Value = Case> {
    let scenario = prop_oneof![1 => Just(Scenario::PartialFailure), 3 => Just(Scenario::Mix)];
    let cuts = proptest::collection::btree_set(0..=100_u64, 1..5);
    (2..9_usize, scenario, any::<bool>(), 0.0..0.4, any::<u64>(), cuts).prop_map(
        |(orders, scenario, renewals, duplicates, seed, cuts)| {
            let options = Options {
                scenario,
                renewals,
                duplicates,
                shuffle: true,
                seed,
                ..Options::new(orders, clock::now())
            };
            (options, cuts)
        },
    )
}

fn any_history<F: Future<Output = Database>>(count: u32, database: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: count,
        max_shrink_iters: 20,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&cases(), |(options, cuts)| {
        runtime.block_on(async { compare(&database().await, &database().await, &options, &cuts).await });
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Records a history in one ledger, copies it into another bit by bit, and compares their answers at each cut.
async fn compare(whole: &Database, cut: &Database, options: &Options, cuts: &BTreeSet<u64>) {
    let core = Core::open(&whole.settings(), Mode::Migrate).await.unwrap();
    for delivery in &Plan::new(options).deliveries {
        let ingest = &core.ingests["coldmailreseller"];
        ingest.record_unsigned(delivery.body.as_bytes()).await.unwrap();
    }
    let events = all_events(&*core.store).await;
    core.close().await;
    // the other ledger has to open the same sealed sections
    std::fs::copy(whole.dir.path().join("master.key"), cut.dir.path().join("master.key")).unwrap();

    let (whole_store, cut_store) = (whole.store().await, cut.store().await);
    let (whole, cut) = (whole.service().await, cut.service().await);
    whole.caught_up(&*whole_store, events.len() as u64).await;
    let calls = calls(&events);
    let mut fed = 0;
    for per_cent in cuts {
        let until = events.len() * usize::try_from(*per_cent).unwrap() / 100;
        feed(&*whole_store, &*cut_store, &events[fed..until]).await;
        fed = until;
        cut.caught_up(&*cut_store, fed as u64).await;
        for call in &calls {
            let sign = if call.contains('?') { '&' } else { '?' };
            let answer = answer(&whole, &format!("{call}{sign}asOf={fed}")).await;
            assert_eq!(answer, self::answer(&cut, call).await, "{call} as of {fed}");
            assert_eq!(answer.1, fed.to_string(), "{call} says what it stands for");
        }
    }
    let kept = whole_store.generations().await.unwrap();
    let kept = kept.iter().filter(|kept| kept.state == GenerationState::Snapshot);
    assert!(
        kept.count() <= 4 * projections::all().len(),
        "too many snapshots are kept"
    );
    whole.stop().await;
    cut.stop().await;
}

/// Appends the same events to another ledger: ids, times and sealed sections.
async fn feed(from: &dyn Store, into: &dyn Store, events: &[StoredEvent]) {
    for stored in events {
        let recorded: Recorded = stored.to_recorded().unwrap();
        let new = NewEvent {
            subject: stored.subject.clone(),
            sealed: stored.sealed.clone(),
            ..new_event(stored.stream.as_str(), stored.version, &recorded)
        };
        let subjects = || Lookup {
            subjects: vec![stored.subject.clone()],
            ..Lookup::default()
        };
        let known = !into.lookup(&subjects()).await.unwrap().keys.is_empty();
        let keys = from.lookup(&subjects()).await.unwrap().keys.into_iter();
        let keys: Vec<_> = keys.map(|key| (key.subject, key.wrapped)).collect();
        let events = [new];
        let batch = Batch {
            expected: into.head().await.unwrap(),
            recorded_at: stored.recorded_at,
            events: &events,
            keys: if known { &[] } else { &keys },
            tree: &grown(into, &events).await,
        };
        assert_eq!(into.append(&batch).await.unwrap(), Append::Done);
    }
}

/// Every view, with filters that match, and every key.
fn calls(events: &[StoredEvent]) -> Vec<String> {
    let lists = [
        "orders?limit=500",
        "orders?limit=500&status=partial",
        "domains?limit=500",
        "domains?limit=500&provider=GOOGLE",
        "renewals?limit=500",
        "renewals?limit=500&status=active",
        "failures?limit=500",
        "failures?groupBy=reason",
        "failures?groupBy=domain",
    ];
    let mut calls: BTreeSet<String> = lists.map(str::to_owned).into();
    for event in events.iter().map(|event| event.to_recorded().unwrap()) {
        for order in Orders::keys(&event) {
            calls.insert(format!("orders/{order}"));
        }
        for domain in Mailboxes::keys(&event) {
            calls.insert(format!("domains/{domain}/mailboxes"));
            calls.insert(format!("orders?domain={domain}"));
        }
    }
    calls.into_iter().map(|call| format!("/api/v1/{call}")).collect()
}

/// Status, position and body of an answer; without `daysLeft`, which changes at midnight.
async fn answer(service: &TestService, path: &str) -> (u16, String, Value) {
    let response = service.get(path).await;
    let position = response.headers()["warmledger-position"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let mut body: Value = response.json().await.unwrap();
    for item in body["items"].as_array_mut().into_iter().flatten() {
        item.as_object_mut().unwrap().remove("daysLeft");
    }
    (status, position, body)
}
