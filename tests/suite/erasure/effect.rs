//! An erasure, a hold and a release take effect before they are answered, even if their triggers are missing.

use aggregates::{AccessEvent, AccessFacts, Actor, SubjectId};
use reqwest::Method;
use serde_json::json;
use warmledger::ledger::record_access;
use warmledger::service::Service;

use super::{USER, assignment, call, erase};
use crate::on_both_stores;
use crate::support::raw::Raw;
use crate::support::{Database, fixture, metrics};

on_both_stores!(
    without_the_trigger_an_erasure_destroys_the_key_all_the_same,
    an_erasure_that_cannot_destroy_the_key_is_not_answered_with_202,
    an_erasure_that_only_the_log_knows_of_destroys_the_key_at_the_next_start,
);

const REVEAL: &str = "/api/v1/mailboxes/LY25R9GK5AHYZ450YPWMNM8K8FXX/credentials/reveal";

/// Drops the triggers that apply events to subjects.
async fn take_triggers(raw: &Raw) {
    match raw {
        Raw::Postgres(_) => {
            raw.execute("ALTER TABLE events DISABLE TRIGGER events_of_subjects")
                .await
        }
        Raw::Sqlite(_) => {
            for name in ["erase", "hold", "release"] {
                raw.execute(&format!("DROP TRIGGER events_{name}_subjects")).await;
            }
        }
    }
}

async fn without_the_trigger_an_erasure_destroys_the_key_all_the_same(database: Database) {
    let service = database.service().await;
    let raw = Raw::connect(&database).await;
    let sent = service.send(fixture("prewarmup.order.success.json")).await;
    let store = database.store().await;
    service.caught_up(&*store, sent["position"].as_u64().unwrap()).await;
    assert_eq!(call(&service, Method::POST, REVEAL).await.0, 200);
    take_triggers(&raw).await;

    // a hold is applied, and released
    let path = format!("/api/v1/subjects/{USER}");
    assert_eq!(call(&service, Method::POST, &format!("{path}/hold")).await.0, 200);
    assert_eq!(call(&service, Method::DELETE, &path).await.0, 409);
    assert_eq!(call(&service, Method::POST, &format!("{path}/release")).await.0, 200);

    let erased = erase(&service, USER).await;
    let state = service.get_json(&path).await;
    assert_eq!(
        (&state["hasKey"], &state["heldAtPosition"], &state["erasedAtPosition"]),
        (&json!(false), &json!(null), &erased["position"])
    );
    assert_eq!(call(&service, Method::POST, REVEAL).await.0, 410);
    // later webhooks are sealed under a new key, which stays
    service.send(assignment("E-later", USER, "O-later", "new-secret")).await;
    assert_eq!(service.get_json(&path).await["hasKey"], true);
    service.stop().await;
    let service = database.service().await;
    assert_eq!(
        call(&service, Method::POST, REVEAL).await.0,
        410,
        "not after a restart either"
    );
    assert_eq!(service.get_json(&path).await["hasKey"], true);
    service.stop().await;
}

async fn an_erasure_that_cannot_destroy_the_key_is_not_answered_with_202(database: Database) {
    let service = database.service().await;
    let raw = Raw::connect(&database).await;
    service.send(assignment("E1", "U1", "O1", "secret")).await;
    take_triggers(&raw).await;
    let (keep, let_go) = match &raw {
        Raw::Postgres(_) => (
            "CREATE RULE kept AS ON DELETE TO data_keys DO INSTEAD NOTHING",
            "DROP RULE kept ON data_keys",
        ),
        Raw::Sqlite(_) => (
            "CREATE TRIGGER kept BEFORE DELETE ON data_keys BEGIN SELECT RAISE(IGNORE); END",
            "DROP TRIGGER kept",
        ),
    };
    raw.execute(keep).await;
    let (status, answer) = call(&service, Method::DELETE, "/api/v1/subjects/U1").await;
    assert_eq!(status, 500, "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(
        detail.contains("the data key of U1 is still there") && detail.contains("warmledger verify"),
        "{detail}"
    );
    service.stop().await;
    // the service does not start while it is there
    let started = Service::start(&database.settings(), metrics()).await;
    let refused = format!("{:#}", started.err().expect("a start that is refused"));
    assert!(refused.contains("the data key of U1 is still there"), "{refused}");
    raw.execute(let_go).await;
    let service = database.service().await;
    assert_eq!(service.get_json("/api/v1/subjects/U1").await["hasKey"], false);
    service.stop().await;
}

async fn an_erasure_that_only_the_log_knows_of_destroys_the_key_at_the_next_start(database: Database) {
    let service = database.service().await;
    let raw = Raw::connect(&database).await;
    for user in ["U1", "U2"] {
        service
            .send(assignment(&format!("E-{user}"), user, &format!("O-{user}"), "secret"))
            .await;
    }
    service.stop().await;
    take_triggers(&raw).await;
    let store = database.store().await;
    let facts = AccessFacts {
        subject: Some(SubjectId::parse("U1").unwrap()),
        ..AccessFacts::by(Actor::service())
    };
    let position = record_access(&*store, AccessEvent::SubjectErased(facts)).await.unwrap();
    assert_eq!(store.erasures_without_effect().await.unwrap().len(), 1);
    let service = database.service().await;
    let state = service.get_json("/api/v1/subjects/U1").await;
    assert_eq!(
        (&state["hasKey"], &state["erasedAtPosition"]),
        (&json!(false), &json!(position.0))
    );
    assert_eq!(service.get_json("/api/v1/subjects/U2").await["hasKey"], true);
    assert!(store.erasures_without_effect().await.unwrap().is_empty());
    service.stop().await;
}
