//! Rows and checkpoints move together; rebuilds are invisible until they are done, and resume; checks find differences;
//! one projection's failure does not affect the others.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use aggregates::{OrderEvent, Position, Recorded};
use futures_util::future::join_all;
use projections::testing::{assigned, failed, subscription};
use projections::{AnyProjection, Folded, by_name};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use warmledger::runner::{self, Limits, LiveRunner, RunError};
use warmledger::store::{
    Advance, Append, Batch, EventQuery, Generation, GenerationState, NewEvent, Parked, RowChange, Store,
};

use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::{check, grown, live_equals_rebuilt, new_event};
use crate::support::raw::Raw;

on_both_stores!(
    a_step_from_a_stale_checkpoint_writes_nothing,
    an_interrupted_rebuild_is_invisible_and_resumes,
    a_rebuild_of_several_steps_goes_on_from_the_rows_of_earlier_ones,
    a_check_finds_a_row_that_was_tampered_with,
    a_check_that_live_rows_outrun_tries_again_and_leaves_nothing_behind,
    checks_and_rebuilds_at_the_same_time_do_not_disturb_each_other,
    a_row_that_cannot_be_read_stands_still_alone_and_a_rebuild_mends_it,
    a_projection_that_the_store_refuses_stops_alone,
    a_snapshot_is_copied_whole_with_what_stands_still,
    snapshots_that_nobody_needs_are_let_go,
    the_longest_texts_that_ingest_takes_fit_every_projection,
    every_step_writes_down_how_many_rows_there_are,
    a_new_row_is_the_same_however_it_is_written,
    a_step_that_is_cut_short_leaves_nothing_behind,
);

/// Appends events straight to the store, which is much faster, and the same for a runner.
pub async fn fill(store: &dyn Store, events: Vec<Recorded>) {
    for chunk in events.chunks(500) {
        let head = store.head().await.unwrap();
        let new: Vec<NewEvent> = chunk
            .iter()
            .map(|event| new_event(&format!("test-{}", event.event_id), 1, event))
            .collect();
        let batch = Batch {
            expected: head,
            recorded_at: head.recorded_at.max("2026-01-01T00:00:00Z".parse().unwrap()),
            events: &new,
            keys: &[],
            tree: &grown(store, &new).await,
        };
        assert_eq!(store.append(&batch).await.unwrap(), Append::Done);
    }
}

/// Orders that succeed, fail and are renewed, repeatedly.
pub fn events(count: usize) -> Vec<Recorded> {
    (0..count)
        .map(|number| {
            let (id, subject) = (format!("E{number}"), number % 211);
            let (order, domain, sub) = (format!("O{subject}"), format!("d{subject}.com"), format!("S{subject}"));
            let event = match number % 3 {
                0 => assigned(&id, &order).domain(&domain, &sub, &["M1"]).user("U1"),
                1 => failed(&id, &order).fails(&domain, "Insufficient wallet balance"),
                _ => subscription(&id, OrderEvent::SubscriptionRenewed, &sub).of_domain(&domain),
            };
            event.at(Position(0))
        })
        .collect()
}

