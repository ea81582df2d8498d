//! Calls through proxies: whether an answer may hold a secret, and which address the access log has.

use crate::support::api::RequestBuilder;
use aggregates::Position;
use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, call, log};
use crate::on_both_stores;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_silent_proxy_on_the_same_machine_is_handed_no_secret,
    the_access_log_names_the_caller_however_a_proxy_writes_it,
);

const MAILBOX: &str = "LY25R9GK5AHYZ450YPWMNM8K8FXX";

fn reveal(service: &TestService) -> RequestBuilder {
    let path = format!("/api/v1/mailboxes/{MAILBOX}/credentials/reveal");
    call(service, Method::POST, &path, &service.token).json(&json!({"reason": "ticket 4711: locked out"}))
}

/// Every call that returns a secret: credentials, tokens, the exact webhook.
fn secrets(service: &TestService, position: Position) -> [RequestBuilder; 4] {
    let post = |path: &str| call(service, Method::POST, path, &service.token);
    let reason = "ticket 4711: locked out";
    [
        reveal(service),
        post("/api/v1/domains/example.com/credentials/reveal").json(&json!({"reason": reason})),
        post("/api/v1/tokens").json(&json!({"name": "support", "scopes": ["read"]})),
        post(&format!("/api/v1/events/{position}/evidence")).json(&json!({"reason": reason, "includeBody": true})),
    ]
}

/// A bare `proxy_pass` adds no header, so a forwarded call looks like one from the machine itself.
async fn a_silent_proxy_on_the_same_machine_is_handed_no_secret(database: Database) {
    let service = database
        .service_with(|settings| settings.reveal_over_loopback = false)
        .await;
    let recorded = service.send(fixture("prewarmup.order.success.json")).await;
    let position = Position(recorded["position"].as_u64().unwrap());
    for request in secrets(&service, position) {
        let (status, body) = answer(request).await;
        let detail = body["detail"].as_str().unwrap();
        assert_eq!(status, 403, "{body}");
        assert!(
            detail.contains("HTTPS only")
                && detail.contains("trusted_proxies")
                && detail.contains("reveal_over_loopback"),
            "{detail}"
        );
    }
    // a caller's own header is not trusted either
    for request in secrets(&service, position) {
        let (status, body) = answer(request.header("x-forwarded-proto", "https")).await;
        let detail = body["detail"].as_str().unwrap();
        assert!(
            status == 403 && detail.contains("forwarded by 127.0.0.1, which is not among the trusted_proxies"),
            "{body}"
        );
    }
    let entries = log(&service, "outcome=refused").await;
    assert_eq!(entries.len(), 8);
    assert!(entries.iter().all(|entry| entry["refusal"] == "plainHttp"));
    let addresses: Vec<&str> = entries.iter().map(|entry| entry["address"].as_str().unwrap()).collect();
    assert_eq!(addresses[..4], ["127.0.0.1, a proxy that is not trusted"; 4]);
    assert_eq!(addresses[4..], ["127.0.0.1"; 4]);
    service.stop().await;

    let service = database.service().await;
    for request in secrets(&service, position) {
        let (status, body) = answer(request).await;
        assert!(matches!(status, 200 | 201), "{status} {body}");
    }
    service.stop().await;
}

async fn the_access_log_names_the_caller_however_a_proxy_writes_it(database: Database) {
    let service = database
        .service_with(|settings| {
            settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        })
        .await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let list = "x-forwarded-for";
    let cases: [(&[(&str, &str)], &str); 15] = [
        (&[(list, "203.0.113.9")], "203.0.113.9"),
        (&[(list, "203.0.113.9:51234")], "203.0.113.9"),
        (&[(list, "[2001:db8::9]:443")], "2001:db8::9"),
        (&[(list, "\"[2001:db8::9]\"")], "2001:db8::9"),
        (&[(list, "for=\"[2001:db8::9]\"")], "2001:db8::9"),
        (
            &[(list, "198.51.100.1"), (list, "203.0.113.9:80, 10.0.0.2:80")],
            "203.0.113.9",
        ),
        (
            &[("forwarded", "for=203.0.113.9;by=10.0.0.2;proto=https")],
            "203.0.113.9",
        ),
        (&[("forwarded", "For=\"[2001:db8::9]:443\"")], "2001:db8::9"),
        (
            &[
                ("forwarded", "for=203.0.113.9"),
                ("forwarded", "for=10.0.0.2;proto=https"),
            ],
            "203.0.113.9",
        ),
        (&[("forwarded", "for=_desk-7")], "_desk-7, by the proxy 127.0.0.1"),
        (&[("forwarded", "for=unknown")], "unknown, by the proxy 127.0.0.1"),
        (&[(list, "somebody, 10.0.0.2")], "unreadable, by the proxy 10.0.0.2"),
        (&[(list, "caf\u{e9}")], "unreadable, by the proxy 127.0.0.1"),
        (&[(list, "")], "unreadable, by the proxy 127.0.0.1"),
        (
            &[(list, "203.0.113.9"), ("forwarded", "for=198.51.100.1")],
            "203.0.113.9 or 198.51.100.1, by the proxy 127.0.0.1",
        ),
    ];
    for (headers, _) in cases {
        let mut request = reveal(&service);
        // a proxy sends one of the two
        if !headers.iter().any(|(_, value)| value.contains("proto=")) {
            request = request.header("x-forwarded-proto", "https");
        }
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let (status, body) = answer(request).await;
        assert_eq!(status, 200, "{headers:?}: {body}");
    }
    let entries = log(&service, "action=reveal").await;
    let addresses: Vec<&Value> = entries.iter().rev().map(|entry| &entry["address"]).collect();
    for ((headers, expected), address) in cases.iter().zip(addresses) {
        assert_eq!(address, expected, "{headers:?}");
    }
    service.stop().await;
}
