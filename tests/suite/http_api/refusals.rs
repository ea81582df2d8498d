//! Each kind of error, always `application/problem+json`; and authorisation.

use reqwest::{Method, Response};
use serde_json::Value;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use warmledger::settings::DatabaseUrl;

use super::{calls, with_history};
use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    a_call_without_the_token_is_refused,
    a_bad_parameter_is_named,
    what_is_not_there_is_a_problem,
    every_response_has_a_request_id,
);

/// Checks the shape of an error; returns its detail.
async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status(), status, "{}", response.url());
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(!body["title"].as_str().unwrap().is_empty());
    body["detail"].as_str().unwrap().to_owned()
}

async fn a_call_without_the_token_is_refused(database: Database) {
    let service = database.service().await;
    let open = ["/", "/healthz", "/readyz", "/metrics", "/openapi.json"];
    let good = &service.token;
    for (_, path) in calls() {
        let url = format!("{}{path}", service.base);
        if open.contains(&path.as_str()) {
            let response = service.client.get(url).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            continue;
        }
        for value in [
            None,
            Some("Bearer wrong".to_owned()),
            Some(format!("Bearer {good}x")),
            Some(format!("Bearer {}", &good[..good.len() - 1])),
            Some(format!("Basic {good}")),
            Some(good.clone()),
            Some("Bearer ".to_owned()),
        ] {
            let mut request = service.client.get(&url);
            if let Some(value) = value {
                request = request.header("authorization", value);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert!(!problem(response, 401).await.contains(good.as_str()));
        }
    }
    let rebuild = format!("{}/api/v1/projections/orders/rebuild", service.base);
    problem(service.client.post(rebuild).send().await.unwrap(), 401).await;
    service.stop().await;
}

async fn a_bad_parameter_is_named(database: Database) {
    let service = database.service().await;
    for (query, words) in [
        ("orders?statsu=failed", &["statsu", "status"][..]),
        (
            "orders?status=broken",
            &["status", "pending", "fulfilled", "partial", "failed"],
        ),
        ("orders?status=failed&status=partial", &["status", "given twice"]),
        (
            "access?action=bogus",
            &["action", "reveal", "readAccessLog", "replayWebhook"],
        ),
        ("access?outcome=bogus", &["outcome", "granted", "refused"]),
        ("orders?limit=0", &["limit", "500"]),
        ("orders?limit=501", &["limit", "500"]),
        ("orders?limit=many", &["limit"]),
        ("orders?limit=-1", &["limit"]),
        ("orders?after=nonsense", &["after", "cursor"]),
        ("orders?after=W10", &["after", "cursor"]),
        ("orders?userId=", &["userId", "empty"]),
        ("orders?userId=a%00b", &["userId"]),
        ("orders?domain=a/b", &["domain"]),
        ("orders?provider=a%00b", &["provider"]),
        ("orders/a%20b", &["orderId"]),
        ("orders/x?statsu=1", &["statsu"]),
        ("orders/x/events?after=x", &["after", "a number from 0 on"]),
        ("domains?status=active", &["status", "subscriptionId"]),
        ("domains/a%40b/mailboxes", &["domain"]),
        ("renewals?status=PAST_DUE", &["status", "pastDue"]),
        ("renewals?from=27.10.2025", &["from", "RFC 3339"]),
        ("renewals?to=2025-02-30", &["to", "RFC 3339"]),
        ("renewals?from=2025-10-27T00:00:00+02:00", &["from", "%2B"]),
        (
            "failures?groupBy=colour",
            &["groupBy", "reason", "day", "provider", "domain"],
        ),
        ("failures?groupBy=day&limit=5", &["groupBy", "limit"]),
        ("events?type=Nonsense", &["type", "MailboxesAssigned"]),
        ("events?after=-1", &["after", "a number from 0 on"]),
        ("events?after=x", &["after", "a number from 0 on"]),
        ("events/stream?after=x", &["after", "a number from 0 on"]),
        ("events?category=nope", &["category", "order, subscription", "access"]),
        ("events/stream?category=nope", &["category", "order, subscription"]),
        ("projections?limit=5", &["limit"]),
        ("projections/orders/diff", &["key"]),
        ("projections/orders/diff?key=x&from=9", &["from", "still to come"]),
        ("projections/orders/diff?key=x&to=2999-01-01", &["to", "still to come"]),
        ("orders/x/diff?key=y", &["key", "from"]),
        ("orders/x/diff?from=tomorrow", &["from", "RFC 3339"]),
    ] {
        let detail = problem(service.get(&format!("/api/v1/{query}")).await, 400).await;
        for word in words {
            assert!(detail.contains(word), "{query}: {detail}");
        }
    }
    service.stop().await;
}

async fn what_is_not_there_is_a_problem(database: Database) {
    let service = with_history(&database).await;
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/orders/NOTHING",
        "/api/v1/orders/NOTHING/events",
        "/api/v1/domains/nowhere.com/mailboxes",
        "/api/v1/orders/NOTHING/diff",
        "/api/v1/projections/nothing/diff?key=x",
        "/api/v1/projections/mailboxes/diff?key=no+domain",
    ] {
        problem(service.get(path).await, 404).await;
    }
    let call = |method: Method, path: &str| {
        let request = service.client.request(method, format!("{}{path}", service.base));
        request.bearer_auth(&service.token).send()
    };
    let response = call(Method::POST, "/api/v1/projections/nothing/rebuild").await.unwrap();
    assert!(problem(response, 404).await.contains("mailboxes"));
    let response = call(Method::DELETE, "/api/v1/orders").await.unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    problem(response, 405).await;
    problem(call(Method::GET, "/webhooks/coldmailreseller").await.unwrap(), 405).await;
    let unknown = service.webhook("{}").build().unwrap();
    let mut unknown = unknown;
    unknown.url_mut().set_path("/webhooks/nobody");
    problem(service.client.execute(unknown).await.unwrap(), 404).await;
    let unsigned = service
        .client
        .post(format!("{}/webhooks/coldmailreseller", service.base));
    let unsigned = unsigned.header("content-type", "application/json").body("{}");
    problem(unsigned.send().await.unwrap(), 401).await;
    let text = service.webhook("{}").header("content-type", "text/plain");
    let mut text = text.build().unwrap();
    text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    problem(service.client.execute(text).await.unwrap(), 415).await;
    problem(service.webhook(vec![b' '; 1024 * 1024 + 1]).send().await.unwrap(), 413).await;
    service.stop().await;
}