pub async fn run_until_caught_up(store: &Arc<dyn Store>) {
    let runner = LiveRunner::new(Arc::clone(store));
    runner.prepare().await.unwrap();
    let (shutdown, tail) = (CancellationToken::new(), tokio::sync::watch::channel(Position(0)));
    let running = tokio::spawn(runner.clone().run(tail.1, shutdown.clone()));
    let head = store.head().await.unwrap().position.0;
    for _ in 0..600 {
        let statuses = runner.statuses().await.unwrap();
        if statuses
            .iter()
            .all(|status| status.position == head || status.state == "failing")
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
}

async fn generation(store: &dyn Store, name: &str, state: GenerationState) -> Option<Generation> {
    let generations = store.generations().await.unwrap();
    generations
        .into_iter()
        .find(|found| found.name == name && found.state == state)
}

fn step(generation: &Generation, projection: &dyn AnyProjection, event: &Recorded, to: u64) -> Advance {
    let keys = projection.keys(event).into_iter();
    let changes = keys.map(|key| match projection.fold(&key, None, &[event]).unwrap() {
        Folded::Keep { document, row } => RowChange {
            key,
            is_new: false,
            row: Some((document, row)),
        },
        Folded::Remove => RowChange {
            key,
            is_new: false,
            row: None,
        },
    });
    Advance {
        from: generation.clone(),
        columns: projection.columns(),
        to: Position(to),
        changes: changes.collect(),
        parked: Vec::new(),
        unparked: Vec::new(),
        skipped: Vec::new(),
    }
}

async fn a_step_from_a_stale_checkpoint_writes_nothing(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    LiveRunner::new(Arc::clone(&store)).prepare().await.unwrap();
    let (orders, failures) = (by_name("orders").unwrap(), by_name("failures").unwrap());
    let live = async |name: &str| generation(&*store, name, GenerationState::Live).await.unwrap();
    let (first_orders, first_failures) = (live("orders").await, live("failures").await);
    let event = assigned("E1", "O1").domain("a.com", "S1", &["M1"]).at(Position(1));
    let other = failed("E2", "O2").fails("b.com", "No").at(Position(2));

    assert!(
        store
            .advance(&[step(&first_orders, orders, &event, 1)], None)
            .await
            .unwrap()
    );
    // from an outdated position, alone or beside a current one
    assert!(
        !store
            .advance(&[step(&first_orders, orders, &other, 2)], None)
            .await
            .unwrap()
    );
    let both = [
        step(&first_failures, failures, &other, 2),
        step(&first_orders, orders, &other, 2),
    ];
    assert!(!store.advance(&both, None).await.unwrap());
    assert_eq!(raw.rows(orders).await.len(), 1, "only the first step is there");
    assert_eq!(raw.rows(failures).await.len(), 0);
    assert_eq!(live("orders").await.position, Position(1));
    assert_eq!(live("failures").await.position, Position(0));
}

async fn an_interrupted_rebuild_is_invisible_and_resumes(database: Database) {
    let store = database.store().await;
    // more than one step of a rebuild
    fill(&*store, events(5_300)).await;
    run_until_caught_up(&store).await;
    let raw = Raw::connect(&database).await;
    raw.execute("UPDATE orders_g1 SET status = 'marked' WHERE key = 'O7'")
        .await;
    let marked = "SELECT status FROM orders WHERE key = 'O7'";

    let all = projections::all();
    let cut_short = CancellationToken::new();
    let result = runner::rebuild(
        &store,
        all,
        |progress| {
            assert_eq!((progress.position, progress.head), (Position(5_000), Position(5_300)));
            cut_short.cancel();
        },
        &cut_short,
    )
    .await;
    assert!(matches!(result, Err(RunError::Cancelled)));
    let building = generation(&*store, "orders", GenerationState::Building).await.unwrap();
    assert_eq!(building.position, Position(5_000));
    assert_eq!(raw.texts(marked).await, ["marked"], "readers are undisturbed");
    drop((store, raw));

    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    assert_eq!(raw.texts(marked).await, ["marked"]);
    let mut begun_at = None;
    let progress = |progress: runner::Progress| begun_at = begun_at.or(Some(progress.position));
    runner::rebuild(&store, all, progress, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(begun_at, Some(Position(5_300)), "what was done is not done again");
    assert_eq!(raw.texts(marked).await, ["fulfilled"], "the rebuilt rows are live");
    for projection in all {
        let live = generation(&*store, projection.name(), GenerationState::Live)
            .await
            .unwrap();
        assert_eq!((live.generation, live.position), (2, Position(5_300)));
        assert!(
            generation(&*store, projection.name(), GenerationState::Building)
                .await
                .is_none()
        );
    }
    live_equals_rebuilt(&*store).await;
}

async fn a_check_finds_a_row_that_was_tampered_with(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    fill(&*store, events(300)).await;
    run_until_caught_up(&store).await;
    live_equals_rebuilt(&*store).await;
    let tampering = [
        (
            "UPDATE renewals_g1 SET renewals = renewals + 1 WHERE key = 'S5'",
            "renewals",
            "S5",
        ),
        ("DELETE FROM mailboxes_g1 WHERE key = 'd3.com'", "mailboxes", "d3.com"),
        (
            "UPDATE failures_g1 SET reason = NULL WHERE key = 'coldmailreseller/E1/0'",
            "failures",
            "coldmailreseller/E1/0",
        ),
        (
            "INSERT INTO orders_g1 SELECT * FROM orders_g1 WHERE 1 = 0",
            "orders",
            "",
        ),
    ];
    for (sql, name, key) in tampering {
        raw.execute(sql).await;
        let checked = check(&*store, by_name(name).unwrap()).await;
        let found: Vec<&str> = checked.differences.iter().map(|found| found.key.as_str()).collect();
        assert_eq!(found, Vec::from_iter(Some(key).filter(|key| !key.is_empty())), "{sql}");
        assert_eq!(checked.position, Position(300));
    }
    let generations = store.generations().await.unwrap();
    assert_eq!(
        generations.len(),
        projections::all().len(),
        "a check leaves nothing behind"
    );
    let orders = by_name("orders").unwrap();
    raw.execute("UPDATE orders_g1 SET document = '{\"forged\":true}' WHERE key = 'O9'")
        .await;
    assert_eq!(check(&*store, orders).await.differences[0].key, "O9");
}

async fn a_rebuild_of_several_steps_goes_on_from_the_rows_of_earlier_ones(database: Database) {
    let store = database.store().await;
    // later steps touch rows of the first ones, which are written by then
    let mut events = events(15_200);
    // existing rows are touched beside new ones
    events.extend((0..200).map(|number| {
        let (id, order) = (format!("NEW{number}"), format!("O{}", number * 2));
        let domain = assigned(&id, &order).domain(&format!("new{number}.com"), &format!("NS{number}"), &["M2", "M3"]);
        domain.at(Position(0))
    }));
    fill(&*store, events).await;
    run_until_caught_up(&store).await;
    let raw = Raw::connect(&database).await;
    let rows = async || join_all(projections::all().iter().map(|projection| raw.rows(*projection))).await;
    let live = rows().await;
    let (mut steps, none) = (0, CancellationToken::new());
    // every page folded in memory is enough for a step
    let limits = Limits {
        rows: 500,
        ..Limits::REBUILD
    };
    runner::rebuild_within(&limits, &store, projections::all(), |_| steps += 1, &none)
        .await
        .unwrap();
    assert!(steps > 8, "only {steps}: were the rows held in memory?");
    // the live rows were folded in steps of their own, and each row was read
    assert!(live == rows().await);
    live_equals_rebuilt(&*store).await;
}

async fn a_check_that_live_rows_outrun_tries_again_and_leaves_nothing_behind(database: Database) {
    let store = database.store().await;
    let mut events = events(303);
    let late = events.split_off(300);
    fill(&*store, events).await;
    run_until_caught_up(&store).await;
    let (renewals, mut late) = (by_name("renewals").unwrap(), Some(late));
    let outrun = |progress: runner::Progress| {
        // folded to the end, but not compared yet
        if progress.position == progress.head
            && let Some(late) = late.take()
        {
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    fill(&*store, late).await;
                    run_until_caught_up(&store).await;
                });
            });
        }
    };
    let checked = runner::check(&*store, renewals, outrun, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!((checked.differences.len(), checked.position), (0, Position(303)));
    assert_eq!(store.generations().await.unwrap().len(), projections::all().len());
}

