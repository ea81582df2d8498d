//! The HTTP edge of ingest: refusals with their status and detail, and that refused webhooks leave nothing behind.

use std::io::Write;

use crate::support::api::RequestBuilder;
use aggregates::Source;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use reqwest::Response;
use serde_json::{Value, json};
use warmledger::data_dir::{SecretFile, create_secret_file};
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::secret::Secret;
use warmledger::settings::SourceSettings;

use crate::on_both_stores;
use crate::support::log::sound_log;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture, until};

on_both_stores!(
    a_byte_order_mark_and_a_second_signature_hide_no_webhook,
    a_compressed_webhook_is_what_it_inflates_to_whichever_of_both_is_signed,
    a_flood_on_a_store_that_is_held_up_is_told_to_come_back,
    what_is_refused_leaves_nothing_in_the_store,
);

const MIB: usize = 1024 * 1024;

fn webhook(number: usize) -> String {
    json!({"event": "unknown", "eventId": format!("E{number}"), "data": {}}).to_string()
}

/// A webhook with headers of the test's own.
fn post(service: &TestService, source: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> RequestBuilder {
    let request = service
        .client
        .post(format!("{}/webhooks/{source}", service.base))
        .body(body.into());
    let request = request.header("content-type", "application/json");
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
}

fn seconds_ago(seconds: i64) -> String {
    (Timestamp::now().as_second() - seconds).to_string()
}

/// The status and the detail of a problem.
async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string());
    (status, problem["detail"].as_str().unwrap().to_owned())
}

async fn a_flood_on_a_store_that_is_held_up_is_told_to_come_back(database: Database) {
    let service = database
        .service_with(|settings| settings.queue_capacity = 1.try_into().unwrap())
        .await;
    let raw = Raw::connect(&database).await;
    // appends have to wait for this transaction
    raw.execute(if database.is_postgres() {
        "BEGIN; SELECT * FROM head FOR UPDATE"
    } else {
        "BEGIN IMMEDIATE"
    })
    .await;
    let flood = (0..30).map(|number| service.webhook(webhook(number)).send());
    let flood = tokio::spawn(futures_util::future::join_all(flood.collect::<Vec<_>>()));
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    raw.execute("ROLLBACK").await;
    let (mut recorded, mut refused) = (0, 0);
    for response in flood.await.unwrap() {
        let response = response.unwrap();
        if response.status() == 200 {
            recorded += 1;
            continue;
        }
        refused += 1;
        assert_eq!(response.headers()["retry-after"], "1");
        let (status, detail) = problem(response).await;
        assert_eq!(
            (status, detail.as_str()),
            (503, "too many webhooks are waiting; send it again later")
        );
    }
    assert!((1..=3).contains(&recorded), "{recorded} were taken, {refused} refused");
    let store = database.store().await;
    assert_eq!(store.head().await.unwrap().position.0, recorded);
    // sent again, all of them are recorded
    for number in 0..30 {
        let is_recorded = async || service.webhook(webhook(number)).send().await.unwrap().status() == 200;
        until("it is recorded", is_recorded).await;
    }
    assert_eq!(store.head().await.unwrap().position.0, 30);
    service.stop().await;
}

async fn what_is_refused_leaves_nothing_in_the_store(database: Database) {
    let service = database.service().await;
    let now = seconds_ago(0);
    let body = fixture("prewarmup.order.success.json");
    let signed = sign(&service.key, Scheme::default(), &now, &body);
    let good = [(SIGNATURE_HEADER, signed.as_str()), (TIMESTAMP_HEADER, now.as_str())];
    let mut altered = body.clone();
    altered.push(b' ');
    let main = "coldmailreseller";
    let too_long = vec![b' '; MIB + 1];
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; MIB / 32]));
    for (request, status) in [
        (post(&service, main, &[], body.clone()), 401),
        (post(&service, main, &good, altered), 401),
        (post(&service, main, &good, too_long), 413),
        (
            post(&service, main, &good, "").body(chunks.flat_map(Result::unwrap).collect::<Vec<u8>>()),
            413,
        ),
        (post(&service, "nobody", &good, body.clone()), 404),
        (
            service
                .client
                .post(format!("{}/webhooks/{main}", service.base))
                .header("content-type", "text/plain")
                .body(body.clone()),
            401,
        ),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(problem(response).await.0, status);
    }
    assert_eq!(service.get("/webhooks/coldmailreseller").await.status(), 405);
    let store = database.store().await;
    assert_eq!(store.head().await.unwrap().position.0, 0);
    assert_eq!(post(&service, main, &good, body).send().await.unwrap().status(), 200);
    service.stop().await;
}

