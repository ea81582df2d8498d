//! A ledger of an earlier version: what changes under it when a new one starts, and what does not.

use crate::cli::program::Program;
use crate::support::child::ChildService;
use crate::support::log::all_events;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_that_were_kept_as_json_are_the_same_text() {
    let database = Database::postgres().await;
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.send(fixture("subscription.renewing.json")).await;
    service.stop().await;
    let before = all_events(&*database.store().await).await;
    let raw = Raw::connect(&database).await;
    // as it was before migration 36, but for the function that appends and what came in since
    raw.execute(
        "ALTER TABLE events ALTER COLUMN facts TYPE json USING facts::json;
         DELETE FROM _sqlx_migrations WHERE version IN (36, 37)",
    )
    .await;

    let mut child = ChildService::start(&database).await;
    assert!(child.log().contains("of an earlier version"), "{}", child.log());
    assert!(child.terminate().await.success());
    let service = database.service().await;
    let after = all_events(&*database.store().await).await;
    let facts = |events: &[warmledger::store::StoredEvent]| -> Vec<String> {
        events.iter().map(|event| event.facts.clone()).collect()
    };
    assert!(before.len() >= 2);
    assert_eq!(facts(&before), facts(&after));
    // what compression the server was built with is its own affair, but it is that of the other columns
    let kinds = raw
        .texts(
            "SELECT format_type(atttypid, NULL) || ' ' || attstorage::text || ' ' || attcompression::text || ' ' || attcollation
             FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname IN ('facts', 'subject')",
        )
        .await;
    assert!(kinds[0].starts_with("text ") && kinds[0] == kinds[1], "{kinds:?}");
    let refused = raw.try_execute("UPDATE events SET facts = '{}'").await.unwrap_err();
    assert!(refused.contains("immutable"), "{refused}");
    let repeated = service.send(fixture("prewarmup.order.success.json")).await;
    assert_eq!(repeated["status"], "duplicate", "{repeated}");
    service.stop().await;
    let checked = database.store().await.check_schema().await.unwrap();
    assert_eq!((checked.faults, checked.unchecked), (Vec::new(), None));
    let verified = Program::new(&database).run("verify --full").await;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}
