//! Named consumers and their checkpoints.

use std::num::NonZeroU32;

use aggregates::Position;
use reqwest::Method;
use serde_json::{Value, json};

use warmledger::store::{ConsumerName, EventFilter};

use crate::on_both_stores;
use crate::support::sse::Sse;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_consumer_is_made_changed_and_deleted,
    a_checkpoint_moves_forward_only_and_never_beyond_the_head,
    a_consumer_goes_on_after_its_checkpoint,
    what_makes_no_sense_is_refused,
    a_consumer_belongs_to_the_token_that_made_it,
    a_token_has_only_so_many_consumers_and_metrics_name_only_so_many,
);

const HISTORY: [&str; 4] = [
    "prewarmup.order.success.json",
    "prewarmup.order.failed.json",
    "subscription.renewal.success.json",
    "unknown.future.event.json",
];

async fn with_history(database: &Database) -> TestService {
    let service = database.service().await;
    for name in HISTORY {
        service.send(fixture(name)).await;
    }
    service
}

async fn call(service: &TestService, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = service
        .client
        .request(method, format!("{}/api/v1/consumers{path}", service.base));
    let response = request.bearer_auth(&service.token).json(&body).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn commit(service: &TestService, name: &str, body: Value) -> (u16, Value) {
    call(service, Method::POST, &format!("/{name}/checkpoint"), body).await
}

async fn a_consumer_is_made_changed_and_deleted(database: Database) {
    let service = with_history(&database).await;
    let filter = json!({"types": ["AssignmentFailed"], "category": "order"});
    let (status, made) = call(&service, Method::PUT, "/billing", json!({"filter": filter})).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["name"], "billing");
    assert_eq!(made["filter"], filter);
    // its creation is an event too
    assert_eq!((&made["position"], &made["lag"]), (&json!(0), &json!(5)));
    assert!(made["lagSeconds"].as_f64().unwrap() > 0.0);
    assert_eq!(made["lastSeenAt"], Value::Null);
    let (status, moved) = call(&service, Method::PUT, "/billing", json!({"position": 3})).await;
    assert_eq!(status, 200);
    assert_eq!((&moved["filter"], &moved["position"]), (&json!({}), &json!(3)));
    let (status, kept) = call(&service, Method::PUT, "/billing", json!({"filter": filter})).await;
    assert_eq!((status, &kept["position"]), (200, &json!(3)), "a checkpoint stays");
    let (status, _) = call(&service, Method::PUT, "/later", json!({"position": 7})).await;
    assert_eq!(status, 201);
    let list = service.get_json("/api/v1/consumers").await;
    let names = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str());
    assert!(names.eq([Some("billing"), Some("later")]));
    assert_eq!(service.get_json("/api/v1/consumers/billing").await["lag"], 5);
    let metrics = service.get("/metrics").await.text().await.unwrap();
    for line in [
        "warmledger_consumer_lag_events{consumer=\"billing\"} 5",
        "warmledger_consumer_lag_events{consumer=\"later\"} 1",
        "warmledger_consumer_lag_seconds{consumer=\"later\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(call(&service, Method::DELETE, "/billing", json!({})).await.0, 204);
    assert_eq!(call(&service, Method::DELETE, "/billing", json!({})).await.0, 404);
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(!metrics.contains("billing"), "{metrics}");
    service.stop().await;
}

async fn a_checkpoint_moves_forward_only_and_never_beyond_the_head(database: Database) {
    let service = with_history(&database).await;
    assert_eq!(commit(&service, "a", json!({"position": 1})).await.0, 404);
    call(&service, Method::PUT, "/a", json!({})).await;
    let (status, done) = commit(&service, "a", json!({"position": 3})).await;
    assert_eq!((status, &done["position"]), (200, &json!(3)));
    assert!(done["lastSeenAt"].is_string());
    assert_eq!(
        commit(&service, "a", json!({"position": 3})).await.0,
        200,
        "again is no step back"
    );
    let (status, refused) = commit(&service, "a", json!({"position": 2})).await;
    assert_eq!(status, 409);
    assert!(
        refused["detail"].as_str().unwrap().contains("at 3 already"),
        "{refused}"
    );
    let filter = json!({"types": ["AssignmentFailed"]});
    let (status, _) = call(&service, Method::PUT, "/a", json!({"filter": filter, "position": 2})).await;
    assert_eq!(status, 409);
    assert_eq!(
        service.get_json("/api/v1/consumers/a").await["filter"],
        json!({}),
        "all or nothing"
    );
    let (status, refused) = commit(&service, "a", json!({"position": 6, "rewind": true})).await;
    assert_eq!(status, 400);
    assert!(
        refused["detail"].as_str().unwrap().contains("newest is at 5"),
        "{refused}"
    );
    let (status, back) = commit(&service, "a", json!({"position": 0, "rewind": true})).await;
    assert_eq!((status, &back["position"]), (200, &json!(0)));
    service.stop().await;
}

