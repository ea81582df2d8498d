//! The pages of one answer belong together, whatever is recorded meanwhile; and refusals.

use serde_json::Value;
use warmledger::clock;
use warmledger::simulate::{Options, Plan, Scenario};
use warmledger::store::GenerationState;

use crate::on_both_stores;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    the_pages_of_one_answer_stand_for_one_position_while_others_come_in,
    a_moment_to_come_and_a_cursor_of_another_answer_are_refused,
    snapshots_are_few_and_leave_the_live_rows_alone,
    what_was_erased_is_erased_at_every_moment,
);

const LISTS: [&str; 4] = ["orders", "domains", "renewals", "failures"];

async fn send(service: &TestService, orders: usize, seed: u64) -> u64 {
    let plan = Plan::new(&Options {
        scenario: Scenario::Mix,
        seed,
        ..Options::new(orders, clock::now())
    });
    let mut last = 0;
    for delivery in &plan.deliveries {
        last = service.send(delivery.body.as_bytes()).await["position"]
            .as_u64()
            .unwrap();
    }
    last
}

/// Walks a list page by page.
async fn walk(service: &TestService, list: &str, moment: &str, between: impl AsyncFn()) -> Vec<Value> {
    let (mut items, mut cursor, mut position) = (Vec::new(), String::new(), None);
    loop {
        let path = format!("/api/v1/{list}?asOf={moment}&limit=2{cursor}");
        let response = service.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        let own = response.headers()["warmledger-position"].clone();
        assert_eq!(*position.get_or_insert(own.clone()), own, "{path}");
        let mut page: Value = response.json().await.unwrap();
        items.append(page["items"].as_array_mut().unwrap());
        let Some(next) = page["next"].as_str() else {
            return items;
        };
        cursor = format!("&after={next}");
        between().await;
    }
}

async fn the_pages_of_one_answer_stand_for_one_position_while_others_come_in(database: Database) {
    let service = database.service().await;
    let position = send(&service, 8, 1).await;
    let moment = clock::now().to_string();
    for (seed, list) in (10..).zip(LISTS) {
        let at_once = service
            .get_json(&format!("/api/v1/{list}?asOf={position}&limit=500"))
            .await;
        let at_once = at_once["items"].as_array().unwrap();
        assert!(!at_once.is_empty(), "{list} is empty");
        let walked = walk(&service, list, &position.to_string(), async || {
            send(&service, 1, seed).await;
        })
        .await;
        assert_eq!(walked, *at_once, "{list}");
        assert_eq!(walk(&service, list, &moment, async || {}).await, *at_once, "{list}");
    }
    let now = service.get_json("/api/v1/orders?limit=500").await;
    assert!(now["items"].as_array().unwrap().len() > 8);
    service.stop().await;
}

async fn a_moment_to_come_and_a_cursor_of_another_answer_are_refused(database: Database) {
    let service = database.service().await;
    let head = send(&service, 4, 2).await;
    let pinned = service.get_json("/api/v1/orders?asOf=2&limit=1").await;
    let pinned = pinned["next"].as_str();
    let live = service
        .get_json(&format!("/api/v1/orders?limit=1&atLeast={head}"))
        .await;
    let (pinned, live) = (pinned.unwrap_or_default(), live["next"].as_str().unwrap().to_owned());
    let beyond = format!("asOf={}", head + 1);
    let domain = "domains/a.com/mailboxes";
    for (call, word) in [
        (format!("orders?{beyond}"), "still to come"),
        (format!("orders/x?{beyond}"), "still to come"),
        (format!("{domain}?{beyond}"), "still to come"),
        ("renewals?asOf=2999-01-01".to_owned(), "still to come"),
        ("failures?asOf=nonsense".to_owned(), "asOf"),
        ("orders/x?asOf=-1".to_owned(), "asOf"),
        ("orders?asOf=1&atLeast=1".to_owned(), "atLeast"),
        (format!("orders?limit=1&after={pinned}"), "asOf=2"),
        (format!("orders?limit=1&asOf=1&after={pinned}"), "after"),
        (format!("orders?limit=1&asOf=2&after={live}"), "after"),
        (format!("domains?limit=1&asOf=2&after={pinned}"), "after"),
    ] {
        let response = service.get(&format!("/api/v1/{call}")).await;
        assert_eq!(response.status(), 400, "{call}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(word), "{call}: {problem}");
    }
    for list in LISTS {
        let empty = service.get_json(&format!("/api/v1/{list}?asOf=0")).await;
        assert_eq!(empty["items"], serde_json::json!([]), "{list}");
        let long_ago = service.get_json(&format!("/api/v1/{list}?asOf=2001-01-01")).await;
        assert_eq!(long_ago["items"], serde_json::json!([]), "{list}");
    }
    service.stop().await;
}

async fn snapshots_are_few_and_leave_the_live_rows_alone(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    let head = send(&service, 6, 3).await;
    let live = async || {
        let mut generations = store.generations().await.unwrap();
        generations.retain(|found| found.state == GenerationState::Live);
        let rows = generations.into_iter().map(|found| (found.name, found.generation));
        rows.collect::<Vec<_>>()
    };
    let before = live().await;
    // all at once, and some callers give up
    let mut asked = Vec::new();
    for position in 0..=head.min(9) {
        let path = format!("{}/api/v1/orders?asOf={position}", service.base);
        let request = service.client.get(path).bearer_auth(&service.token);
        let patience = std::time::Duration::from_millis(if position % 3 == 0 { 1 } else { 60_000 });
        asked.push(tokio::spawn(request.timeout(patience).send()));
    }
    for (position, answer) in (0..).zip(asked) {
        let answer = answer.await.unwrap();
        if position % 3 != 0 {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["warmledger-position"], position.to_string());
        }
    }
    let generations = store.generations().await.unwrap();
    for projection in projections::all() {
        let own = generations.iter().filter(|found| found.name == projection.name());
        let kept = own.filter(|found| found.state == GenerationState::Snapshot);
        assert!(kept.count() <= 4, "{}", projection.name());
    }
    assert_eq!(live().await, before);
    crate::support::log::live_equals_rebuilt(&*store).await;
    service.stop().await;
}

async fn what_was_erased_is_erased_at_every_moment(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let path = "/api/v1/domains/example.com/mailboxes?asOf=1";
    let shown = service.get_json(path).await;
    assert_eq!(shown["mailboxes"][0]["email"], "yasmeen.king@example.com");
    service.stop().await;
    database
        .execute("DELETE FROM data_keys WHERE subject NOT LIKE '\\_%' ESCAPE '\\'")
        .await;
    let service = database.service().await;
    let erased = service.get_json(path).await;
    assert_eq!(erased["mailboxes"][0]["email"], Value::Null);
    assert_eq!(erased["mailboxes"][0]["erased"], true);
    service.stop().await;
}
