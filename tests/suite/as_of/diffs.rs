//! What changed between two moments, and by which events.

use std::collections::BTreeSet;

use aggregates::{Position, Recorded};
use serde_json::{Value, json};
use warmledger::runner::{Change, Diff, Fields, diff, fields, item_as_of};
use warmledger::service::Core;
use warmledger::store::{Mode, Store};

use super::record;
use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    a_diff_leads_from_the_row_before_to_the_row_after_by_events_of_the_row,
    a_diff_names_the_event_that_changed_a_field,
);

async fn row(store: &dyn Store, projection: &'static dyn projections::AnyProjection, key: &str, at: u64) -> Fields {
    let row = item_as_of(store, projection, key, Position(at)).await.unwrap();
    row.as_ref().map(fields).unwrap_or_default()
}

fn value(fields: &Fields, path: &str) -> Value {
    fields.get(path).cloned().unwrap_or_default()
}

async fn a_diff_leads_from_the_row_before_to_the_row_after_by_events_of_the_row(database: Database) {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let events = record(&core, 23).await;
    let (store, end) = (&*core.store, events.len() as u64);
    for projection in projections::all() {
        let keys: BTreeSet<String> = events.iter().flat_map(|event| projection.keys(event)).collect();
        for (key, number) in keys.iter().zip(0..) {
            let (from, to) = (number * 5 % end, end - number % 3);
            let Some(Diff { changes, .. }) = diff(store, *projection, key, Position(from), Position(to.max(from)))
                .await
                .unwrap()
            else {
                continue;
            };
            let (before, after) = (
                row(store, *projection, key, from).await,
                row(store, *projection, key, to.max(from)).await,
            );
            let named: BTreeSet<&str> = changes.iter().map(|change| change.path.as_str()).collect();
            for path in before.keys().chain(after.keys()) {
                let same = before.get(path) == after.get(path);
                assert!(same || named.contains(path.as_str()), "{path} of {key} is not named");
            }
            for Change {
                path,
                before: was,
                after: is,
                events: by,
            } in &changes
            {
                assert_eq!(
                    (was, is),
                    (&value(&before, path), &value(&after, path)),
                    "{path} of {key}"
                );
                assert_eq!(by.last().map(|event| &event.value), Some(is));
                for event in by {
                    assert!(event.position.0 > from && event.position.0 <= to, "{path} of {key}");
                    let recorded: &Recorded = &events[event.position.0 as usize - 1];
                    assert!(projection.keys(recorded).iter().any(|touched| touched == key));
                    assert_eq!(event.event_id, recorded.event_id.as_str());
                    assert_eq!(event.type_name, recorded.event.type_name());
                    // just before the event, the field was different
                    let earlier = row(store, *projection, key, event.position.0 - 1).await;
                    let later = row(store, *projection, key, event.position.0).await;
                    assert_ne!(earlier.get(path), later.get(path), "{path} of {key}");
                }
            }
        }
    }
    core.close().await;
}

async fn a_diff_names_the_event_that_changed_a_field(database: Database) {
    let service = database.service().await;
    for name in [
        "partial-failure.1.success.json",
        "prewarmup.order.success.json",
        "partial-failure.2.failed.json",
    ] {
        service.send(fixture(name)).await;
    }
    let [first, second] = ["partial-failure.1.success.json", "partial-failure.2.failed.json"]
        .map(|name| serde_json::from_slice::<Value>(&fixture(name)).unwrap());
    let order = first["data"]["orderId"].as_str().unwrap();
    let diff = service.get_json(&format!("/api/v1/orders/{order}/diff?from=1")).await;
    assert_eq!((&diff["from"], &diff["to"]), (&json!(1), &json!(3)));
    let changes = diff["changes"].as_array().unwrap();
    let change = |path: &str| {
        let found = changes.iter().find(|change| change["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is not in {diff}"))
    };
    let status = change("/status");
    assert_eq!(
        (&status["before"], &status["after"]),
        (&json!("fulfilled"), &json!("partial"))
    );
    for change in changes {
        let by = change["events"].as_array().unwrap();
        assert_eq!(by.len(), 1);
        assert_eq!(
            (&by[0]["position"], &by[0]["type"]),
            (&json!(3), &json!("AssignmentFailed"))
        );
        assert_eq!(by[0]["eventId"], second["eventId"]);
    }
    let failed = changes
        .iter()
        .find(|change| change["path"].as_str().unwrap().ends_with("/status") && change["after"] == "failed");
    assert!(failed.is_some_and(|change| change["before"] == Value::Null), "{diff}");
    // the same through the projection's name; nothing between two moments without an event of the order
    let same = service
        .get_json(&format!("/api/v1/projections/orders/diff?key={order}&from=1"))
        .await;
    assert_eq!(same, diff);
    let nothing = service
        .get_json(&format!("/api/v1/orders/{order}/diff?from=1&to=2"))
        .await;
    assert_eq!(nothing["changes"], json!([]));
    let before = service.get(&format!("/api/v1/orders/{order}/diff?to=0")).await;
    assert_eq!(before.status(), 404);
    let backwards = service.get(&format!("/api/v1/orders/{order}/diff?from=3&to=1")).await;
    assert_eq!(backwards.status(), 400);
    service.stop().await;
}