#[tokio::test]
async fn a_401_says_which_part_failed_and_which_scheme_would_have_matched() {
    let database = Database::sqlite();
    let service = database.service().await;
    let body = webhook(1);
    let (now, old, future) = (seconds_ago(0), seconds_ago(301), seconds_ago(-302));
    let by = |scheme, timestamp: &str| sign(&service.key, scheme, timestamp, body.as_bytes());
    let dotted = Scheme::TimestampDotBody;
    let hint = |scheme: &str| {
        format!(
            "the signature matches no key under the scheme in use; it would match with WARMLEDGER_SIGNATURE={scheme}"
        )
    };
    let other_key = sign(&Secret::new("other".to_owned()), dotted, &now, body.as_bytes());
    let cases: Vec<(Option<String>, Option<&str>, String)> = vec![
        (None, Some(&now), "the header cmr-x-signature is missing".to_owned()),
        (None, None, "the header cmr-x-signature is missing".to_owned()),
        (
            Some("beef".to_owned()),
            Some(&now),
            "the header cmr-x-signature is not an HMAC-SHA256 in hex or base64".to_owned(),
        ),
        (
            Some("0".repeat(64)),
            None,
            "the header cmr-x-timestamp is missing".to_owned(),
        ),
        (Some(other_key), Some(&now), "the signature matches no key".to_owned()),
        // the headers are judged before the body
        (
            Some(by(dotted, &now)),
            Some(&old),
            "ago; at most 300 s are accepted".to_owned(),
        ),
        (
            Some("0".repeat(64)),
            Some("soon"),
            "the header cmr-x-timestamp is not a whole number of Unix seconds or milliseconds".to_owned(),
        ),
        (Some(by(Scheme::TimestampBody, &now)), Some(&now), hint("timestampbody")),
        (Some(by(Scheme::Body, "")), Some(&now), hint("body")),
        (Some(by(Scheme::Body, "")), None, hint("body")),
        (
            Some(by(dotted, "soon")),
            Some("soon"),
            "the header cmr-x-timestamp is not a whole number of Unix seconds or milliseconds".to_owned(),
        ),
        (
            Some(by(dotted, &old)),
            Some(&old),
            "ago; at most 300 s are accepted".to_owned(),
        ),
        (
            Some(by(dotted, &future)),
            Some(&future),
            "s in our future; at most 300 s are accepted".to_owned(),
        ),
    ];
    for (signature, timestamp, expected) in &cases {
        let headers: Vec<(&str, &str)> = [(SIGNATURE_HEADER, signature.as_deref()), (TIMESTAMP_HEADER, *timestamp)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let response = post(&service, "coldmailreseller", &headers, body.clone())
            .send()
            .await
            .unwrap();
        let (status, detail) = problem(response).await;
        assert_eq!(status, 401);
        assert!(detail.ends_with(expected), "{detail:?} is not {expected:?}");
    }
    assert_eq!(database.store().await.head().await.unwrap().position.0, 0);
    service.stop().await;
}

#[tokio::test]
async fn a_signature_may_be_written_in_every_usual_way_and_sent_in_milliseconds() {
    let database = Database::sqlite();
    let service = database.service().await;
    let milliseconds = Timestamp::now().as_millisecond().to_string();
    let stamps = [seconds_ago(0), seconds_ago(290), seconds_ago(-290), milliseconds];
    let spellings: [fn(&str) -> String; 5] = [
        str::to_owned,
        |hex| format!("sha256={}", hex.to_uppercase()),
        |hex| STANDARD.encode(hex::decode(hex).unwrap()),
        |hex| format!("sha256={}", STANDARD.encode(hex::decode(hex).unwrap())),
        |hex| URL_SAFE_NO_PAD.encode(hex::decode(hex).unwrap()),
    ];
    for (number, spell) in spellings.iter().enumerate() {
        for stamp in &stamps {
            let body = webhook(number);
            let signature = spell(&sign(&service.key, Scheme::default(), stamp, body.as_bytes()));
            let headers = [(SIGNATURE_HEADER, signature.as_str()), (TIMESTAMP_HEADER, stamp)];
            let response = post(&service, "coldmailreseller", &headers, body).send().await.unwrap();
            assert_eq!(response.status(), 200, "{signature} {stamp}");
        }
    }
    assert_eq!(database.store().await.head().await.unwrap().position.0, 5);
    service.stop().await;
}

#[tokio::test]
async fn keys_rotate_and_every_source_has_its_own_key_and_scheme() {
    let database = Database::sqlite();
    create_secret_file(
        &SecretFile::WebhookKey.path(database.dir.path()),
        "the-old-key-of-it,the-new-key-of-it",
    )
    .unwrap();
    let secret = |key: &str| Secret::new(key.to_owned());
    let service = database
        .service_with(|settings| {
            for (name, signature) in [("sandbox", Scheme::Body), ("glued", Scheme::TimestampBody)] {
                let webhook_key = vec![secret(name)];
                let source = SourceSettings {
                    webhook_key,
                    signature,
                    freshness: settings.freshness,
                };
                settings.sources.insert(Source::parse(name).unwrap(), source);
            }
        })
        .await;
    let (main, body, now) = ("coldmailreseller", webhook(1), seconds_ago(0));
    for (source, key, scheme, stamp, expected) in [
        (
            main,
            "the-old-key-of-it",
            Scheme::TimestampDotBody,
            Some(&now),
            "recorded",
        ),
        (
            main,
            "the-new-key-of-it",
            Scheme::TimestampDotBody,
            Some(&now),
            "duplicate",
        ),
        (main, "sandbox", Scheme::TimestampDotBody, Some(&now), "401"),
        (
            main,
            "the-old-key-of-it,the-new-key-of-it",
            Scheme::TimestampDotBody,
            Some(&now),
            "401",
        ),
        // the same event id of another source is another event
        ("sandbox", "sandbox", Scheme::Body, None, "recorded"),
        ("sandbox", "sandbox", Scheme::Body, Some(&now), "duplicate"),
        ("sandbox", "sandbox", Scheme::Body, Some(&seconds_ago(400)), "401"),
        ("sandbox", "the-old-key-of-it", Scheme::Body, None, "401"),
        ("glued", "glued", Scheme::TimestampBody, Some(&now), "recorded"),
        ("glued", "glued", Scheme::TimestampDotBody, Some(&now), "401"),
    ] {
        let signature = sign(&secret(key), scheme, stamp.map_or("", String::as_str), body.as_bytes());
        let mut headers = vec![(SIGNATURE_HEADER, signature.as_str())];
        headers.extend(stamp.map(|stamp| (TIMESTAMP_HEADER, stamp.as_str())));
        let response = post(&service, source, &headers, body.clone()).send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let became = if status == 200 {
            answer["status"].as_str().unwrap().to_owned()
        } else {
            status.to_string()
        };
        assert_eq!(became, expected, "{source} {key} {scheme}: {answer}");
    }
    assert_eq!(database.store().await.head().await.unwrap().position.0, 3);
    service.stop().await;
}

#[tokio::test]
async fn a_body_of_exactly_one_mebibyte_is_taken_and_an_authentic_one_without_a_type_as_well() {
    let database = Database::sqlite();
    let service = database.service().await;
    let mut junk = vec![0; MIB];
    let mut state = 1_u32;
    junk.fill_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    assert_eq!(service.send(junk).await["status"], "quarantined");
    let now = seconds_ago(0);
    for (number, content_type, status) in [
        (1, "application/json; charset=utf-8", 200),
        (2, "Application/JSON", 200),
        (3, "application/cloudevents+json", 200),
        (4, "text/plain", 415),
        (5, "text/json", 200),
        (6, "application/x-www-form-urlencoded", 415),
        (7, "", 200),
        (8, "application/vnd.partner.v2+json; charset=utf-8", 200),
        (9, "application/+json", 415),
    ] {
        let body = webhook(number);
        let signature = sign(&service.key, Scheme::default(), &now, body.as_bytes());
        let request = service
            .client
            .post(format!("{}/webhooks/coldmailreseller", service.base));
        let request = request
            .header("content-type", content_type)
            .header(SIGNATURE_HEADER, signature);
        let response = request.header(TIMESTAMP_HEADER, &now).body(body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{content_type}");
        if status == 415 {
            // the detail says that nothing else is wrong
            assert!(problem(response).await.1.starts_with("the signature is right, but"));
        }
    }
    let body = webhook(10);
    let request = service
        .client
        .post(format!("{}/webhooks/coldmailreseller", service.base));
    let signature = sign(&service.key, Scheme::default(), &now, body.as_bytes());
    let request = request
        .header(SIGNATURE_HEADER, signature)
        .header(TIMESTAMP_HEADER, &now);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("warmledger_webhooks_total{outcome=\"unusable\"}"),
        "{metrics}"
    );
    service.stop().await;
}

/// The original of the event at a position: the exact bytes, and the finding.
async fn evidence(service: &TestService, position: &Value) -> (Vec<u8>, Value) {
    let answer = service
        .client
        .post(format!("{}/api/v1/events/{position}/evidence", service.base))
        .bearer_auth(&service.token)
        .json(&json!({"reason": "dispute 2026-9", "includeBody": true}));
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let body = STANDARD.decode(answer["bodyBase64"].as_str().unwrap()).unwrap();
    (body, answer["finding"].clone())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn a_compressed_webhook_is_what_it_inflates_to_whichever_of_both_is_signed(database: Database) {
    let service = database.service().await;
    let now = seconds_ago(0);
    let plain = fixture("prewarmup.order.success.json");
    let other = fixture("prewarmup.order.failed.json");
    let send = async |coding: &str, signed: &[u8], sent: Vec<u8>| {
        let signature = sign(&service.key, Scheme::default(), &now, signed);
        let headers = [
            (SIGNATURE_HEADER, signature.as_str()),
            (TIMESTAMP_HEADER, now.as_str()),
            ("content-encoding", coding),
        ];
        let response = post(&service, "coldmailreseller", &headers, sent).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    // compressed by the sender, then signed
    let (status, first) = send("gzip", &gzip(&plain), gzip(&plain)).await;
    assert_eq!((status, &first["status"]), (200, &json!("recorded")), "{first}");
    let (body, finding) = evidence(&service, &first["position"]).await;
    assert_eq!(body, gzip(&plain), "what is signed is kept");
    assert_eq!(finding["headers"]["content-encoding"], "gzip");
    assert_eq!(finding["signature"]["result"], "valid", "{finding}");
    // the same, uncompressed
    assert_eq!(send("", &plain, plain.clone()).await.1["status"], "duplicate");
    // signed, then compressed on the way
    let (status, second) = send("gzip", &other, gzip(&other)).await;
    assert_eq!((status, &second["status"]), (200, &json!("recorded")), "{second}");
    let (body, finding) = evidence(&service, &second["position"]).await;
    assert_eq!(body, other);
    assert!(finding["headers"].get("content-encoding").is_none(), "{finding}");
    assert_eq!(finding["signature"]["result"], "valid", "{finding}");
    assert_eq!(
        send("x-gzip", &gzip(&other), gzip(&other)).await.1["status"],
        "duplicate"
    );

    // the size is limited, whichever form is signed
    let bomb = gzip(&vec![b' '; MIB + 1]);
    for signed in [&bomb, &vec![b' '; MIB + 1]] {
        let (status, answer) = send("gzip", signed, bomb.clone()).await;
        assert_eq!(status, 413, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("inflated"), "{answer}");
    }
    let (status, answer) = send("br", &plain, plain.clone()).await;
    assert_eq!(status, 415);
    assert!(answer["detail"].as_str().unwrap().contains("gzip"), "{answer}");
    let mut cut = gzip(webhook(1).as_bytes());
    cut.truncate(cut.len() - 3);
    let (status, answer) = send("gzip", &cut, cut.clone()).await;
    assert_eq!((status, &answer["status"]), (200, &json!("quarantined")));
    // the signature matches neither form
    let (status, _) = send("gzip", b"other", gzip(&plain)).await;
    assert_eq!(status, 401);
    let store = database.store().await;
    sound_log(&*store).await;
    service.stop().await;
}

async fn a_byte_order_mark_and_a_second_signature_hide_no_webhook(database: Database) {
    let path = SecretFile::WebhookKey.path(database.dir.path());
    create_secret_file(&path, "\u{feff}a webhook key of ours\r\n").unwrap();
    let service = database.service().await;
    let key = Secret::new("a webhook key of ours".to_owned());
    let now = seconds_ago(0);
    let plain = fixture("prewarmup.order.success.json");
    let marked = [b"\xef\xbb\xbf", plain.as_slice()].concat();
    let right = sign(&key, Scheme::default(), &now, &marked);
    let old = sign(
        &Secret::new("an older key".to_owned()),
        Scheme::default(),
        &now,
        &marked,
    );
    let send = async |signatures: &[&str], body: &[u8]| {
        let mut headers = vec![(TIMESTAMP_HEADER, now.as_str())];
        headers.extend(signatures.iter().map(|signature| (SIGNATURE_HEADER, *signature)));
        let response = post(&service, "coldmailreseller", &headers, body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    let (status, first) = send(&[&old, &right], &marked).await;
    assert_eq!((status, &first["status"]), (200, &json!("recorded")), "{first}");
    let (body, finding) = evidence(&service, &first["position"]).await;
    assert_eq!(body, marked);
    assert_eq!(finding["signature"]["result"], "valid", "{finding}");
    for signatures in [
        &[right.as_str(), old.as_str()][..],
        &[&format!("{old}, sha256= {right}")],
        &["nonsense", &right],
    ] {
        let (status, answer) = send(signatures, &marked).await;
        assert_eq!(
            (status, &answer["status"]),
            (200, &json!("duplicate")),
            "{signatures:?}: {answer}"
        );
    }
    assert_eq!(send(&[&old], &marked).await.0, 401);
    assert_eq!(send(&["nonsense", "more"], &marked).await.0, 401);
    service.stop().await;
}