async fn a_consumer_goes_on_after_its_checkpoint(database: Database) {
    let service = with_history(&database).await;
    let filter = json!({"types": ["AssignmentFailed", "SubscriptionRenewed"]});
    call(&service, Method::PUT, "/a", json!({"filter": filter, "position": 1})).await;
    let positions = async |query: &str| {
        let page = service.get_json(&format!("/api/v1/events?{query}")).await;
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(positions("consumer=a").await, [2, 3]);
    commit(&service, "a", json!({"position": 2})).await;
    assert_eq!(positions("consumer=a").await, [3]);
    assert_eq!(
        positions("consumer=a&after=0").await,
        [2, 3],
        "a position that is given goes before"
    );
    let mut stream = Sse::open(&service.base, &service.token, "?consumer=a", None).await;
    assert_eq!(stream.block().await.unwrap().id, Some(2));
    assert_eq!(stream.positions(1).await, [3]);
    let mut stream = Sse::open(&service.base, &service.token, "?consumer=a", Some(1)).await;
    assert_eq!(stream.positions(2).await, [2, 3]);
    assert!(service.get_json("/api/v1/consumers/a").await["lastSeenAt"].is_string());
    // the checkpoint outlives the service
    service.stop().await;
    let service = database.service().await;
    assert_eq!(service.get_json("/api/v1/consumers/a").await["position"], 2);
    service.stop().await;
}

async fn what_makes_no_sense_is_refused(database: Database) {
    let service = with_history(&database).await;
    call(&service, Method::PUT, "/a", json!({})).await;
    for (path, body, status, word) in [
        ("/A", json!({}), 400, "a-z"),
        ("/nats", json!({}), 409, "relay"),
        (
            "/b",
            json!({"filter": {"types": ["Nonsense"]}}),
            400,
            "MailboxesAssigned",
        ),
        (
            "/b",
            json!({"filter": {"category": "order-1"}}),
            400,
            "before the first -",
        ),
        (
            "/b",
            json!({"filter": {"types": vec!["MailboxesAssigned"; 70_000]}}),
            400,
            "names 70000 types",
        ),
        ("/b", json!({"filter": {"colour": "red"}}), 400, "colour"),
        ("/b", json!({"positoin": 1}), 400, "positoin"),
        ("/b", json!({"position": 6}), 400, "newest is at 5"),
        ("/b", json!([]), 400, "JSON"),
    ] {
        let (found, answer) = call(&service, Method::PUT, path, body).await;
        assert_eq!(found, status, "{path} {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(word), "{answer}");
    }
    assert_eq!(commit(&service, "nats", json!({"position": 1})).await.0, 409);
    assert_eq!(
        call(&service, Method::GET, "/b", json!({})).await.0,
        404,
        "nothing was made"
    );
    for (query, status, word) in [
        ("consumer=nobody", 404, "PUT"),
        ("consumer=a&type=AssignmentFailed", 400, "its own filter"),
        ("category=a-b", 400, "category"),
        ("type=", 400, "MailboxesAssigned"),
    ] {
        for path in ["events", "events/stream"] {
            let refused = service.get(&format!("/api/v1/{path}?{query}")).await;
            assert_eq!(refused.status(), status, "{path}?{query}");
            assert!(refused.text().await.unwrap().contains(word), "{query}");
        }
    }
    service.stop().await;
}

/// A token with the scope `audit` and these scopes.
async fn token(service: &TestService, scopes: Value) -> (String, String) {
    let request = service.client.post(format!("{}/api/v1/tokens", service.base));
    let request = request.bearer_auth(&service.token);
    let request = request.json(&json!({"name": "reader", "scopes": scopes}));
    let made: Value = request.send().await.unwrap().json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["about"]["id"]), text(&made["token"]))
}

