//! Limits per token on events, reveals and concurrent calls; no call outlives its token.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::support::api::RequestBuilder;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warmledger::access::{Scope, Scopes, TokenName, new_token};
use warmledger::clock;
use warmledger::store::{Duty, GenerationState, Store};

use super::{answer, call, log, token};
use crate::on_both_stores;
use crate::support::log::all_events;
use crate::support::sse::Sse;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    no_call_appends_more_than_its_tokens_budget,
    a_domain_counts_as_many_reveals_as_it_has_mailboxes,
    a_webhooks_body_counts_as_many_reveals_as_it_has_mailboxes,
    more_calls_at_once_than_a_token_may_have_are_refused,
    a_rebuild_that_is_over_the_budget_is_not_begun,
    a_ledger_has_one_rebuild_at_a_time,
    an_open_stream_ends_within_two_seconds_after_its_token_is_revoked,
    an_open_stream_ends_within_two_seconds_after_its_token_has_expired,
    a_call_whose_body_arrives_after_its_token_was_revoked_does_nothing,
    an_answer_that_takes_longer_than_its_token_lasts_is_not_handed_out,
);

const YASMEEN: &str = "LY25R9GK5AHYZ450YPWMNM8K8FXX";
const REASON: &str = "ticket 4711: locked out";
/// Refusals recorded per minute for one actor and action.
const REFUSALS: usize = 30;

fn limit(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn bodies() -> Value {
    json!({"reason": REASON})
}

/// A token made straight in the store, which uses no budget.
async fn stored_token(store: &dyn Store, scopes: impl IntoIterator<Item = Scope>) -> (String, String) {
    let name = TokenName::try_from("program".to_owned()).unwrap();
    let scopes: Scopes = scopes.into_iter().collect();
    let (token, stored) = new_token(&name, scopes, clock::now(), None);
    store.create_token(&stored).await.unwrap();
    (stored.id.to_string(), token.expose().clone())
}

/// Every call of the document that takes a token, filled in.
fn calls(document: &Value) -> Vec<(Method, String, Option<Value>)> {
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["security"].as_array().is_none_or(Vec::is_empty) {
                continue;
            }
            let mut target = path.clone();
            let mut query = Vec::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let value = match name {
                    "domain" => "example.com",
                    "mailboxId" => YASMEEN,
                    "orderId" | "key" => "WR3N4JEW3D76N6KGRQSG36SSHBXK",
                    "userId" => "PWM7Y25RYZ450YNM8K8FX9GK5AHX",
                    "id" => "tok_0123456789abcdef",
                    "name" if path.contains("consumers") => "billing",
                    "name" => "renewals",
                    "level" => "0",
                    "tile" => "000.p/1",
                    _ => "1",
                };
                match parameter["in"].as_str() {
                    Some("path") => target = target.replace(&format!("{{{name}}}"), value),
                    Some("query") if parameter["required"] == true => query.push(format!("{name}={value}")),
                    _ => {}
                }
            }
            if !query.is_empty() {
                target = format!("{target}?{}", query.join("&"));
            }
            let body = match (operation.get("requestBody"), method.as_str()) {
                (None, _) => None,
                (Some(_), "put") => Some(json!({})),
                (Some(_), _) if path.ends_with("/checkpoint") => Some(json!({"position": 0})),
                (Some(_), _) if path.ends_with("/tokens") => Some(json!({"name": "x", "scopes": ["read"]})),
                (Some(_), _) => Some(bodies()),
            };
            calls.push((method.to_uppercase().parse().unwrap(), target, body));
        }
    }
    calls
}

