//! The HTTP API: every route against the provider's own examples, on both stores.
//!
//! - `views`: the answers of each route
//! - `lists`: filters, counts and pages
//! - `refusals`: each kind of error, and authorisation
//! - `rows`: the rows of every projection, by any column
//! - `operations`: health, metrics, rebuilds, erasure
//! - `families`: every kind of webhook in the views, odd values, and the everyday questions
//! - `walk`: every call once with wrong input, and the error texts
//! - `document`: the API validated against its own OpenAPI document

mod document;
mod families;
mod lists;
mod operations;
mod refusals;
mod rows;
mod views;
mod walk;

use reqwest::Response;
use serde_json::Value;

use crate::support::{Database, TestService, fixture};

const ORDER: &str = "WR3N4JEW3D76N6KGRQSG36SSHBXK";
const FAILED_ORDER: &str = "K57P9Y7T95M74ZPBRP9A415383AQ";
const USER: &str = "PWM7Y25RYZ450YNM8K8FX9GK5AHX";
const PAID: &str = "KX9V77PVMFMZH4PTPF2Y99PKYAT2";
const PAST_DUE: &str = "EAG9Q69XN0MBS2GF13K2HEYRTQGS";

/// The webhooks of the history, in the order of the positions 1, 2, 3, …
const HISTORY: [&str; 7] = [
    "prewarmup.order.success.json",
    "prewarmup.order.failed.json",
    "subscription.renewal.success.json",
    "subscription.renewing.json",
    "subscription.renewal.failed.json",
    "subscription.past_due.json",
    "unknown.future.event.json",
];

/// GET routes with real ids, as [`HISTORY`] leaves them.
const CALLS: [(&str, &str); 56] = [
    ("/", "/"),
    ("/api/v1/orders", "/api/v1/orders"),
    (
        "/api/v1/orders/{orderId}",
        "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK",
    ),
    (
        "/api/v1/orders/{orderId}/events",
        "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK/events",
    ),
    ("/api/v1/domains", "/api/v1/domains"),
    (
        "/api/v1/domains/{domain}/mailboxes",
        "/api/v1/domains/example.com/mailboxes",
    ),
    ("/api/v1/domains/{domain}", "/api/v1/domains/example.com"),
    ("/api/v1/domains/{domain}", "/api/v1/domains/example.com?asOf=5"),
    (
        "/api/v1/registrations",
        "/api/v1/registrations?from=-7d&tz=Europe/Berlin",
    ),
    ("/api/v1/customers", "/api/v1/customers"),
    ("/api/v1/failures", "/api/v1/failures?kind=refused"),
    (
        "/api/v1/deliveries",
        "/api/v1/deliveries?orderId=WR3N4JEW3D76N6KGRQSG36SSHBXK",
    ),
    ("/api/v1/mailboxes", "/api/v1/mailboxes?email=yasmeen.king@example.com"),
    ("/api/v1/search", "/api/v1/search?email=johndoe@company.com"),
    ("/api/v1/search", "/api/v1/search?email=yasmeen.king@example.com"),
    (
        "/api/v1/customers/{userId}",
        "/api/v1/customers/PWM7Y25RYZ450YNM8K8FX9GK5AHX",
    ),
    ("/api/v1/renewals", "/api/v1/renewals"),
    ("/api/v1/renewals", "/api/v1/renewals?risk=high&status=active,pastDue"),
    ("/api/v1/renewals", "/api/v1/renewals?groupBy=day"),
    ("/api/v1/failures", "/api/v1/failures?kind=renewal"),
    ("/api/v1/failures", "/api/v1/failures?groupBy=userId"),
    ("/api/v1/failures", "/api/v1/failures"),
    ("/api/v1/failures", "/api/v1/failures?groupBy=reason"),
    ("/api/v1/failures", "/api/v1/failures?domain=nowhere.com"),
    ("/api/v1/orders", "/api/v1/orders?asOf=3"),
    ("/api/v1/failures", "/api/v1/failures?groupBy=reason&asOf=3"),
    (
        "/api/v1/domains/{domain}/mailboxes",
        "/api/v1/domains/example.com/mailboxes?asOf=1",
    ),
    (
        "/api/v1/orders/{orderId}/diff",
        "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK/diff",
    ),
    (
        "/api/v1/projections/{name}/diff",
        "/api/v1/projections/renewals/diff?key=KX9V77PVMFMZH4PTPF2Y99PKYAT2&from=1&to=7",
    ),
    (
        "/api/v1/projections/{name}/diff",
        "/api/v1/projections/renewals/diff?key=KX9V77PVMFMZH4PTPF2Y99PKYAT2&from=7",
    ),
    (
        "/api/v1/projections/{name}/diff",
        "/api/v1/projections/accounts/diff?key=LY25R9GK5AHYZ450YPWMNM8K8FXX",
    ),
    ("/api/v1/events", "/api/v1/events"),
    ("/api/v1/events", "/api/v1/events?limit=2"),
    ("/api/v1/events/stream", "/api/v1/events/stream"),
    ("/api/v1/access", "/api/v1/access"),
    ("/api/v1/access", "/api/v1/access?action=readFeed&asOf=7"),
    ("/api/v1/subjects", "/api/v1/subjects"),
    (
        "/api/v1/subjects/{userId}",
        "/api/v1/subjects/PWM7Y25RYZ450YNM8K8FX9GK5AHX",
    ),
    ("/api/v1/tokens", "/api/v1/tokens"),
    ("/api/v1/consumers", "/api/v1/consumers"),
    ("/api/v1/consumers/{name}", "/api/v1/consumers/billing"),
    ("/api/v1/projections", "/api/v1/projections"),
    ("/api/v1/projections/{name}/parked", "/api/v1/projections/orders/parked"),
    ("/api/v1/checkpoints", "/api/v1/checkpoints"),
    ("/api/v1/signing-keys", "/api/v1/signing-keys"),
    ("/api/v1/proofs/inclusion", "/api/v1/proofs/inclusion?position=1"),
    ("/api/v1/proofs/inclusion", "/api/v1/proofs/inclusion?position=1&size=3"),
    (
        "/api/v1/proofs/inclusion.tlog-proof",
        "/api/v1/proofs/inclusion.tlog-proof?position=7",
    ),
    ("/api/v1/proofs/consistency", "/api/v1/proofs/consistency?from=3"),
    ("/checkpoint", "/checkpoint"),
    ("/tile/{level}/{tile}", "/tile/0/000.p/7"),
    ("/tile/entries/{tile}", "/tile/entries/000.p/7"),
    ("/healthz", "/healthz"),
    ("/readyz", "/readyz"),
    ("/metrics", "/metrics"),
    ("/openapi.json", "/openapi.json"),
];

