//! Clocks that run ahead and are set back.

use aggregates::Position;
use jiff::{SignedDuration, Timestamp};
use warmledger::runner::{Moment, as_of_point};
use warmledger::verify::FindingKind;

use crate::cli::program::Program;
use crate::erasure::assignment;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::{all_events, fill_at};
use crate::support::raw::Raw;

on_both_stores!(
    a_clock_that_ran_a_day_ahead_does_not_bind_the_ledger_for_a_day,
    a_moment_is_found_whatever_steps_the_time_has,
    steps_back_are_told_of_and_have_to_be_noted,
);

fn name(n: u64) -> String {
    format!("event {n}")
}

async fn a_clock_that_ran_a_day_ahead_does_not_bind_the_ledger_for_a_day(database: Database) {
    let store = database.store_with_keys().await;
    let service = database.service().await;
    service.send(assignment("A1", "U1", "O1", "secret")).await;
    service.stop().await;
    let ahead = Timestamp::now() + SignedDuration::from_hours(24);
    fill_at(&*store, 30, name, |_| ahead).await;

    let service = database.service().await;
    service.send(assignment("A2", "U2", "O2", "secret")).await;
    let last = service.send(assignment("A3", "U3", "O3", "secret")).await["position"]
        .as_u64()
        .unwrap();
    service.caught_up(&*store, last).await;
    let now = Timestamp::now();
    for event in all_events(&*store).await.iter().rev().take(2) {
        let late = event.recorded_at.duration_since(now).abs();
        assert!(
            late < SignedDuration::from_secs(60),
            "{} is stamped {}",
            event.position,
            event.recorded_at
        );
    }
    // as of now, every event recorded so far is included
    let found = as_of_point(&*store, Moment::Time(now)).await.unwrap();
    assert_eq!(found.position, Position(last));
    let as_of = service.get_json(&format!("/api/v1/orders?asOf={now}")).await;
    let live = service.get_json("/api/v1/orders").await;
    let count = |page: &serde_json::Value| page["items"].as_array().unwrap().len();
    assert_eq!((count(&as_of), count(&live)), (3, 3), "{as_of}");
    // the lag of unfolded events with future times counts from the clock's correction
    let lag = warmledger::runner::lag_seconds(
        &*store,
        Position(1),
        Position(last),
        now + SignedDuration::from_secs(30),
    )
    .await;
    assert!(lag.unwrap() >= 20.0);

    service.stop().await;
    let service = database.service().await;
    let ready = service.get_json("/readyz").await;
    let alert = ready["alerts"][0].as_str().unwrap_or_default();
    assert!(
        alert.contains("set back by 86") && alert.contains("at position 32"),
        "{ready}"
    );
    let metrics = service.get("/metrics").await.text().await.unwrap();
    let ahead = metrics
        .lines()
        .find_map(|line| line.strip_prefix("warmledger_clock_ahead_seconds "));
    assert!(ahead.unwrap().parse::<f64>().unwrap() > 80_000.0, "{ahead:?}");
    let ended = Program::new(&database).run("verify").await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("clock positions 2 to 31: 30 events are stamped later than it is now"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("set back by 86"), "{}", ended.stderr);
    service.stop().await;
}

async fn a_moment_is_found_whatever_steps_the_time_has(database: Database) {
    let store = database.store().await;
    let start: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let at = |minutes: i64| start + SignedDuration::from_mins(minutes);
    // two of each: forward, back, on from there, back a little, far ahead, and back before the previous step's time
    let minutes = [0, 10, 20, 500, 501, 30, 40, 300, 35, 36, 900, 20, 25];
    let mut stamped = Vec::new();
    for minute in minutes {
        fill_at(&*store, 2, name, |_| at(minute)).await;
        stamped.extend([minute; 2]);
    }
    let steps = store.clock_steps(Position(u64::MAX), 100).await.unwrap();
    let found: Vec<_> = steps.iter().map(|step| (step.position.0, step.from, step.to)).collect();
    assert_eq!(
        found,
        [(23, at(900), at(20)), (17, at(300), at(35)), (11, at(501), at(30))],
        "the newest first"
    );
    for minute in (-5..1_000).step_by(5) {
        let found = as_of_point(&*store, Moment::Time(at(minute))).await.unwrap().position.0;
        let expected = stamped
            .iter()
            .rposition(|stamp| *stamp <= minute)
            .map_or(0, |index| index + 1);
        assert_eq!(found, expected as u64, "at {minute}");
    }
}

async fn steps_back_are_told_of_and_have_to_be_noted(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let start: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    for hours in [0, 30, 6] {
        fill_at(&*store, 300, name, |_| start + SignedDuration::from_hours(hours)).await;
    }
    for full in [true, false] {
        let report = super::tree::check(&store, full, &[]).await;
        assert!(report.is_sound(), "{report:?}");
        let told = report
            .warnings
            .iter()
            .any(|told| told.contains("set back by 86400 s at position 601"));
        assert!(told, "{report:?}");
    }
    raw.execute("DELETE FROM clock_steps").await;
    let report = super::tree::check(&store, true, &[]).await;
    assert_eq!(
        (report.findings[0].kind, report.findings[0].position),
        (FindingKind::Altered, Some(601)),
        "{report:?}"
    );
    raw.execute(
        "INSERT INTO clock_steps (position, stepped_from, stepped_to)
         VALUES (601, '2026-02-02T06:00:00.000000Z', '2026-02-01T06:00:00.000000Z'),
                (301, '2030-01-01T00:00:00.000000Z', '2026-02-02T06:00:00.000000Z')",
    )
    .await;
    let report = super::tree::check(&store, true, &[]).await;
    assert_eq!(
        (report.findings[0].kind, report.findings[0].position, report.found),
        (FindingKind::Clock, Some(301), 1),
        "{report:?}"
    );
}