async fn checks_and_rebuilds_at_the_same_time_do_not_disturb_each_other(database: Database) {
    let (store, second) = (database.store().await, database.store().await);
    fill(&*store, events(600)).await;
    run_until_caught_up(&store).await;
    let renewals = by_name("renewals").unwrap();
    let none = CancellationToken::new();
    for _ in 0..3 {
        let (first, rebuilt, other) = tokio::join!(
            runner::check(&*store, renewals, |_| {}, &none),
            runner::rebuild(&second, projections::all(), |_| {}, &none),
            runner::check(&*second, renewals, |_| {}, &none),
        );
        rebuilt.unwrap();
        for checked in [first, other] {
            let checked = checked.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((checked.differences.len(), checked.position), (0, Position(600)));
        }
    }
    live_equals_rebuilt(&*store).await;
}

async fn a_row_that_cannot_be_read_stands_still_alone_and_a_rebuild_mends_it(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    fill(&*store, events(30)).await;
    run_until_caught_up(&store).await;
    raw.execute("UPDATE orders_g1 SET document = '{}' WHERE key = 'O3'")
        .await;
    fill(
        &*store,
        vec![failed("AFTER", "O3").fails("d3.com", "No").at(Position(0))],
    )
    .await;
    run_until_caught_up(&store).await;
    for status in runner::statuses(&*store).await.unwrap() {
        let parked = u64::from(status.name == "orders");
        assert_eq!((status.position, status.parked), (31, parked), "{}", status.name);
    }
    let orders = [by_name("orders").unwrap()];
    runner::rebuild(&store, &orders, |_| {}, &CancellationToken::new())
        .await
        .unwrap();
    run_until_caught_up(&store).await;
    live_equals_rebuilt(&*store).await;
}