async fn every_response_has_a_request_id(database: Database) {
    let service = database.service().await;
    for path in ["/healthz", "/nothing", "/api/v1/orders?limit=0"] {
        let response = service.get(path).await;
        assert_eq!(response.headers()["x-request-id"].len(), 24, "{path}");
        let own = service.client.get(format!("{}{path}", service.base));
        let response = own.header("x-request-id", "caller-7").send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"], "caller-7");
    }
    service.stop().await;
}

/// Only PostgreSQL can become unavailable: a process keeps its open SQLite file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_is_a_503_that_passes() {
    let database = Database::postgres().await;
    let line = Line::to(&database.url).await;
    let url = line.url.clone();
    let service = database
        .service_with(|settings| settings.database_url = DatabaseUrl::parse(&url).unwrap())
        .await;
    assert_eq!(service.get("/readyz").await.status(), 200);
    line.cut();
    for path in ["/readyz", "/api/v1/orders"] {
        let response = service.get(path).await;
        assert_eq!(response.headers()["retry-after"], "5", "{path}");
        assert!(problem(response, 503).await.contains("not available"));
    }
    assert_eq!(service.get("/healthz").await.status(), 200);
    // a sender waits up to a minute: it is answered long before, the next one even sooner, and a stop does not wait
    let answered = async {
        for name in ["partial-failure.1.success.json", "partial-failure.2.failed.json"] {
            let response = service.webhook(fixture(name)).send().await.unwrap();
            assert_eq!(response.headers()["retry-after"], "5");
            assert!(problem(response, 503).await.contains("not available"));
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, answered)
        .await
        .expect("webhooks are answered while the store is away");
    tokio::time::timeout(patience, service.stop())
        .await
        .expect("a stop while the store is away");
}

/// A connection to a database server, which can be cut.
struct Line {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Line {
    /// To the server in `url`, by host or by socket.
    async fn to(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let mut through = options.to_url_lossy();
        through.set_ip_host(own.ip()).unwrap();
        through.set_port(Some(own.port())).unwrap();
        // parameters of the driver, not server settings
        through.set_query(None);
        let task = tokio::spawn(async move {
            let mut ends = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                match options.get_socket() {
                    Some(directory) => {
                        let socket = directory.join(format!(".s.PGSQL.{}", options.get_port()));
                        ends.spawn(join(near, UnixStream::connect(socket).await.unwrap()));
                    }
                    None => {
                        let server = (options.get_host(), options.get_port());
                        ends.spawn(join(near, TcpStream::connect(server).await.unwrap()));
                    }
                }
            }
        });
        Self {
            url: through.into(),
            task,
        }
    }

    /// Cuts every connection and accepts no more.
    fn cut(&self) {
        self.task.abort();
    }
}

async fn join(mut near: TcpStream, mut far: impl AsyncRead + AsyncWrite + Unpin) {
    // either end may close in the middle, which is what is tested
    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
}