async fn no_call_appends_more_than_its_tokens_budget(database: Database) {
    const BUDGET: u32 = 3;
    let service = database
        .service_with(|settings| {
            settings.events_per_minute = limit(BUDGET);
            settings.reveals_per_minute = limit(100_000);
        })
        .await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let store = database.store().await;
    let calls = calls(&service.get_json("/openapi.json").await);
    assert!(calls.len() >= 40, "{}", calls.len());
    let mut exhausted = Vec::new();
    for (method, path, body) in calls {
        let (id, token) = stored_token(&*store, Scope::ALL).await;
        let begun = std::time::Instant::now();
        for _ in 0..REFUSALS + BUDGET as usize + 7 {
            let request = call(&service, method.clone(), &path, &token);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let response = request.send().await.unwrap();
            assert!(
                !response.status().is_server_error() || response.status() == 503,
                "{method} {path}"
            );
            if response.status() == 429 {
                let told = response.headers().contains_key("retry-after");
                if response.text().await.unwrap().contains("events_per_minute") {
                    assert!(told, "{method} {path}");
                    exhausted.push(format!("{method} {path}"));
                }
            }
        }
        let events = all_events(&*store).await;
        let own = events.iter().filter(|event| {
            let facts: Value = serde_json::from_str(&event.facts).unwrap();
            facts["actor"]["id"] == json!(id)
        });
        // both limits are per minute: a slow machine regains some meanwhile
        let a_second = (REFUSALS + BUDGET as usize) as f64 / 60.0;
        let given_back = (begun.elapsed().as_secs_f64() * a_second).ceil() as usize;
        let (own, most) = (own.count(), BUDGET as usize + 1 + REFUSALS + given_back);
        assert!(own <= most, "{method} {path} appended {own} events, at most {most}");
    }
    // each call that always appends exhausts its budget
    for path in ["/evidence", "/credentials/reveal", "/hold", "/tokens"] {
        assert!(
            exhausted.iter().any(|call| call.ends_with(path)),
            "{path}: {exhausted:?}"
        );
    }
    service.stop().await;
}

fn reveal(service: &TestService, path: &str, token: &str) -> RequestBuilder {
    call(service, Method::POST, path, token).json(&bodies())
}

async fn a_domain_counts_as_many_reveals_as_it_has_mailboxes(database: Database) {
    let service = database
        .service_with(|settings| settings.reveals_per_minute = limit(5))
        .await;
    // example.com has two mailboxes
    service.send(fixture("prewarmup.order.success.json")).await;
    let domain = "/api/v1/domains/example.com/credentials/reveal";
    let (id, drain) = token(&service, "drain", &["reveal", "reveal-bulk"]).await;
    assert_eq!(answer(reveal(&service, domain, &drain)).await.0, 200);
    assert_eq!(answer(reveal(&service, domain, &drain)).await.0, 200);
    let response = reveal(&service, domain, &drain).send().await.unwrap();
    assert_eq!(response.status(), 429, "four of five are gone");
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((12..=25).contains(&wait), "{wait}");
    let detail = response.text().await.unwrap();
    assert!(
        detail.contains("a token may have 5 mailboxes revealed a minute (setting reveals_per_minute)"),
        "{detail}"
    );
    let granted = log(&service, &format!("actor={id}&action=reveal&outcome=granted")).await;
    assert_eq!(granted.len(), 4, "nothing was opened for the one that was refused");
    let refused = log(&service, &format!("actor={id}&action=reveal&outcome=refused")).await;
    assert!(
        refused.len() == 1 && refused[0]["refusal"] == "rateLimit",
        "{refused:?}"
    );
    service.stop().await;

    let service = database
        .service_with(|settings| settings.reveals_per_minute = limit(1))
        .await;
    let response = reveal(&service, domain, &drain).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("retry-after"), "waiting does not help");
    let detail = response.text().await.unwrap();
    assert!(detail.contains("this call asks for 2"), "{detail}");
    service.stop().await;
}

async fn a_webhooks_body_counts_as_many_reveals_as_it_has_mailboxes(database: Database) {
    let service = database
        .service_with(|settings| settings.reveals_per_minute = limit(7))
        .await;
    // three mailboxes, and a quarantined body with as many
    let known = service.send(fixture("prewarmup.order.success.json")).await;
    let broken = String::from_utf8(fixture("prewarmup.order.success.json")).unwrap();
    let broken = service.send(broken.trim_end().trim_end_matches('}').to_owned()).await;
    assert_eq!(broken["status"], "quarantined");
    let open = async |position: &Value, token: &str| {
        let path = format!("/api/v1/events/{position}/evidence");
        let wanted = json!({"reason": REASON, "includeBody": true});
        answer(call(&service, Method::POST, &path, token).json(&wanted)).await
    };
    let (_, auditor) = token(&service, "auditor", &["audit", "reveal-bulk"]).await;
    assert_eq!(open(&known["position"], &auditor).await.0, 200);
    assert_eq!(open(&broken["position"], &auditor).await.0, 200);
    let (status, body) = open(&known["position"], &auditor).await;
    assert_eq!(status, 429, "six of seven are gone");
    assert!(
        body["detail"].as_str().unwrap().contains("reveals_per_minute"),
        "{body}"
    );
    assert_eq!(log(&service, "action=openEvidence&outcome=granted").await.len(), 2);
    service.stop().await;
}