async fn a_projection_that_the_store_refuses_stops_alone(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    fill(&*store, events(30)).await;
    run_until_caught_up(&store).await;
    raw.execute(if database.is_postgres() {
        "ALTER TABLE failures_g1 ADD CONSTRAINT refused CHECK (key NOT LIKE '%AFTER%')"
    } else {
        "CREATE TRIGGER refused BEFORE INSERT ON failures_g1 BEGIN SELECT RAISE(ABORT, 'refused'); END"
    })
    .await;
    fill(
        &*store,
        vec![failed("AFTER", "O3").fails("d3.com", "No").at(Position(0))],
    )
    .await;
    run_until_caught_up(&store).await;
    for generation in store.generations().await.unwrap() {
        let expected = if generation.name == "failures" { 30 } else { 31 };
        assert_eq!(generation.position, Position(expected), "{}", generation.name);
    }
}

async fn the_longest_texts_that_ingest_takes_fit_every_projection(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    // four bytes a character, and incompressible
    let mut state = 7_u32;
    let mut long = |length: usize| -> String {
        let letters = (0..length).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_u32(0x20000 + (state >> 8) % 40_000).unwrap()
        });
        letters.collect()
    };
    let ids: Vec<String> = (0..8).map(|_| long(128)).collect();
    let (domain, reason) = (long(253), long(2_000));
    let (order, user, provider) = (&ids[0], &ids[1], &ids[2]);
    let failure = json!({"event": "prewarmup.order.failed", "eventId": ids[3], "data": {
        "orderId": order, "userId": user, "serviceProvider": provider, "reason": reason,
        "failedOrders": [{"domain": domain, "reason": reason}],
    }});
    let success = json!({"event": "prewarmup.order.success", "eventId": ids[4], "data": {
        "orderId": order, "userId": user, "serviceProvider": provider,
        "mailboxDetails": [{"domain": domain, "subscriptionId": ids[5], "preWarmedUpMailboxes": [{"mailboxId": ids[6]}]}],
    }});
    let renewal = json!({"event": "subscription.renewal.failed", "eventId": ids[7], "data": {
        "subscriptionId": ids[5], "userId": user, "workspaceType": provider, "domain": domain, "reason": reason,
        "subscriptionStatus": long(500),
    }});
    let unknown = json!({"event": long(5_000), "eventId": long(128), "data": {"domainName": domain, "userId": user}});
    let lonely = json!({"event": long(300), "eventId": long(128), "data": {"mailboxId": long(128)}});
    let nothing = json!({"event": long(300), "eventId": long(128), "data": {"orderId": long(129)}});
    let bodies = [failure, success, renewal, unknown, lonely, nothing];
    for body in &bodies {
        assert_eq!(service.send(body.to_string()).await["status"], "recorded");
    }
    service.caught_up(&*store, bodies.len() as u64).await;
    live_equals_rebuilt(&*store).await;
    let query = EventQuery {
        limit: 10,
        ..EventQuery::default()
    };
    assert_eq!(store.events(&query).await.unwrap().len(), bodies.len());
    service.stop().await;
}

async fn a_snapshot_is_copied_whole_with_what_stands_still(database: Database) {
    let store = database.store().await;
    let orders = by_name("orders").unwrap();
    let (version, columns) = (orders.version(), orders.columns());
    LiveRunner::new(Arc::clone(&store)).prepare().await.unwrap();
    let first = store.create_snapshot("orders", version, columns).await.unwrap();
    // more than one copy's batch, and not a multiple of it
    let events: Vec<Recorded> = (0..12_345)
        .map(|number| assigned("E1", &format!("O{number}")).at(Position(1)))
        .collect();
    let mut all = step(&first, orders, &events[0], 7);
    for event in &events[1..] {
        all.changes.append(&mut step(&first, orders, event, 7).changes);
    }
    all.parked.push(Parked {
        key: "O3".to_owned(),
        position: Position(5),
        error: "on purpose".to_owned(),
    });
    assert!(store.advance(&[all], None).await.unwrap());
    let first = Generation {
        position: Position(7),
        ..first
    };
    store.set_state(&first, GenerationState::Snapshot).await.unwrap();

    let second = store.create_snapshot("orders", version, columns).await.unwrap();
    assert_ne!(first.generation, second.generation);
    store.copy_snapshot(&first, &second, columns).await.unwrap();
    let differences = store.differences(&first, &second, columns, 1).await.unwrap();
    assert!(differences.unwrap().is_empty());
    assert_eq!(store.row_count(&second).await.unwrap(), 12_345);
    let parked = store.parked().await.unwrap();
    let parked: Vec<_> = parked
        .iter()
        .map(|row| (row.generation, row.parked.key.as_str()))
        .collect();
    assert_eq!(parked, [(first.generation, "O3"), (second.generation, "O3")]);
    // neither is the live generation, nor becomes it
    let live = generation(&*store, "orders", GenerationState::Live).await.unwrap();
    assert_eq!((live.generation, live.position), (1, Position(0)));
    store.set_state(&live, GenerationState::Retired).await.unwrap();
    assert!(generation(&*store, "orders", GenerationState::Live).await.is_some());
}

