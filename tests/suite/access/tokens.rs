//! Tokens and scopes, over HTTP and in the stores.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use warmledger::access::{Scope, Scopes, TokenHash, TokenName, new_token};
use warmledger::clock;

use super::{answer, call, log, token};
use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    a_token_may_do_what_its_scopes_say_and_nothing_else,
    what_a_token_may_not_do_and_asked_for_is_recorded,
    a_revoked_token_is_refused_within_seconds_by_every_process,
    a_token_that_expired_is_refused_and_says_since_when,
    a_store_keeps_everything_of_a_token_but_the_token,
    a_token_that_makes_no_sense_is_not_made,
    a_token_is_not_made_where_others_could_read_it,
);

/// A call for each scope of a token.
const CALLS: [(&str, &str); 4] = [
    ("read", "/api/v1/orders"),
    ("audit", "/api/v1/access"),
    ("operate", "/api/v1/projections"),
    ("admin", "/api/v1/tokens"),
];

async fn a_token_may_do_what_its_scopes_say_and_nothing_else(database: Database) {
    let service = database.service().await;
    for (scope, _) in CALLS {
        let (_, token) = token(&service, scope, &[scope]).await;
        for (needed, path) in CALLS {
            let (status, body) = answer(call(&service, Method::GET, path, &token)).await;
            if needed == scope {
                assert_eq!(status, 200, "{path} with {scope}: {body}");
            } else {
                assert_eq!(status, 403, "{path} with {scope}: {body}");
                let detail = body["detail"].as_str().unwrap();
                assert!(detail.ends_with(&format!("the scope `{needed}`")), "{detail}");
            }
        }
        // without the scope, parameters are not checked
        if scope != "read" {
            let path = "/api/v1/projections/nope/diff?what=x";
            assert_eq!(answer(call(&service, Method::GET, path, &token)).await.0, 403);
        }
        // the access log's rows need another scope
        for path in [
            "/api/v1/projections/access/rows",
            "/api/v1/projections/access/diff?key=x",
        ] {
            let (status, body) = answer(call(&service, Method::GET, path, &token)).await;
            assert!(
                status == 403 || (scope == "audit" && status == 200),
                "{path} with {scope}: {body}"
            );
        }
    }
    let unknown = format!("wl_{}", "x".repeat(43));
    for (token, detail) in [("nonsense", "not known"), (unknown.as_str(), "not known")] {
        let request = call(&service, Method::GET, "/api/v1/orders", token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert!(response.text().await.unwrap().contains(detail));
    }
    service.stop().await;
}

async fn what_a_token_may_not_do_and_asked_for_is_recorded(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let (id, token) = token(&service, "curious", &["read"]).await;
    let user = "PWM7Y25RYZ450YNM8K8FX9GK5AHX";
    let asked_for = [
        (Method::DELETE, format!("/api/v1/subjects/{user}"), "erase"),
        (Method::POST, format!("/api/v1/subjects/{user}/hold"), "hold"),
        (
            Method::POST,
            "/api/v1/subjects/ann@example.com/release".to_owned(),
            "release",
        ),
        (Method::POST, "/api/v1/projections/orders/rebuild".to_owned(), "rebuild"),
        (Method::POST, "/api/v1/tokens".to_owned(), "createToken"),
        (Method::DELETE, format!("/api/v1/tokens/{id}"), "revokeToken"),
        (Method::GET, "/api/v1/events?limit=1".to_owned(), "readFeed"),
        (Method::POST, "/api/v1/events/1/evidence".to_owned(), "openEvidence"),
        (Method::GET, "/api/v1/access".to_owned(), "readAccessLog"),
        (
            Method::GET,
            "/api/v1/proofs/inclusion?position=1".to_owned(),
            "readProofs",
        ),
        (Method::GET, "/tile/entries/000".to_owned(), "readProofs"),
        (Method::GET, "/api/v1/subjects".to_owned(), "readLedger"),
        (Method::GET, "/checkpoint".to_owned(), "readLedger"),
        (Method::GET, "/api/v1/tokens".to_owned(), "readTokens"),
        (Method::GET, "/api/v1/projections".to_owned(), "operate"),
        (Method::PUT, "/api/v1/consumers/billing".to_owned(), "setConsumer"),
        (
            Method::GET,
            "/api/v1/projections/access/rows".to_owned(),
            "readAccessLog",
        ),
        (Method::GET, "/api/v1/projections/access/diff".to_owned(), "readViews"),
    ];
    for (method, path, action) in &asked_for {
        let (status, body) = answer(call(&service, method.clone(), path, &token)).await;
        assert_eq!(status, 403, "{path}: {body}");
        let entry = log(&service, &format!("actor={id}&limit=1")).await.remove(0);
        assert_eq!(
            (&entry["action"], &entry["outcome"], &entry["refusal"]),
            (&json!(action), &json!("refused"), &json!("scope")),
            "{path}"
        );
    }
    let entries = log(&service, &format!("actor={id}")).await;
    assert_eq!(entries.len(), asked_for.len());
    let about = |number: usize, what: &str| entries[entries.len() - 1 - number][what].clone();
    assert_eq!((about(0, "subject"), about(1, "subject")), (json!(user), json!(user)));
    assert!(about(2, "subject").is_null(), "whoever is not known stays unnamed");
    assert_eq!(about(3, "projection"), "orders");
    assert_eq!(about(5, "tokenId"), json!(id));
    assert_eq!(about(7, "firstPosition"), 1);
    assert_eq!(about(0, "call"), "DELETE /api/v1/subjects/{userId}");
    service.stop().await;
}

async fn a_revoked_token_is_refused_within_seconds_by_every_process(database: Database) {
    let service = database.service().await;
    let other = database.service().await;
    let (id, token) = token(&service, "support", &["read"]).await;
    for process in [&service, &other] {
        let (status, _) = answer(call(process, Method::GET, "/api/v1/orders", &token)).await;
        assert_eq!(status, 200);
    }
    let used = async || {
        let tokens = service.get_json("/api/v1/tokens").await;
        tokens["items"][0]["lastUsedAt"].is_string()
    };
    for _ in 0..100 {
        if used().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(used().await, "that it was used is noted");
    let path = format!("/api/v1/tokens/{id}");
    let revoke = || call(&service, Method::DELETE, &path, &service.token);
    assert_eq!(answer(revoke()).await.0, 204);
    assert_eq!(answer(revoke()).await.0, 404, "it is revoked once");
    let (status, body) = answer(call(&service, Method::GET, "/api/v1/orders", &token)).await;
    assert_eq!((status, body["detail"].as_str()), (401, Some("the token was revoked")));
    let begun = std::time::Instant::now();
    while answer(call(&other, Method::GET, "/api/v1/orders", &token)).await.0 != 401 {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(5),
            "the other process still takes it"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let tokens = service.get_json("/api/v1/tokens").await;
    assert!(tokens["items"][0]["revokedAt"].is_string());
    assert!(!tokens.to_string().contains(&token));
    // both record the attempt
    let entries = log(&service, "outcome=refused").await;
    let refused = |entry: &Value| {
        let is = |field: &str, value: &str| entry[field] == value;
        is("actor", &id) && is("refusal", "revoked") && is("action", "readViews") && is("call", "GET /api/v1/orders")
    };
    assert!(entries.len() == 2 && entries.iter().all(refused), "{entries:?}");
    let entries = log(&service, "outcome=granted").await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str(),
                entry["tokenId"].as_str(),
                entry["actor"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("revokeToken"), Some(id.as_str()), Some("admin")),
            (Some("createToken"), Some(id.as_str()), Some("admin")),
        ]
    );
    assert_eq!(entries[1]["scopes"], json!(["read"]));
    assert_eq!(entries[1]["address"], "127.0.0.1");
    other.stop().await;
    service.stop().await;
}

async fn a_token_that_expired_is_refused_and_says_since_when(database: Database) {
    let service = database.service().await;
    let expiry = clock::now() + SignedDuration::from_millis(1500);
    let wanted = json!({"name": "short", "scopes": ["read"], "expiresAt": expiry});
    let request = call(&service, Method::POST, "/api/v1/tokens", &service.token);
    let (status, made) = answer(request.json(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().unwrap();
    let status = async || answer(call(&service, Method::GET, "/api/v1/orders", token)).await;
    assert_eq!(status().await.0, 200);
    let left = expiry.duration_since(Timestamp::now()).unsigned_abs();
    tokio::time::sleep(left + std::time::Duration::from_millis(10)).await;
    let (status, body) = status().await;
    assert_eq!(status, 401, "what is remembered of it does not prolong it");
    assert_eq!(body["detail"], format!("the token expired at {expiry}"));
    let reveal = "/api/v1/mailboxes/M1/credentials/reveal";
    assert_eq!(answer(call(&service, Method::POST, reveal, token)).await.0, 401);
    let entries = log(&service, "outcome=refused").await;
    let refused: Vec<_> = entries
        .iter()
        .map(|entry| (entry["action"].as_str(), entry["refusal"].as_str()))
        .collect();
    let expired = |action| (Some(action), Some("expired"));
    assert_eq!(refused, [expired("reveal"), expired("readViews")]);
    // many more are counted, and recorded at the same limited rate
    for _ in 0..40 {
        assert_eq!(
            answer(call(&service, Method::GET, "/api/v1/orders", token)).await.0,
            401
        );
    }
    let recorded = log(&service, "action=readViews&limit=100").await.len();
    assert!((30..=35).contains(&recorded), "{recorded}");
    service.stop().await;
}

async fn a_store_keeps_everything_of_a_token_but_the_token(database: Database) {
    let store = database.store().await;
    let name = TokenName::try_from("support désk".to_owned()).unwrap();
    let (created, expires) = (clock::now(), clock::now() + SignedDuration::from_hours(1));
    let scopes: Scopes = [Scope::Read, Scope::RevealBulk].into_iter().collect();
    let (token, stored) = new_token(&name, scopes.clone(), created, Some(expires));
    store.create_token(&stored).await.unwrap();
    let (_, second) = new_token(&name, Scopes::all(), created + SignedDuration::from_secs(1), None);
    store.create_token(&second).await.unwrap();
    assert!(store.create_token(&second).await.is_err(), "an id stands once");

    let hash = TokenHash::of(token.expose()).unwrap();
    let found = store.token_by_hash(&hash).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), &found.scopes), ("support désk", &scopes));
    assert_eq!((found.created_at, found.expires_at), (created, Some(expires)));
    assert_eq!((found.last_used_at, found.revoked_at), (None, None));
    let other = TokenHash::from_bytes([7; 32]);
    assert!(store.token_by_hash(&other).await.unwrap().is_none());

    let later = clock::now();
    store.token_used(&stored.id, later).await.unwrap();
    store.token_used(&stored.id, created).await.unwrap();
    assert!(store.revoke_token(&stored.id, later).await.unwrap());
    assert!(
        !store
            .revoke_token(&stored.id, later + SignedDuration::from_secs(9))
            .await
            .unwrap()
    );
    let all = store.tokens().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(
        (&all[0].id, &all[1].id),
        (&stored.id, &second.id),
        "in the order in which they were made"
    );
    assert_eq!(all[0].last_used_at, Some(later), "never runs back");
    assert_eq!(all[0].revoked_at, Some(later), "the first time counts");
}