async fn more_calls_at_once_than_a_token_may_have_are_refused(database: Database) {
    let service = database
        .service_with(|settings| settings.calls_per_token = limit(1))
        .await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (_, one) = token(&service, "one", &["reveal", "read"]).await;
    let (_, other) = token(&service, "other", &["read"]).await;
    // a call stays in progress while its body does not come
    let begun = Instant::now();
    let list = |token: &str| call(&service, Method::GET, "/api/v1/orders", token);
    let (mut slow, last) = loop {
        let slow = begin_reveal(&service, &one).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let last = answer(list(&one)).await;
        // on a busy machine the list may come first, so that the reveal is refused: try again
        if last.0 == 429 || begun.elapsed() > Duration::from_secs(30) {
            break (slow, last);
        }
    };
    assert_eq!(last.0, 429);
    let detail = last.1["detail"].as_str().unwrap();
    assert!(
        detail.contains("calls under way") && detail.contains("calls_per_token"),
        "{detail}"
    );
    assert_eq!(answer(list(&other)).await.0, 200, "each token has its own");
    assert!(finish(&mut slow).await.starts_with("HTTP/1.1 200"));
    assert_eq!(answer(list(&one)).await.0, 200);
    service.stop().await;
}

/// How long a reader's stream lasts after `since`, and its last block.
async fn goes_on_for(mut stream: Sse, since: Instant) -> (Duration, String) {
    let mut last = String::new();
    while let Some(block) = stream.block().await {
        last = block.comment.unwrap_or(last);
    }
    (since.elapsed(), last)
}

async fn an_open_stream_ends_within_two_seconds_after_its_token_is_revoked(database: Database) {
    let service = database.service().await;
    let other = database.service().await;
    let (id, reader) = token(&service, "reader", &["audit"]).await;
    let stream = Sse::open(&other.base, &reader, "", None).await;
    let own = Sse::open(&service.base, &reader, "", None).await;
    let admin = Sse::open(&service.base, &service.token, "", None).await;
    // long enough for both to have checked the token once
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(
        answer(call(&service, Method::DELETE, &path, &service.token)).await.0,
        204
    );
    let revoked = Instant::now();
    for (where_, stream) in [("another process", stream), ("this process", own)] {
        let (went_on, told) = goes_on_for(stream, revoked).await;
        assert!(
            went_on < Duration::from_secs(2),
            "in {where_} it went on for {went_on:?}"
        );
        assert_eq!(told, "the token was revoked");
    }
    let admin = tokio::time::timeout(Duration::from_secs(1), goes_on_for(admin, revoked)).await;
    assert!(admin.is_err(), "others go on");
    other.stop().await;
    service.stop().await;
}