async fn snapshots_that_nobody_needs_are_let_go(database: Database) {
    let store = database.store().await;
    let orders = by_name("orders").unwrap();
    LiveRunner::new(Arc::clone(&store)).prepare().await.unwrap();
    let make = async |version: u32, state: GenerationState| {
        let made = store
            .create_snapshot("orders", version, orders.columns())
            .await
            .unwrap();
        store.set_state(&made, state).await.unwrap();
        made.generation
    };
    let abandoned = make(orders.version(), GenerationState::Filling).await;
    let aged = make(orders.version(), GenerationState::Snapshot).await;
    database
        .execute("UPDATE projection_generations SET updated_at = '2026-01-01T00:00:00.000000Z' WHERE state <> 'live'")
        .await;
    let outdated = make(orders.version() + 1, GenerationState::Snapshot).await;
    let kept = make(orders.version(), GenerationState::Snapshot).await;
    let filling = make(orders.version(), GenerationState::Filling).await;
    fill(&*store, events(3)).await;
    run_until_caught_up(&store).await;
    let mut generations = store.generations().await.unwrap();
    generations.retain(|found| found.name == "orders");
    let found: Vec<_> = generations
        .iter()
        .map(|found| (found.generation, found.state))
        .collect();
    assert_eq!(
        found,
        [
            (1, GenerationState::Live),
            (aged, GenerationState::Retired),
            (outdated, GenerationState::Retired),
            (kept, GenerationState::Snapshot),
            (filling, GenerationState::Filling),
        ],
        "{abandoned} was abandoned"
    );
}

async fn every_step_writes_down_how_many_rows_there_are(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    LiveRunner::new(Arc::clone(&store)).prepare().await.unwrap();
    let orders = by_name("orders").unwrap();
    let live = async || generation(&*store, "orders", GenerationState::Live).await.unwrap();
    let order = |id: &str| assigned(&format!("E{id}"), id).at(Position(1));
    let written = async |ids: &[&str], removed: &[&str], to: u64| {
        let from = live().await;
        let mut all = step(&from, orders, &order("O0"), to);
        all.changes.clear();
        for id in ids {
            all.changes.append(&mut step(&from, orders, &order(id), to).changes);
        }
        all.changes.extend(removed.iter().map(|key| RowChange {
            key: (*key).to_owned(),
            is_new: false,
            row: None,
        }));
        let done = store.advance(&[all], None).await.unwrap();
        (done, store.row_count(&live().await).await.unwrap())
    };
    assert_eq!(written(&["O1", "O2", "O3"], &[], 1).await, (true, 3));
    assert_eq!(written(&["O2", "O3", "O4"], &["O1", "O9"], 2).await, (true, 3));
    assert_eq!(written(&[], &["O2", "O3"], 3).await, (true, 1));
    assert_eq!(written(&["O5"], &[], 4).await, (true, 2));
    assert_eq!(raw.rows(orders).await.len(), 2);

    // a refused step does not change the count
    let stale = Generation {
        position: Position(1),
        ..live().await
    };
    assert!(
        !store
            .advance(&[step(&stale, orders, &order("O6"), 5)], None)
            .await
            .unwrap()
    );
    assert_eq!(store.row_count(&live().await).await.unwrap(), 2);

    // a generation from before the count was stored is counted once, and updated from then on
    raw.execute("UPDATE projection_generations SET row_count = NULL").await;
    assert_eq!(written(&["O7"], &[], 6).await, (true, 3));
    let count = "SELECT CAST(row_count AS text) FROM projection_generations WHERE name = 'orders'";
    assert_eq!(raw.texts(count).await, ["3"]);
    assert_eq!(written(&["O8"], &["O7"], 7).await, (true, 3));
}

