//! Several ledgers in one database, and poolers in front of it.

use std::time::{Duration, Instant};

use aggregates::Position;
use tokio::time::timeout;
use warmledger::settings::DatabaseUrl;
use warmledger::store::{self, Duty};

use crate::cli::program::Program;
use crate::support::pooler::Pooler;
use crate::support::{Database, fixture};

/// A ledger in a schema of its own.
async fn in_schema(database: &Database, name: &str) -> Database {
    database.execute(&format!("CREATE SCHEMA {name}")).await;
    let sign = if database.url.contains('?') { '&' } else { '?' };
    Database::at(format!("{}{sign}options=-csearch_path%3D{name}", database.url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_in_schemas_of_one_database_do_not_hold_up_each_other() {
    let database = Database::postgres().await;
    let (a, b) = (in_schema(&database, "a").await, in_schema(&database, "b").await);
    let (first, second) = (a.service().await, b.service().await);
    let (in_a, in_b) = (a.store().await, b.store().await);
    first.send(fixture("prewarmup.order.success.json")).await;
    for name in ["prewarmup.order.failed.json", "subscription.renewing.json"] {
        second.send(fixture(name)).await;
    }
    // both fold and sign at once
    tokio::join!(first.caught_up(&*in_a, 1), second.caught_up(&*in_b, 2));
    tokio::join!(first.signed(&*in_a, 1), second.signed(&*in_b, 2));
    // and neither sees the other's
    assert_eq!(in_a.head().await.unwrap().position, Position(1));
    assert_eq!(in_b.head().await.unwrap().position, Position(2));
    let orders = second.get_json("/api/v1/orders").await;
    assert_eq!(orders["items"].as_array().unwrap().len(), 1, "{orders}");
    assert_ne!(in_a.known_origin().await.unwrap(), in_b.known_origin().await.unwrap());
    // both rebuild at once, and rotate their keys
    let (program_a, program_b) = (Program::new(&a), Program::new(&b));
    for command in ["projections rebuild --all", "keys rotate", "verify --full"] {
        let (one, other) = tokio::join!(program_a.run(command), program_b.run(command));
        assert_eq!(
            (one.code, other.code),
            (0, 0),
            "{command}: {}{}",
            one.stderr,
            other.stderr
        );
    }
    // the append lock of one ledger does not block the other
    let held = in_a.append_lock(Position(0), 10).await.unwrap().unwrap();
    let other = timeout(Duration::from_secs(1), in_b.append_lock(Position(0), 10)).await;
    other.unwrap().unwrap().unwrap().0.release().await;
    held.0.release().await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_session_mode_serves() {
    let database = Database::postgres().await;
    let pooler = Pooler::start(&database, "session").await;
    let pooled = Database::at(pooler.url.clone());
    let (first, store) = (pooled.service().await, pooled.store().await);
    first.send(fixture("prewarmup.order.success.json")).await;
    first.caught_up(&*store, 1).await;
    first.signed(&*store, 1).await;
    // the next user of a pooled session finds no state of the previous process
    first.stop().await;
    let second = pooled.service().await;
    second.send(fixture("prewarmup.order.failed.json")).await;
    second.caught_up(&*store, 2).await;
    let held = store.lease(Duty::Relay).await.unwrap();
    assert!(held.is_some());
    second.stop().await;
    let verified = Program::new(&pooled).run("verify --full").await;
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_shares_sessions_is_refused_with_the_reason() {
    let database = Database::postgres().await;
    for mode in ["transaction", "statement"] {
        let pooler = Pooler::start(&database, mode).await;
        let begun = Instant::now();
        let refused = store::open(&DatabaseUrl::parse(&pooler.url).unwrap(), store::Mode::Migrate)
            .await
            .err()
            .unwrap();
        let said = refused.to_string();
        assert!(
            said.contains("pool_mode = session") && !refused.is_transient(),
            "{mode}: {said}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    // nothing was created there
    let raw = crate::support::raw::Raw::connect(&database).await;
    assert!(
        raw.texts("SELECT relname::text FROM pg_class WHERE relname = 'events'")
            .await
            .is_empty()
    );
}
