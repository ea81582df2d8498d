//! A legal hold keeps a subject from being erased.

use reqwest::Method;
use serde_json::json;

use super::{assignment, call, erase};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::sound_log;

on_both_stores!(
    a_held_user_is_not_erased_until_released,
    the_store_itself_refuses_to_erase_a_held_subject,
);

async fn a_held_user_is_not_erased_until_released(database: Database) {
    let service = database.service().await;
    service.send(assignment("E1", "U1", "O1", "secret")).await;
    let (status, held) = call(&service, Method::POST, "/api/v1/subjects/U1/hold").await;
    assert_eq!(status, 200, "{held}");
    let (_, again) = call(&service, Method::POST, "/api/v1/subjects/U1/hold").await;
    assert_eq!(held, again, "one who is held stays so");
    let (status, refused) = call(&service, Method::DELETE, "/api/v1/subjects/U1").await;
    assert_eq!(status, 409);
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("legal hold") && detail.contains(&held["position"].to_string()),
        "{detail}"
    );
    let state = service.get_json("/api/v1/subjects/U1").await;
    assert_eq!((&state["hasKey"], &state["heldAt"]), (&json!(true), &held["position"]));

    assert_eq!(call(&service, Method::POST, "/api/v1/subjects/U1/release").await.0, 200);
    assert_eq!(call(&service, Method::POST, "/api/v1/subjects/U1/release").await.0, 409);
    erase(&service, "U1").await;
    let list = service.get_json("/api/v1/subjects?limit=1").await;
    assert_eq!(list["items"][0]["subject"], "U1");
    assert!(
        service.get_json("/api/v1/subjects?after=U1").await["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let types: Vec<String> = sound_log(&*database.store().await)
        .await
        .into_iter()
        .map(|event| event.type_name)
        .collect();
    let done = ["SubjectHeld", "AccessRefused", "SubjectReleased", "SubjectErased"];
    let done: Vec<&str> = [&["MailboxesAssigned"], &done[..]].concat();
    assert_eq!(types, done);
    service.stop().await;
}

async fn the_store_itself_refuses_to_erase_a_held_subject(database: Database) {
    use aggregates::{AccessEvent, AccessFacts, Actor, SubjectId};
    use warmledger::ledger::{RecordError, record_access};
    use warmledger::store::StoreError;

    let service = database.service().await;
    service.send(assignment("E1", "U1", "O1", "secret")).await;
    let store = database.store().await;
    let facts = AccessFacts {
        subject: SubjectId::parse("U1").ok(),
        ..AccessFacts::by(Actor::cli("root"))
    };
    record_access(&*store, AccessEvent::SubjectHeld(facts.clone()))
        .await
        .unwrap();
    let head = store.head().await.unwrap();
    let refused = record_access(&*store, AccessEvent::SubjectErased(facts.clone())).await;
    assert!(matches!(refused, Err(RecordError::Store(error)) if matches!(*error, StoreError::Held)));
    assert_eq!(store.head().await.unwrap(), head, "nothing of it was written");
    assert!(store.subjects(facts.subject.as_slice()).await.unwrap()[0].has_key);
    // nor does it hold up what is recorded beside it
    let (one, other) = tokio::join!(
        call(&service, Method::DELETE, "/api/v1/subjects/U1"),
        service.send(assignment("E2", "U2", "O2", "secret"))
    );
    assert_eq!((one.0, &other["status"]), (409, &json!("recorded")));
    service.stop().await;
}
