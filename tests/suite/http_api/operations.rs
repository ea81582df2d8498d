//! Health, metrics, rebuilds; and a mailbox after an erasure.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HISTORY, with_history};
use crate::on_both_stores;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_rebuild_is_begun_once_and_readers_are_switched,
    projections_tell_how_they_are_doing,
    a_lagging_projection_makes_the_service_unready,
    metrics_count_webhooks_requests_and_lag,
    an_erased_mailbox_has_no_name,
);

async fn rebuild(service: &TestService, name: &str) -> (u16, Value) {
    let call = service
        .client
        .post(format!("{}/api/v1/projections/{name}/rebuild", service.base));
    let response = call.bearer_auth(&service.token).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn projection(service: &TestService, name: &str) -> Value {
    let list = service.get_json("/api/v1/projections").await;
    let items = list["items"].as_array().unwrap();
    items.iter().find(|item| item["name"] == name).unwrap().clone()
}

async fn a_rebuild_is_begun_once_and_readers_are_switched(database: Database) {
    let service = with_history(&database).await;
    let before = service.get_json("/api/v1/orders").await;
    let calls = futures_util::future::join_all((0..8).map(|_| rebuild(&service, "orders"))).await;
    let begun: Vec<_> = calls.iter().filter(|(status, _)| *status == 202).collect();
    assert!(!begun.is_empty());
    assert_eq!(begun[0].1, json!({"name": "orders", "state": "rebuilding"}));
    assert!(calls.iter().all(|(status, _)| [202, 409].contains(status)), "{calls:?}");
    for _ in 0..200 {
        let orders = projection(&service, "orders").await;
        if orders["state"] == "live" && orders["generation"].as_i64().unwrap() > 1 {
            assert_eq!(orders["rows"], 2);
            assert_eq!(service.get_json("/api/v1/orders").await, before);
            return service.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the rebuild did not end within 10 s");
}

async fn projections_tell_how_they_are_doing(database: Database) {
    let service = with_history(&database).await;
    let mut status = projection(&service, "mailboxes").await;
    let version = projections::by_name("mailboxes").unwrap().version();
    let rate = status.as_object_mut().unwrap().remove("rate").unwrap();
    assert!(rate.is_null() || rate.as_f64().unwrap() >= 0.0, "{rate}");
    assert_eq!(
        status,
        json!({
            "name": "mailboxes",
            "version": version,
            "liveVersion": version,
            "generation": 1,
            "position": HISTORY.len(),
            "lag": 0,
            "lagSeconds": 0.0,
            "rows": 2,
            "parked": 0,
            "state": "live",
            "rebuiltTo": null,
            "error": null,
        })
    );
    service.stop().await;
}

async fn a_lagging_projection_makes_the_service_unready(database: Database) {
    let service = database
        .service_with(|settings| settings.lag_limit = Duration::ZERO)
        .await;
    service.send(fixture(HISTORY[1])).await;
    service.caught_up(&*database.store().await, 1).await;
    // by now the service has checked for rows of other versions, which it would rebuild
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(service.get_json("/readyz").await, json!({"status": "ready"}));
    // a generation that is no longer folded, as it has another version
    database
        .execute("UPDATE projection_generations SET version = 99 WHERE name = 'renewals'")
        .await;
    service.send(fixture(HISTORY[0])).await;
    let response = service.get("/readyz").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let detail = response.json::<Value>().await.unwrap()["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.contains("renewals is 1 events"), "{detail}");
    // its rows may have another version's shape, but these are valid, so they are read
    assert_eq!(service.get("/api/v1/renewals").await.status(), 200);
    service.stop().await;
}

async fn metrics_count_webhooks_requests_and_lag(database: Database) {
    let service = with_history(&database).await;
    service.get("/api/v1/orders/NOTHING").await;
    let response = service.get("/metrics").await;
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let text = response.text().await.unwrap();
    for line in [
        "warmledger_webhooks_total{outcome=\"recorded\"}",
        "warmledger_projection_lag_seconds{projection=\"renewals\"}",
        "warmledger_projection_lag_events{projection=\"orders\"} 0",
        "warmledger_projection_parked{projection=\"orders\"} 0",
        "warmledger_queue_room",
        "warmledger_head_position 7",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // labels have the route's pattern: no ids
    let route = text
        .lines()
        .find(|line| line.contains("/api/v1/orders/{orderId}") && line.contains("_count"));
    assert!(
        route.is_some_and(|line| line.contains("status=\"404\"") && line.contains("method=\"GET\"")),
        "{text}"
    );
    assert!(!text.contains("NOTHING"));
    service.stop().await;
}

async fn an_erased_mailbox_has_no_name(database: Database) {
    let service = with_history(&database).await;
    service.stop().await;
    database
        .execute(&format!("DELETE FROM data_keys WHERE subject = '{}'", super::USER))
        .await;
    let service = database.service().await;
    let answer = service.get_json("/api/v1/domains/example.com/mailboxes").await;
    let mailbox = &answer["mailboxes"][0];
    assert_eq!(mailbox["erased"], true);
    assert_eq!(mailbox["mailboxId"], "LY25R9GK5AHYZ450YPWMNM8K8FXX");
    assert_eq!(mailbox["hasCredentials"], false, "nobody can reveal them any more");
    for field in ["email", "firstName", "lastName"] {
        assert_eq!(mailbox[field], Value::Null, "{field}");
    }
    service.stop().await;
}
