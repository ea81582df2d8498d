//! A backup from before an erasure restores no erased user.

use reqwest::Method;
use serde_json::json;

use super::{MAILBOXES, REVEAL, USER, call, erase};
use crate::on_both_stores;
use crate::support::log::sound_log;
use crate::support::{Database, fixture};

on_both_stores!(
    a_restored_backup_shows_erased_users_to_nobody,
    a_journal_that_was_lost_is_written_again,
    a_journal_of_another_ledger_does_no_harm,
);

async fn a_restored_backup_shows_erased_users_to_nobody(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    assert_eq!(
        call(&service, Method::POST, &format!("/api/v1/subjects/{USER}/hold"))
            .await
            .0,
        200
    );
    service.stop().await;
    // while the user was under hold, which was released later
    let backup = database.copy().await;
    let service = database.service().await;
    assert_eq!(
        call(&service, Method::POST, &format!("/api/v1/subjects/{USER}/release"))
            .await
            .0,
        200
    );
    erase(&service, USER).await;
    service.stop().await;
    let original = sound_log(&*database.store().await).await;
    let original = original
        .iter()
        .find(|event| event.type_name == "SubjectErased")
        .unwrap();

    let store = backup.store().await;
    let subject = aggregates::SubjectId::parse(USER).unwrap();
    let state = async || store.subjects(std::slice::from_ref(&subject)).await.unwrap().remove(0);
    assert!(state().await.has_key, "the backup has the key");
    backup.take_over(
        &database,
        &["master.key", "webhook.key", "admin.token", "erasures.jsonl"],
    );
    for start in 1..3 {
        let service = backup.service().await;
        assert!(!state().await.has_key);
        service.caught_up(&*store, store.head().await.unwrap().position.0).await;
        let shown = service.get_json(MAILBOXES).await;
        assert_eq!(shown["mailboxes"][0]["erased"], true, "{shown}");
        assert_eq!(call(&service, Method::POST, REVEAL).await.0, 410);
        let log = sound_log(&*store).await;
        let again: Vec<_> = log.iter().filter(|event| event.type_name == "SubjectErased").collect();
        assert_eq!(again.len(), 1, "start {start}");
        assert_eq!(
            (&again[0].event_id, &again[0].facts),
            (&original.event_id, &original.facts)
        );
        service.stop().await;
    }
}

async fn a_journal_that_was_lost_is_written_again(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    erase(&service, USER).await;
    service.stop().await;
    let journal = database.dir.path().join("erasures.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    assert!(text.contains(USER) && !text.contains('@'), "{text}");
    std::fs::remove_file(&journal).unwrap();
    database.service().await.stop().await;
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), text);
}

async fn a_journal_of_another_ledger_does_no_harm(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    erase(&service, USER).await;
    service.stop().await;
    let other = Database::sqlite();
    other.take_over(
        &database,
        &["master.key", "webhook.key", "admin.token", "erasures.jsonl"],
    );
    for _ in 0..2 {
        let service = other.service().await;
        service.send(fixture("prewarmup.order.success.json")).await;
        let state = service.get_json(&format!("/api/v1/subjects/{USER}")).await;
        assert_eq!(
            (&state["hasKey"], &state["erasedAtPosition"]),
            (&json!(true), &json!(null))
        );
        service.stop().await;
    }
}