async fn call_by(service: &TestService, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = service
        .client
        .request(method, format!("{}/api/v1/consumers{path}", service.base));
    let response = request.bearer_auth(token).json(&body).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn a_consumer_belongs_to_the_token_that_made_it(database: Database) {
    let service = with_history(&database).await;
    let (id, own) = token(&service, json!(["audit"])).await;
    let (_, other) = token(&service, json!(["audit"])).await;
    let (_, keeper) = token(&service, json!(["audit", "operate"])).await;
    let put = async |token: &str, body: Value| call_by(&service, token, Method::PUT, "/billing", body).await;
    let (status, made) = put(&own, json!({})).await;
    assert_eq!((status, &made["owner"]), (201, &json!(id)));
    assert_eq!(put(&own, json!({})).await.0, 200, "nothing new, and nothing to record");
    let (status, refused) = put(&other, json!({"position": 3})).await;
    assert_eq!(status, 403);
    assert!(
        refused["detail"].as_str().unwrap().contains("another token"),
        "{refused}"
    );
    let to = json!({"position": 1});
    let committed = call_by(&service, &other, Method::POST, "/billing/checkpoint", to.clone()).await;
    assert_eq!(committed.0, 403);
    let deleted = call_by(&service, &other, Method::DELETE, "/billing", json!({})).await;
    assert_eq!(deleted.0, 403);
    let committed = call_by(&service, &own, Method::POST, "/billing/checkpoint", to).await;
    assert_eq!((committed.0, &committed.1["position"]), (200, &json!(1)));
    assert_eq!(put(&keeper, json!({"position": 2})).await.0, 200);
    assert_eq!(
        service.get_json("/api/v1/consumers/billing").await["owner"],
        json!(id),
        "it stays theirs"
    );
    let deleted = call_by(&service, &own, Method::DELETE, "/billing", json!({})).await;
    assert_eq!(deleted.0, 204);
    let head = service.get_json("/api/v1/events?limit=500").await["position"].clone();
    let log = service
        .get_json(&format!("/api/v1/access?atLeast={head}&limit=100"))
        .await;
    let told: Vec<(&str, &str, &str)> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .filter(|entry| entry["consumer"] == "billing")
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap();
            (text("action"), text("outcome"), text("actor"))
        })
        .map(|(action, outcome, actor)| (action, outcome, if actor == id { "owner" } else { "other" }))
        .collect();
    assert_eq!(
        told,
        [
            ("setConsumer", "granted", "owner"),
            ("setConsumer", "refused", "other"),
            ("setConsumer", "refused", "other"),
            ("deleteConsumer", "refused", "other"),
            ("setConsumer", "granted", "other"),
            ("deleteConsumer", "granted", "owner"),
        ]
    );
    service.stop().await;
}

async fn a_token_has_only_so_many_consumers_and_metrics_name_only_so_many(database: Database) {
    let service = database
        .service_with(|settings| settings.consumers_per_token = NonZeroU32::new(2).unwrap())
        .await;
    service.send(fixture(HISTORY[0])).await;
    let (_, one) = token(&service, json!(["audit"])).await;
    let (_, other) = token(&service, json!(["audit"])).await;
    let put = async |token: &str, name: &str| call_by(&service, token, Method::PUT, name, json!({})).await;
    assert_eq!((put(&one, "/a").await.0, put(&one, "/b").await.0), (201, 201));
    let (status, refused) = put(&one, "/c").await;
    assert_eq!(status, 429);
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("2 named consumers") && detail.contains("consumers_per_token"),
        "{detail}"
    );
    assert_eq!(put(&one, "/a").await.0, 200, "what there is can be set");
    assert_eq!(put(&other, "/c").await.0, 201, "each token has its own");
    assert_eq!(call_by(&service, &one, Method::DELETE, "/a", json!({})).await.0, 204);
    assert_eq!(put(&one, "/d").await.0, 201);
    let store = database.store().await;
    for number in 0..60 {
        let name = ConsumerName::try_from(format!("many-{number}")).unwrap();
        let position = Position(u64::from(number > 40));
        store
            .put_consumer(&name, &EventFilter::default(), position, None)
            .await
            .unwrap();
    }
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("warmledger_consumers 63"), "{metrics}");
    let named = metrics.matches("warmledger_consumer_lag_events{").count();
    assert_eq!(named, 50);
    assert!(
        metrics.contains("consumer=\"many-1\""),
        "those that are behind furthest"
    );
    service.stop().await;
}
