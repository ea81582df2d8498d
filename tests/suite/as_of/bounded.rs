//! However many moments are asked for, the number folded for one token and the number stored are limited.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde_json::Value;
use warmledger::clock;
use warmledger::simulate::{Options, Plan};
use warmledger::store::{GenerationState, Store};

use crate::on_both_stores;
use crate::support::{Database, TestService};

on_both_stores!(
    a_token_may_have_only_so_many_moments_folded,
    the_rows_of_only_so_many_moments_are_there_at_any_time,
);

async fn with_history(database: &Database, moments: u32) -> TestService {
    let service = database
        .service_with(|settings| settings.moments_per_minute = NonZeroU32::new(moments).unwrap())
        .await;
    for delivery in &Plan::new(&Options::new(45, clock::now())).deliveries {
        let receipt = service.webhook(delivery.body.as_bytes()).send().await.unwrap();
        assert_eq!(receipt.status(), 200);
    }
    service
}

async fn a_token_may_have_only_so_many_moments_folded(database: Database) {
    let service = with_history(&database, 3).await;
    let list = async |moment: u64| service.get(&format!("/api/v1/orders?asOf={moment}")).await;
    for moment in [1, 2, 3, 2, 1, 3] {
        assert_eq!(list(moment).await.status(), 200, "those that are kept cost nothing");
    }
    let refused = list(4).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("moments_per_minute"), "{detail}");
    let order = service
        .get("/api/v1/orders?limit=1")
        .await
        .json::<Value>()
        .await
        .unwrap();
    let order = order["items"][0]["orderId"].as_str().unwrap().to_owned();
    let one = service.get(&format!("/api/v1/orders/{order}?asOf=5")).await;
    assert!(matches!(one.status().as_u16(), 200 | 404), "one row needs no list");
    service.stop().await;
}

/// The number of snapshots of a projection, including those about to be dropped.
async fn kept(store: &dyn Store) -> usize {
    let generations = store.generations().await.unwrap();
    let passing = generations
        .iter()
        .filter(|kept| !matches!(kept.state, GenerationState::Live | GenerationState::Building));
    passing.filter(|kept| kept.name == "orders").count()
}

async fn the_rows_of_only_so_many_moments_are_there_at_any_time(database: Database) {
    let service = with_history(&database, 100_000).await;
    let store = database.store().await;
    let (mut answered, mut refused) = (0, 0);
    let begun = Instant::now();
    for moment in 1..=40 {
        match service
            .get(&format!("/api/v1/orders?asOf={moment}"))
            .await
            .status()
            .as_u16()
        {
            200 => answered += 1,
            503 => refused += 1,
            other => panic!("{other}"),
        }
        let kept = kept(&*store).await;
        assert!(kept <= 16, "{kept} snapshots");
    }
    // a machine may be so slow that the first ones are dropped before the last are folded; then all have room
    assert!(
        answered >= 16 && (refused >= 1 || begun.elapsed() > Duration::from_secs(10)),
        "{answered} answered, {refused} refused"
    );
    // released snapshots are dropped soon, which makes room
    let begun = Instant::now();
    while kept(&*store).await > 4 {
        assert!(begun.elapsed() < Duration::from_secs(60), "they are not dropped");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(service.get("/api/v1/orders?asOf=7").await.status(), 200);
    service.stop().await;
}
