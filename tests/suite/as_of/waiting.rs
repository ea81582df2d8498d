//! Answers that include the newest events.

use std::time::{Duration, Instant};

use serde_json::Value;
use warmledger::clock;
use warmledger::simulate::{Options, Plan};

use crate::on_both_stores;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_poll_right_after_a_webhook_sees_it,
    views_that_stand_still_are_not_waited_for_without_end,
    another_process_on_the_same_ledger_waits_too,
);

/// A call with the header that asks for a position.
async fn get_since(service: &TestService, path: &str, position: &str) -> reqwest::Response {
    let request = service.client.get(format!("{}{path}", service.base));
    let request = request.header("Warmledger-Position", position);
    request.bearer_auth(&service.token).send().await.unwrap()
}

fn reached(response: &reqwest::Response) -> u64 {
    response.headers()["warmledger-position"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

async fn a_poll_right_after_a_webhook_sees_it(database: Database) {
    let service = database.service().await;
    let plan = Plan::new(&Options::new(15, clock::now()));
    for delivery in &plan.deliveries {
        let receipt = service.webhook(delivery.body.as_bytes()).send().await.unwrap();
        assert_eq!(receipt.status(), 200);
        let position = receipt.headers()["warmledger-position"].to_str().unwrap().to_owned();
        assert_eq!(receipt.json::<Value>().await.unwrap()["position"].to_string(), position);
        let order = format!("/api/v1/orders/{}", delivery.order_id);
        let response = service.get(&format!("{order}?atLeast={position}")).await;
        assert_eq!(response.status(), 200);
        assert!(reached(&response) >= position.parse().unwrap());
        for list in ["orders", "domains", "renewals", "failures", "failures?groupBy=day"] {
            let response = get_since(&service, &format!("/api/v1/{list}"), &position).await;
            assert_eq!(response.status(), 200, "{list}");
            assert!(reached(&response) >= position.parse().unwrap(), "{list}");
        }
    }
    let beyond = plan.deliveries.len() + 1;
    for response in [
        service.get(&format!("/api/v1/orders?atLeast={beyond}")).await,
        get_since(&service, "/api/v1/renewals", &beyond.to_string()).await,
        get_since(&service, "/api/v1/renewals", "soon").await,
    ] {
        assert_eq!(response.status(), 400);
    }
    // a 404 names its position too
    let head = beyond - 1;
    let response = service.get(&format!("/api/v1/orders/NOTHING?atLeast={head}")).await;
    assert_eq!((response.status().as_u16(), reached(&response)), (404, head as u64));
    service.stop().await;
}

async fn views_that_stand_still_are_not_waited_for_without_end(database: Database) {
    // the lease's holder folds, so while the test holds it no process does
    let store = database.store().await;
    let lease = store
        .lease(warmledger::store::Duty::Projections)
        .await
        .unwrap()
        .unwrap();
    let service = database.service().await;
    let position = service.send(fixture("prewarmup.order.success.json")).await["position"].clone();
    let begun = Instant::now();
    let response = service.get(&format!("/api/v1/orders?atLeast={position}")).await;
    assert!(begun.elapsed() >= Duration::from_secs(5) && begun.elapsed() < Duration::from_secs(9));
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let problem: Value = response.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("they are at 0"),
        "{problem}"
    );
    // an answer as of a position is folded from the log, not read from the live rows
    let order = service.get(&format!("/api/v1/orders?asOf={position}")).await;
    assert_eq!(
        order.json::<Value>().await.unwrap()["items"].as_array().unwrap().len(),
        1
    );
    drop(lease);
    service.stop().await;
}

async fn another_process_on_the_same_ledger_waits_too(database: Database) {
    let (first, second) = (database.service().await, database.service().await);
    for name in ["prewarmup.order.success.json", "prewarmup.order.failed.json"] {
        let position = first.send(fixture(name)).await["position"].clone();
        for service in [&second, &first] {
            let response = service.get(&format!("/api/v1/failures?atLeast={position}")).await;
            assert_eq!(response.status(), 200);
            assert!(reached(&response) >= position.as_u64().unwrap());
        }
    }
    second.stop().await;
    first.stop().await;
}