/// Every GET route: pattern and path. Each projection has one for its rows.
fn calls() -> impl Iterator<Item = (String, String)> {
    let rows = projections::all()
        .iter()
        .map(|projection| format!("/api/v1/projections/{}/rows", projection.name()));
    CALLS
        .map(|(pattern, path)| (pattern.to_owned(), path.to_owned()))
        .into_iter()
        .chain(rows.map(|path| (path.clone(), path)))
}

/// A service that has recorded and folded [`HISTORY`].
async fn with_history(database: &Database) -> TestService {
    let service = database.service().await;
    for name in HISTORY {
        assert_eq!(service.send(fixture(name)).await["status"], "recorded", "{name}");
    }
    caught_up(database, &service, HISTORY.len() as u64).await;
    service.signed(&*database.store().await, HISTORY.len() as u64).await;
    service
}

/// The text of an answer; of an event stream, which has no end, its beginning and the first events.
async fn text(mut response: Response) -> String {
    if response.headers()["content-type"] != "text/event-stream" {
        return response.text().await.unwrap();
    }
    let mut text = String::new();
    while !text.contains("data: ") {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    text
}

async fn caught_up(database: &Database, service: &TestService, position: u64) {
    service.caught_up(&*database.store().await, position).await;
}

/// Removes fields from an object that hold a different time in each run; each has to be a time.
fn without_times(mut object: Value, fields: &[&str]) -> Value {
    for field in fields {
        let time = object.as_object_mut().unwrap().remove(*field);
        let time = time.unwrap_or_else(|| panic!("{field} is missing"));
        time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    object
}

/// The values of a field of a list's items.
fn column<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item[field].as_str().unwrap()).collect()
}