async fn a_new_row_is_the_same_however_it_is_written(database: Database) {
    let store = database.store().await;
    LiveRunner::new(Arc::clone(&store)).prepare().await.unwrap();
    let long = "ü\t\n\\N ".repeat(2_000);
    // before and after the epochs of 1970 and 2000, and finer than a microsecond
    let times = [
        "1957-10-04T19:28:34.0000005Z",
        "1999-12-31T23:59:59.9999995Z",
        "2026-01-01T00:00:00.1234567Z",
        "2038-01-19T03:14:08.0000001Z",
    ];
    let events = times.iter().zip(1..).map(|(time, number)| {
        let (id, order, domain) = (format!("E{number}"), format!("O{number}"), format!("d{number}.com"));
        let failed = failed(&id, &order).fails(&domain, &long).sent(time).recorded(time);
        let assigned = assigned(&id, &order).domain(&domain, "S1", &["M1", "M2"]);
        [failed, assigned.until(time).recorded(time)].map(|event| event.at(Position(number)))
    });
    let events: Vec<Recorded> = events.flatten().collect();
    let mut rows = 0;
    for projection in projections::all().iter().copied() {
        let name = projection.name();
        let live = generation(&*store, name, GenerationState::Live).await.unwrap();
        let write = async |generation: &Generation, is_new: bool| {
            let mut all = step(generation, projection, &events[0], 9);
            for event in &events[1..] {
                all.changes.append(&mut step(generation, projection, event, 9).changes);
            }
            all.changes.sort_by(|one, other| one.key.cmp(&other.key));
            all.changes.dedup_by(|one, other| one.key == other.key);
            all.changes.iter_mut().for_each(|change| change.is_new = is_new);
            assert!(store.advance(&[all], None).await.unwrap());
        };
        write(&live, false).await;
        let rebuilt = store.create_generation(name, projection.version(), projection.columns());
        let rebuilt = rebuilt.await.unwrap();
        write(&rebuilt, true).await;
        let differences = store.differences(&live, &rebuilt, projection.columns(), 10);
        let differences = differences.await.unwrap().unwrap();
        let differing = differences.first().map(|row| (&row.key, &row.live, &row.rebuilt));
        assert_eq!(differing, None, "{name}");
        rows += store.row_count(&rebuilt).await.unwrap();
    }
    assert!(rows > 15, "only {rows} rows");
}

/// The result of `future`, or none if it waits more than `waits` times: then it is dropped while waiting.
async fn waiting_at_most<T>(waits: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut waited) = (pin!(future), 0);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// A service that stops, or a cancelled rebuild, may drop a step at any await point.
async fn a_step_that_is_cut_short_leaves_nothing_behind(database: Database) {
    let store = database.store().await;
    LiveRunner::new(Arc::clone(&store)).prepare().await.unwrap();
    let orders = by_name("orders").unwrap();
    let (mut cut_short, mut steps) = (0, 0);
    // how often a step waits depends on the machine
    while cut_short < 10 {
        assert!(steps < 200, "only {cut_short} of {steps} steps were cut short");
        let from = generation(&*store, "orders", GenerationState::Live).await.unwrap();
        assert_eq!(from.position, Position(steps));
        steps += 1;
        let events: Vec<Recorded> = (0..2_000)
            .map(|number| assigned(&format!("E{number}"), &format!("O{steps}-{number:04}")).at(Position(steps)))
            .collect();
        let all = || {
            let mut all = step(&from, orders, &events[0], steps);
            for event in &events[1..] {
                all.changes.append(&mut step(&from, orders, event, steps).changes);
            }
            all.changes.iter_mut().for_each(|change| change.is_new = true);
            all
        };
        for waits in 0.. {
            // dropped at its first wait, its second, and so on, at every possible point; the last of the dropped ones
            // may have been committed
            if let Some(moved) = waiting_at_most(waits, store.advance(&[all()], None)).await {
                moved.unwrap();
                break;
            }
            cut_short += 1;
            // whichever connection it used, later queries work
            let heads: Vec<_> = (0..10).map(|_| store.head()).collect();
            for head in join_all(heads).await {
                assert_eq!(head.unwrap().position, Position(0));
            }
        }
        let rows = store.row_count(&from).await.unwrap();
        assert_eq!(rows, steps * 2_000, "{cut_short} were cut short");
    }
}
