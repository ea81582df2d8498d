//! A log written without a tree gets one at the next start.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use warmledger::simulate::{self, Options, Plan};
use warmledger::tlog::{Frontier, Growth};

use super::check;
use crate::on_both_stores;
use crate::support::child::sender;
use crate::support::log::{fill_with_leaves, sound_log};
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(
    a_log_without_a_tree_gets_one_at_the_next_start,
    a_tree_is_extended_only_from_where_it_stands,
    a_log_is_checked_while_it_grows,
    nodes_keys_and_checkpoints_cannot_be_changed,
);

/// As a version without a tree would have left it.
async fn forget_tree(raw: &Raw) {
    match raw {
        Raw::Sqlite(_) => raw.execute("DROP TRIGGER tree_nodes_not_deleted").await,
        Raw::Postgres(_) => raw.execute("ALTER TABLE tree_nodes DISABLE TRIGGER USER").await,
    }
    raw.execute("DELETE FROM tree_nodes").await;
    let none = if matches!(raw, Raw::Sqlite(_)) { "x''" } else { "''" };
    raw.execute(&format!("UPDATE head SET tree_size = 0, frontier = {none}"))
        .await;
}

async fn a_log_without_a_tree_gets_one_at_the_next_start(database: Database) {
    let (store, raw) = (database.store_with_keys().await, Raw::connect(&database).await);
    fill_with_leaves(&*store, 20_000).await;
    forget_tree(&raw).await;
    assert_eq!(store.tree().await.unwrap().frontier, Frontier::default());
    let service = database.service().await;
    assert_eq!(store.tree().await.unwrap().frontier.size(), 20_000);
    service.send(fixture("prewarmup.order.success.json")).await;
    service.stop().await;
    assert_eq!(sound_log(&*store).await.len(), 20_001);
    let report = check(&store, true, &[]).await;
    assert_eq!((report.findings.first(), report.rows), (None, 20_001));
}

async fn a_tree_is_extended_only_from_where_it_stands(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    fill_with_leaves(&*store, 300).await;
    forget_tree(&raw).await;
    let leaves = store.tree_hashes(0, 0..300).await.unwrap();
    let mut growth = Growth::default();
    leaves[..260].iter().for_each(|leaf| growth.push(*leaf));
    assert!(!store.grow_tree(1, &growth).await.unwrap());
    assert!(store.grow_tree(0, &growth).await.unwrap());
    assert!(!store.grow_tree(0, &growth).await.unwrap(), "it is larger by now");
    assert_eq!(store.tree_hashes(1, 0..9).await.unwrap().len(), 1);
    assert_eq!(&store.tree().await.unwrap().frontier, growth.frontier());
    let mut beyond = Growth::on(growth.frontier().clone());
    (0..41).for_each(|n| beyond.push(leaves[n]));
    assert!(
        !store.grow_tree(260, &beyond).await.unwrap(),
        "there are not so many events"
    );
}

async fn nodes_keys_and_checkpoints_cannot_be_changed(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    fill_with_leaves(&*store, 300).await;
    super::signer(&database, &store).await.sign().await.unwrap();
    for (table, column) in [
        ("tree_nodes", "number"),
        ("log_origin", "origin"),
        ("signing_keys", "created_at"),
        ("checkpoints", "size"),
    ] {
        for sql in [
            format!("UPDATE {table} SET {column} = {column}"),
            format!("DELETE FROM {table}"),
        ] {
            let refused = raw.try_execute(&sql).await.unwrap_err();
            assert!(refused.contains("is immutable"), "{sql}: {refused}");
        }
    }
}

async fn a_log_is_checked_while_it_grows(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    let plan = Plan::new(&Options {
        renewals: true,
        ..Options::new(150, Timestamp::now())
    });
    let options = sender(&service.base, &service.key);
    let sending = tokio::spawn(async move { simulate::run(&plan, &options, CancellationToken::new()).await });
    let mut heads = Vec::new();
    while !sending.is_finished() {
        for full in [true, false] {
            let report = check(&store, full, &[]).await;
            assert_eq!(report.findings.first(), None);
            heads.push(report.head);
        }
    }
    assert!(sending.await.unwrap().unwrap().complete());
    assert!(heads.first() < heads.last(), "it did not grow meanwhile: {heads:?}");
    service.stop().await;
    sound_log(&*database.store().await).await;
}