async fn an_open_stream_ends_within_two_seconds_after_its_token_has_expired(database: Database) {
    let service = database.service().await;
    let expiry = clock::now() + SignedDuration::from_millis(2_500);
    let wanted = json!({"name": "short", "scopes": ["audit"], "expiresAt": expiry});
    let request = call(&service, Method::POST, "/api/v1/tokens", &service.token);
    let (status, made) = answer(request.json(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    let stream = Sse::open(&service.base, made["token"].as_str().unwrap(), "", None).await;
    let begun = Instant::now();
    let left = expiry.duration_since(clock::now()).unsigned_abs();
    let (went_on, told) = goes_on_for(stream, begun).await;
    assert!(
        went_on >= left && went_on < left + Duration::from_secs(2),
        "{went_on:?} of {left:?}"
    );
    assert!(told.starts_with("the token expired at"), "{told}");
    service.stop().await;
}

/// The head of a reveal, without its body.
async fn begin_reveal(service: &TestService, token: &str) -> TcpStream {
    let address = service.base.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/mailboxes/{YASMEEN}/credentials/reveal HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        bodies().to_string().len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

/// Sends the body, and reads the answer.
async fn finish(connection: &mut TcpStream) -> String {
    connection.write_all(bodies().to_string().as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = connection.read_to_string(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(30), reading).await;
    read.expect("an answer").unwrap();
    answer
}

async fn a_call_whose_body_arrives_after_its_token_was_revoked_does_nothing(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (id, support) = token(&service, "support", &["reveal"]).await;
    let mut slow = begin_reveal(&service, &support).await;
    // longer than a token's row is cached
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(
        answer(call(&service, Method::DELETE, &path, &service.token)).await.0,
        204
    );
    let answer = finish(&mut slow).await;
    assert!(
        answer.starts_with("HTTP/1.1 401") && answer.contains("the token was revoked"),
        "{answer}"
    );
    assert_eq!(
        log(&service, "action=reveal&outcome=granted").await,
        Vec::<Value>::new()
    );
    let refused = log(&service, "action=reveal&outcome=refused").await;
    assert_eq!((refused.len(), &refused[0]["refusal"]), (1, &json!("revoked")));
    service.stop().await;
}

async fn an_answer_that_takes_longer_than_its_token_lasts_is_not_handed_out(database: Database) {
    let store = database.store().await;
    // while the test holds the lease, the service folds nothing, and a caller who needs the newest rows waits for 5 s
    let lease = store.lease(Duty::Projections).await.unwrap();
    assert!(lease.is_some());
    let service = database.service().await;
    let head = service.send(fixture("prewarmup.order.success.json")).await["position"].clone();
    let (id, support) = token(&service, "reader", &["read"]).await;
    let path = format!("/api/v1/orders?atLeast={head}");
    let waiting = call(&service, Method::GET, &path, &support);
    let waiting = tokio::spawn(async move { answer(waiting).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!waiting.is_finished());
    let revoke = format!("/api/v1/tokens/{id}");
    assert_eq!(
        answer(call(&service, Method::DELETE, &revoke, &service.token)).await.0,
        204
    );
    let (status, body) = waiting.await.unwrap();
    assert_eq!(status, 401, "{body}");
    assert_eq!(body["detail"], "the token was revoked");
    drop(lease);
    service.stop().await;
}

async fn a_rebuild_that_is_over_the_budget_is_not_begun(database: Database) {
    let service = database
        .service_with(|settings| settings.events_per_minute = limit(1))
        .await;
    let store = database.store().await;
    let (_, keeper) = stored_token(&*store, [Scope::Operate]).await;
    let rebuild = || call(&service, Method::POST, "/api/v1/projections/orders/rebuild", &keeper);
    assert_eq!(answer(rebuild()).await.0, 202);
    let building = async || {
        let generations = store.generations().await.unwrap();
        generations.iter().any(|found| found.state == GenerationState::Building)
    };
    let begun = Instant::now();
    let mut last = answer(rebuild()).await;
    while last.0 == 409 || building().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{last:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = answer(rebuild()).await;
    }
    assert_eq!(last.0, 429, "{last:?}");
    assert!(!building().await, "nothing was begun that was not recorded");
    service.stop().await;
}

async fn a_ledger_has_one_rebuild_at_a_time(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    let head = service.send(fixture("prewarmup.order.success.json")).await["position"].clone();
    service.caught_up(&*store, head.as_u64().unwrap()).await;
    // as if another process had just begun it
    let renewals = projections::by_name("renewals").unwrap();
    let building = store
        .create_generation(renewals.name(), renewals.version(), renewals.columns())
        .await
        .unwrap();
    store.entrust_generation(&building).await.unwrap();
    let rebuild = call(
        &service,
        Method::POST,
        "/api/v1/projections/orders/rebuild",
        &service.token,
    );
    let (status, body) = answer(rebuild).await;
    assert_eq!(status, 409, "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.contains("renewals is being rebuilt already") && detail.contains("one rebuild at a time"),
        "{detail}"
    );
    service.stop().await;
}
