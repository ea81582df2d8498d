//! The rows of every projection, by any of their columns.

use serde_json::{Value, json};

use super::{ORDER, caught_up, column, with_history};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::raw::Raw;

on_both_stores!(
    rows_are_those_that_sql_shows,
    rows_are_found_by_any_column_and_paged,
    an_unknown_column_is_refused_with_the_names_of_all,
    rows_of_another_version_are_not_there_for_now,
);

async fn rows_are_those_that_sql_shows(database: Database) {
    let service = with_history(&database).await;
    let raw = Raw::connect(&database).await;
    // reading the access log is recorded itself, once an hour
    service.get_json("/api/v1/projections/access/rows").await;
    let head = database.store().await.head().await.unwrap().position.0;
    caught_up(&database, &service, head).await;
    for projection in projections::all() {
        let name = projection.name();
        let page = service.get_json(&format!("/api/v1/projections/{name}/rows")).await;
        let (items, stored) = (page["items"].as_array().unwrap(), raw.rows(*projection).await);
        assert_eq!(items.len(), stored.len(), "{name}");
        for (item, stored) in items.iter().zip(&stored) {
            assert_eq!(item["key"], stored["key"]);
            // PostgreSQL's documents are returned as text here
            let document = match &stored["document"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                document => document.clone(),
            };
            assert_eq!(item["document"], document);
            // each column holds the value that a search matches
            for (column, value) in item["columns"].as_object().unwrap() {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let mut url = reqwest::Url::parse(&service.base).unwrap();
                url.query_pairs_mut().append_pair(column, &text);
                let query = url.query().unwrap();
                let path = format!("/api/v1/projections/{name}/rows?{query}");
                let found = service.get_json(&path).await;
                assert!(found["items"].as_array().unwrap().contains(item), "{path}");
            }
        }
    }
    service.stop().await;
}

async fn rows_are_found_by_any_column_and_paged(database: Database) {
    let service = with_history(&database).await;
    let orders = "/api/v1/projections/orders/rows";
    let found = service
        .get_json(&format!("{orders}?order_id={ORDER}&status=fulfilled"))
        .await;
    assert_eq!(column(&found, "key"), [ORDER]);
    assert_eq!(found["items"][0]["columns"]["status"], "fulfilled");
    assert_eq!(found["next"], Value::Null);
    let none = service
        .get_json(&format!("{orders}?order_id={ORDER}&status=failed"))
        .await;
    assert_eq!(none, json!({"items": [], "next": null}));

    let all = service.get_json("/api/v1/projections/renewals/rows").await;
    let keys = column(&all, "key");
    assert!(keys.len() >= 2 && keys.is_sorted());
    let (mut paged, mut path) = (Vec::new(), "/api/v1/projections/renewals/rows?limit=1".to_owned());
    loop {
        let page = service.get_json(&path).await;
        paged.extend(column(&page, "key").into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/projections/renewals/rows?limit=1&after={next}");
        let foreign = service.get(&format!("{orders}?after={next}")).await;
        assert_eq!(foreign.status(), 400, "a cursor is of its own list");
    }
    assert_eq!(paged, keys);
    service.stop().await;
}

async fn an_unknown_column_is_refused_with_the_names_of_all(database: Database) {
    let service = database.service().await;
    for (query, expected) in [
        (
            "mailbox=1",
            "it has service_provider, month, webhooks, domains, mailboxes",
        ),
        ("month=March", "month: has to be a date"),
        ("mailboxes=many", "mailboxes: has to be a whole number"),
        ("service_provider=%00", "not allowed"),
        ("limit=0", "limit: has to be a whole number from 1 to 500"),
        ("after=x", "after: is not a cursor"),
        ("month=2026-01-01&month=2026-01-01", "month: is given twice"),
    ] {
        let response = service
            .get(&format!("/api/v1/projections/monthly_mailboxes/rows?{query}"))
            .await;
        assert_eq!(response.status(), 400, "{query}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{problem}");
    }
    assert_eq!(service.get("/api/v1/projections/nonsense/rows").await.status(), 404);
    service.stop().await;
}

async fn rows_of_another_version_are_not_there_for_now(database: Database) {
    let service = with_history(&database).await;
    database
        .execute(
            "UPDATE projection_generations SET version = 99 WHERE name = 'orders';
             UPDATE orders_g1 SET document = '{\"other\":1}'",
        )
        .await;
    let response = service.get("/api/v1/projections/orders/rows").await;
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains("another version"),
        "{problem}"
    );
    service.stop().await;
}
