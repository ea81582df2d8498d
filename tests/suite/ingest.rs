//! Webhooks over HTTP: recorded, duplicate, quarantined or refused.

use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    a_webhook_is_recorded_once_and_its_repeat_is_a_duplicate,
    an_event_id_with_other_content_is_quarantined,
    the_largest_webhook_is_recorded_whatever_its_headers,
);

async fn a_webhook_is_recorded_once_and_its_repeat_is_a_duplicate(database: Database) {
    let service = database.service().await;
    let body = fixture("prewarmup.order.success.json");
    let first = service.send(body.clone()).await;
    assert_eq!(first["status"], "recorded");
    assert_eq!(first["position"], 1);
    assert_eq!(first["stream"], "order-WR3N4JEW3D76N6KGRQSG36SSHBXK");
    let again = service.send(body).await;
    assert_eq!(again["status"], "duplicate");
    assert_eq!(again["position"], 1);
    service.stop().await;

    // the database file is complete: no write-ahead log is left beside it
    assert!(!database.dir.path().join("warmledger.db-wal").exists());

    // a restarted service has an empty cache, and finds the duplicate all the same
    let service = database.service().await;
    let again = service.send(fixture("prewarmup.order.success.json")).await;
    assert_eq!(again["status"], "duplicate");
    assert_eq!(again["position"], 1);
    service.stop().await;
}

async fn an_event_id_with_other_content_is_quarantined(database: Database) {
    let service = database.service().await;
    service.send(fixture("subscription.renewing.json")).await;
    let body = String::from_utf8(fixture("subscription.renewing.json")).unwrap();
    let other = body.replace("RENEWING", "ACTIVE");
    let quarantined = service.send(other.clone()).await;
    assert_eq!(quarantined["status"], "quarantined");
    assert_eq!(quarantined["position"], 2);
    let again = service.send(other).await;
    assert_eq!(again["status"], "duplicate");
    assert_eq!(again["position"], 2);
    // the same content in another spelling is a repeat
    let compact = serde_json::from_str::<serde_json::Value>(&body).unwrap().to_string();
    let repeat = service.send(compact).await;
    assert_eq!(repeat["status"], "duplicate");
    assert_eq!(repeat["position"], 1);
    service.stop().await;
}

async fn the_largest_webhook_is_recorded_whatever_its_headers(database: Database) {
    let service = database.service().await;
    let mut body = fixture("subscription.renewing.json");
    body.resize(1024 * 1024, b' ');
    let long = service.webhook(body).header("user-agent", "x".repeat(300_000));
    let response = long.send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    service.stop().await;
}
