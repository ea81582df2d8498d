//! Every call once with wrong input: the error names what is wrong and the remedy, in our own words.

use reqwest::Method;
use serde_json::{Value, json};

use super::{calls, with_history};
use crate::on_both_stores;
use crate::support::api::RequestBuilder;
use crate::support::{Database, TestService};

on_both_stores!(
    every_call_says_what_is_wrong_with_its_input,
    nothing_on_the_way_keeps_personal_data,
);

/// Words of a library, or of a type, that no answer may contain.
const NOT_OURS: [&str; 18] = [
    "deserialize",
    "target type",
    "invalid digit",
    "u64",
    "u32",
    "fit in",
    "Cannot parse",
    "Error(",
    "None",
    "buffer",
    "serde",
    "length limit",
    "unknown field",
    "unknown variant",
    "missing field",
    "duplicate field",
    "EOF",
    "sequence",
];

struct Case {
    request: RequestBuilder,
    status: u16,
    says: &'static [&'static str],
}

fn case(request: RequestBuilder, status: u16, says: &'static [&'static str]) -> Case {
    Case { request, status, says }
}

async fn every_call_says_what_is_wrong_with_its_input(database: Database) {
    let service = with_history(&database).await;
    let mut cases = parameters(&service);
    cases.extend(bodies(&service));
    cases.extend(media_types(&service));
    for Case { request, status, says } in cases {
        let request = request.build().unwrap();
        let call = format!("{} {}", request.method(), request.url().path());
        let response = service.client.execute(request).await.unwrap();
        let answered = response.status();
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{call}");
        let problem: Value = response.json().await.unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(answered, status, "{call}: {detail}");
        for words in NOT_OURS {
            assert!(!detail.contains(words), "{call}: {detail}");
        }
        for words in says {
            assert!(detail.contains(words), "{call}: {detail}");
        }
    }
    service.stop().await;
}

fn call(service: &TestService, method: Method, path: &str) -> RequestBuilder {
    let request = service.client.request(method, format!("{}{path}", service.base));
    request.bearer_auth(&service.token)
}

/// Invalid cursors, positions, limits, times and names.
fn parameters(service: &TestService) -> Vec<Case> {
    let get = |path: &str| call(service, Method::GET, path);
    let post = |path: &str| call(service, Method::POST, path).json(&json!({"reason": "ticket 4711: a walk"}));
    const EVENT_ID: &str = "WR3N4JEW3D76N6KGRQSG36SSHBXK";
    let lists = [
        "orders",
        "domains",
        "renewals",
        "failures",
        "access",
        "events",
        "subjects",
        "checkpoints",
        "projections/orders/rows",
        "projections/orders/parked",
    ];
    let mut cases: Vec<Case> = Vec::new();
    for list in lists {
        let path = format!("/api/v1/{list}");
        cases.push(case(
            get(&format!("{path}?limit=1000000")),
            400,
            &["limit", "from 1 to 500"],
        ));
        cases.push(case(get(&format!("{path}?limit=ten")), 400, &["limit", "number"]));
        cases.push(case(get(&format!("{path}?colour=red")), 400, &["colour"]));
        cases.push(case(get(&format!("{path}?after=%00")), 400, &["after"]));
    }
    for path in ["tokens", "consumers", "projections", "signing-keys"] {
        cases.push(case(get(&format!("/api/v1/{path}?colour=red")), 400, &["colour"]));
    }
    for list in ["orders", "domains", "renewals", "failures"] {
        let path = format!("/api/v1/{list}");
        cases.push(case(
            get(&format!("{path}?atLeast={EVENT_ID}")),
            400,
            &["atLeast", "an event's id is not"],
        ));
        cases.push(case(get(&format!("{path}?asOf=yesterday")), 400, &["asOf", "RFC 3339"]));
    }
    for path in ["/api/v1/renewals", "/api/v1/failures", "/api/v1/access"] {
        cases.push(case(
            get(&format!("{path}?from=31.12.2025")),
            400,
            &["from", "RFC 3339"],
        ));
    }
    for path in ["/api/v1/proofs/inclusion", "/api/v1/proofs/inclusion.tlog-proof"] {
        cases.push(case(
            get(&format!("{path}?position={EVENT_ID}")),
            400,
            &["position", "an event's id is not"],
        ));
        cases.push(case(get(path), 400, &["position"]));
    }
    cases.push(case(
        get(&format!("/api/v1/proofs/consistency?from={EVENT_ID}")),
        400,
        &["from", "number"],
    ));
    cases.push(case(
        get(&format!("/api/v1/events?after={EVENT_ID}")),
        400,
        &["after", "a number from 0 on"],
    ));
    cases.push(case(
        get("/api/v1/events/stream").header("last-event-id", EVENT_ID),
        400,
        &["Last-Event-ID", "position"],
    ));
    cases.push(case(
        post(&format!("/api/v1/events/{EVENT_ID}/evidence")),
        400,
        &["position", "an event's id is not"],
    ));
    cases.push(case(post("/api/v1/events/999/evidence"), 404, &["999"]));
    cases.push(case(
        get("/api/v1/orders").header("warmledger-position", EVENT_ID),
        400,
        &["Warmledger-Position"],
    ));
    cases.push(case(get("/api/v1/consumers/Not%20One"), 400, &["name"]));
    cases.push(case(get("/api/v1/consumers/nobody"), 404, &["consumer"]));
    cases.push(case(get("/api/v1/projections/nothing/rows"), 404, &[]));
    cases.push(case(get("/api/v1/subjects/nobody"), 404, &[]));
    cases.push(case(
        call(service, Method::DELETE, "/api/v1/tokens/no%20token"),
        400,
        &["id"],
    ));
    cases.push(case(
        call(service, Method::DELETE, "/api/v1/tokens/tok_0123456789abcdef"),
        404,
        &["token"],
    ));
    cases.push(case(get("/tile/99/000"), 404, &[]));
    cases
}

