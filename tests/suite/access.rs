//! Authorisation, and the record of accesses, on both stores.
//!
//! Layout
//! - `recording`: an access becomes a durable event among those of the webhooks
//! - `tokens`: tokens and scopes, over HTTP and in the stores
//! - `reveal`: handing out credentials
//! - `newest`: which of several credentials, names and addresses is the newest, and which are ignored
//! - `proxies`: calls through proxies
//! - `journal`: the record of reads, rebuilds and commands, and the access log
//! - `budgets`: limits per token on events, reveals and concurrent calls, and that no call outlives its token

mod budgets;
mod journal;
mod newest;
mod proxies;
mod recording;
mod reveal;
mod tokens;

use crate::support::api::RequestBuilder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestService;

/// A call with a token.
fn call(service: &TestService, method: Method, path: &str, token: &str) -> RequestBuilder {
    let url = format!("{}{path}", service.base);
    service.client.request(method, url).bearer_auth(token)
}

/// Status and body of an answer.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A new token with these scopes: its id, and the token.
async fn token(service: &TestService, name: &str, scopes: &[&str]) -> (String, String) {
    let request = call(service, Method::POST, "/api/v1/tokens", &service.token);
    let (status, made) = answer(request.json(&json!({"name": name, "scopes": scopes}))).await;
    assert_eq!(status, 201, "{made}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["about"]["id"]), text(&made["token"]))
}

/// The access log with every event recorded by now, newest first; without the reads of the log itself.
async fn log(service: &TestService, query: &str) -> Vec<Value> {
    let status = service.get_json("/api/v1/projections").await["items"][0].clone();
    let head = status["position"].as_u64().unwrap() + status["lag"].as_u64().unwrap();
    let page = service
        .get_json(&format!("/api/v1/access?atLeast={head}&{query}"))
        .await;
    let mut entries = page["items"].as_array().unwrap().clone();
    if !query.contains("action=") {
        entries.retain(|entry| entry["action"] != "readAccessLog" || entry["actor"] != "admin");
    }
    entries
}