async fn a_token_that_makes_no_sense_is_not_made(database: Database) {
    let service = database.service().await;
    for (wanted, word) in [
        (json!({"name": "", "scopes": ["read"]}), "1 to 100 characters"),
        (json!({"name": "x", "scopes": []}), "at least one"),
        (json!({"name": "x", "scopes": ["write"]}), "reveal-bulk"),
        (
            json!({"name": "x", "scopes": ["read"], "expiresAt": "2020-01-01"}),
            "has passed",
        ),
        (
            json!({"name": "x", "scopes": ["read"], "expires": "2099-01-01"}),
            "expires",
        ),
    ] {
        let request = call(&service, Method::POST, "/api/v1/tokens", &service.token);
        let (status, body) = answer(request.json(&wanted)).await;
        assert_eq!(status, 400, "{body}");
        assert!(body["detail"].as_str().unwrap().contains(word), "{body}");
    }
    assert_eq!(
        service.get_json("/api/v1/tokens").await["items"],
        Value::Array(Vec::new())
    );
    service.stop().await;
}

async fn a_token_is_not_made_where_others_could_read_it(database: Database) {
    let service = database.service().await;
    let wanted = json!({"name": "support", "scopes": ["read"]});
    let request = call(&service, Method::POST, "/api/v1/tokens", &service.token).json(&wanted);
    let (status, body) = answer(request.header("x-forwarded-proto", "http")).await;
    assert_eq!(status, 403, "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.contains("HTTPS") && detail.contains("trusted_proxies"),
        "{detail}"
    );
    let entries = log(&service, "").await;
    assert_eq!(
        (&entries[0]["action"], &entries[0]["refusal"]),
        (&json!("createToken"), &json!("plainHttp"))
    );
    assert_eq!(service.get_json("/api/v1/tokens").await["items"], json!([]));
    // a proxy that is not trusted cannot set the scheme
    let request = call(&service, Method::POST, "/api/v1/tokens", &service.token).json(&wanted);
    assert_eq!(answer(request.header("x-forwarded-proto", "https")).await.0, 403);
    service.stop().await;
    let service = database
        .service_with(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
        .await;
    let request = call(&service, Method::POST, "/api/v1/tokens", &service.token).json(&wanted);
    assert_eq!(answer(request.header("x-forwarded-proto", "https")).await.0, 201);
    service.stop().await;
}