/// Bodies that are missing, not JSON, of another shape, too long, or of another media type.
fn bodies(service: &TestService) -> Vec<Case> {
    let calls = [
        (Method::POST, "/api/v1/mailboxes/M1/credentials/reveal", "reason"),
        (Method::POST, "/api/v1/domains/a.com/credentials/reveal", "reason"),
        (Method::POST, "/api/v1/events/1/evidence", "reason"),
        (Method::DELETE, "/api/v1/subjects/U1", "reason"),
        (Method::POST, "/api/v1/subjects/U1/hold", "reason"),
        (Method::POST, "/api/v1/subjects/U1/release", "reason"),
        (Method::POST, "/api/v1/tokens", "name"),
        (Method::PUT, "/api/v1/consumers/billing", ""),
        (Method::POST, "/api/v1/consumers/billing/checkpoint", "position"),
    ];
    let mut cases = Vec::new();
    for (method, path, field) in calls {
        let request = || call(service, method.clone(), path);
        let json = |body: &str| {
            request()
                .header("content-type", "application/json")
                .body(body.to_owned())
        };
        cases.push(case(json("{"), 400, &["the body is not valid JSON", "line 1"]));
        cases.push(case(json(""), 400, &["the body is not valid JSON"]));
        cases.push(case(
            json("[]"),
            400,
            &["the JSON body is not what this call takes", "an object"],
        ));
        // an array of the fields' values is not an object either
        cases.push(case(
            json(r#"["because of ticket 4711", [], 7]"#),
            400,
            &["the JSON body is not what this call takes", "an object"],
        ));
        cases.push(case(
            json(r#"{"colour": 1}"#),
            400,
            &[
                "the JSON body is not what this call takes",
                "`colour` is unknown; known are",
            ],
        ));
        cases.push(case(
            request().body("reason=x"),
            415,
            &["Content-Type", "application/json"],
        ));
        let typed = request().header("content-type", "text/plain").body("{}");
        cases.push(case(typed, 415, &["Content-Type", "application/json"]));
        if !field.is_empty() {
            let says: &'static [&'static str] = match field {
                "reason" => &["`reason` is missing"],
                "name" => &["`name` is missing"],
                _ => &["`position` is missing"],
            };
            cases.push(case(json("{}"), 400, says));
        }
    }
    cases
}

/// Callers that accept none of a call's media types.
fn media_types(service: &TestService) -> Vec<Case> {
    let get = |path: &str, accept: &str| call(service, Method::GET, path).header("accept", accept.to_owned());
    vec![
        case(
            get("/api/v1/orders", "application/xml"),
            406,
            &["application/json", "Accept"],
        ),
        case(
            get("/api/v1/orders", "text/html, application/json;q=0"),
            406,
            &["application/json"],
        ),
        case(
            get("/api/v1/events/stream", "application/json"),
            406,
            &["text/event-stream"],
        ),
        case(get("/metrics", "application/json"), 406, &["text/plain"]),
        case(get("/checkpoint", "application/json"), 406, &["text/plain"]),
        case(get("/openapi.json", "application/yaml"), 406, &["application/json"]),
        case(
            call(service, Method::POST, "/api/v1/tokens")
                .header("accept", "text/csv")
                .json(&json!({})),
            406,
            &["application/json"],
        ),
    ]
}

async fn nothing_on_the_way_keeps_personal_data(database: Database) {
    let service = with_history(&database).await;
    let consumer = call(&service, Method::PUT, "/api/v1/consumers/billing").json(&json!({}));
    assert_eq!(consumer.send().await.unwrap().status(), 201);
    for (_, path) in calls().filter(|(_, path)| path.starts_with("/api/")) {
        let response = service.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
    }
    service.stop().await;
}
