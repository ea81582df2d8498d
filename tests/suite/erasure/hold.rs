//! A legal hold keeps a subject from being erased.

use reqwest::Method;
use serde_json::json;

use super::{assignment, call, erase};
use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::sound_log;

on_both_stores!(
    a_held_user_is_not_erased_until_released,
    the_store_itself_refuses_to_erase_a_held_subject,
    a_reason_that_says_nothing_is_refused_over_http_and_in_commands,
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
    assert_eq!(
        (&state["hasKey"], &state["heldAtPosition"]),
        (&json!(true), &held["position"])
    );

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
    // nor does it delay other records
    let (one, other) = tokio::join!(
        call(&service, Method::DELETE, "/api/v1/subjects/U1"),
        service.send(assignment("E2", "U2", "O2", "secret"))
    );
    assert_eq!((one.0, &other["status"]), (409, &json!("recorded")));
    service.stop().await;
}

async fn a_reason_that_says_nothing_is_refused_over_http_and_in_commands(database: Database) {
    let service = database.service().await;
    service.send(assignment("E1", "U1", "O1", "secret")).await;
    let unseen = "\u{200b}".repeat(12);
    for (method, path) in [
        (Method::DELETE, "/api/v1/subjects/U1"),
        (Method::POST, "/api/v1/subjects/U1/hold"),
        (Method::POST, "/api/v1/subjects/U1/release"),
        (Method::POST, "/api/v1/events/1/evidence"),
    ] {
        for reason in ["x", "because", "          ", &unseen] {
            let request = service
                .client
                .request(method.clone(), format!("{}{path}", service.base));
            let request = request.bearer_auth(&service.token).json(&json!({"reason": reason}));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 400, "{path} {reason:?}");
            let problem = response.text().await.unwrap();
            assert!(problem.contains("at least 10 visible characters"), "{problem}");
        }
    }
    // an optional reason may not be empty
    for (reason, expected) in [("", 400), ("%20", 400), ("%E2%80%8B", 400), ("fix", 202)] {
        let path = format!("/api/v1/projections/orders/rebuild?reason={reason}");
        let (status, answer) = call(&service, Method::POST, &path).await;
        assert_eq!(status, expected, "{answer}");
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(status == 202 || detail.contains("reason: is empty"), "{detail}");
    }
    service.stop().await;
    let program = Program::new(&database);
    for command in [
        "subjects erase U1 --reason because",
        "subjects hold U1 --reason because",
        "subjects release U1 --reason because",
        "events evidence 1 --reason because",
        "keys add --reason \u{200b}",
        "keys rotate --reason \u{200b}",
        "keys rotate-signing --reason \u{200b}",
        "quarantine replay --all --reason \u{200b}",
        "export --out bundle --reason \u{200b}",
    ] {
        let ended = program.run(command).await;
        let refused = ended.code == 2 && ended.stderr.contains("--reason");
        assert!(refused, "{command}: {}", ended.stderr);
    }
}
