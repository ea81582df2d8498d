//! Traces of an erased user in files, dumps, logs and answers: ids, and nothing that names a person.

use std::process::Command;

use crate::support::api::Client;
use reqwest::Method;
use serde_json::{Value, json};
use warmledger::data_dir::SecretFile;

use super::USER;
use crate::crash::caught_up;
use crate::on_both_stores;
use crate::secrets::sweep::Sweep;
use crate::secrets::{answer, files};
use crate::support::child::ChildService;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(an_erased_user_leaves_no_trace);

const READ: [&str; 16] = [
    "/metrics",
    "/api/v1/orders",
    "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK",
    "/api/v1/orders/WR3N4JEW3D76N6KGRQSG36SSHBXK/events",
    "/api/v1/domains",
    "/api/v1/domains/example.com/mailboxes",
    "/api/v1/domains/example.com/mailboxes?asOf=2",
    "/api/v1/orders?asOf=2",
    "/api/v1/renewals",
    "/api/v1/renewals.csv",
    "/api/v1/failures",
    "/api/v1/events?limit=500",
    "/api/v1/access",
    "/api/v1/projections",
    "/api/v1/subjects",
    "/api/v1/subjects/PWM7Y25RYZ450YNM8K8FX9GK5AHX",
];

/// Plants every personal or secret text of a JSON document.
fn plant(sweep: &mut Sweep, value: &Value) {
    const FIELDS: [&str; 8] = [
        "userEmail",
        "email",
        "firstName",
        "lastName",
        "profilePicture",
        "password",
        "appPassword",
        "authenticatorSecret",
    ];
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            // shorter ones occur by chance
            Value::String(text) if FIELDS.contains(&name.as_str()) && text.len() >= 6 => sweep.plant(name, text),
            other => plant(sweep, other),
        }),
        Value::Array(items) => items.iter().for_each(|item| plant(sweep, item)),
        _ => {}
    }
}

async fn an_erased_user_leaves_no_trace(database: Database) {
    let mut planted = Sweep::default();
    let client = Client::new();
    let mut child = ChildService::start_with(&database, &["--log", "debug"]).await;
    for name in [
        "prewarmup.order.success.json",
        "mailbox.updated.json",
        "subscription.renewal.success.legacy.json",
        "subscription.renewing.json",
    ] {
        let body = fixture(name);
        plant(&mut planted, &serde_json::from_slice(&body).unwrap());
        answer(&client, &child, true, body).await;
    }
    let wrapped: Vec<Vec<u8>> = {
        let encode = if database.is_postgres() {
            "encode(wrapped, 'hex')"
        } else {
            "hex(wrapped)"
        };
        let sql = format!("SELECT {encode} FROM data_keys WHERE subject = '{USER}'");
        let texts = Raw::connect(&database).await.texts(&sql).await;
        texts.iter().map(|text| hex::decode(text).unwrap()).collect()
    };
    assert_eq!(wrapped.len(), 1);
    let token = std::fs::read_to_string(SecretFile::AdminToken.path(database.dir.path())).unwrap();
    let call = async |method: Method, path: &str| {
        let request = client.request(method, format!("{}{path}", child.base));
        let request = request
            .bearer_auth(token.trim())
            .json(&json!({"reason": "request 2026-117"}));
        let response = request.send().await.unwrap();
        format!(
            "{path} {:?} {}\n",
            response.headers().clone(),
            response.text().await.unwrap()
        )
    };
    let store = database.store().await;
    caught_up(&*store).await;
    // fill caches and snapshots before the erasure
    let mut shown = String::new();
    for path in READ {
        shown += &call(Method::GET, path).await;
    }
    assert!(!planted.find(shown.as_bytes()).is_empty(), "before, names are shown");
    let erased = call(Method::DELETE, &format!("/api/v1/subjects/{USER}")).await;
    assert!(erased.contains("\"position\":"), "{erased}");
    caught_up(&*store).await;

    let mut answers = erased;
    for path in READ {
        answers += &call(Method::GET, path).await;
    }
    answers += &call(
        Method::POST,
        "/api/v1/mailboxes/LY25R9GK5AHYZ450YPWMNM8K8FXX/credentials/reveal",
    )
    .await;
    answers += &call(Method::POST, "/api/v1/events/1/evidence").await;
    assert_eq!(planted.find(answers.as_bytes()), [""; 0], "the answers");
    let mut stored = files(database.dir.path());
    if database.is_postgres() {
        let dump = Command::new("pg_dump")
            .arg("--dbname")
            .arg(&database.url)
            .output()
            .unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        assert!(!String::from_utf8_lossy(&dump.stdout).contains(&hex::encode(&wrapped[0])));
        stored.push(("the dump".to_owned(), dump.stdout));
    }
    for (name, bytes) in &stored {
        let key = wrapped[0].as_slice();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key),
            "{name} holds the destroyed key"
        );
    }
    assert!(child.terminate().await.success());
    let log = child.log();
    assert!(log.contains("DEBUG"));
    stored.push(("the log".to_owned(), log.into_bytes()));
    stored.extend(files(database.dir.path()));
    for (name, bytes) in &stored {
        assert_eq!(planted.find(bytes), [""; 0], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_keeps_old_pages_in_the_log_holds_up_neither_an_erasure_nor_webhooks() {
    let database = Database::sqlite();
    let service = database.service().await;
    service.send(super::assignment("E1", "U1", "O1", "secret")).await;
    let reader = Raw::connect(&database).await;
    reader.execute("BEGIN").await;
    assert_eq!(reader.texts("SELECT CAST(count(*) AS TEXT) FROM events").await, ["1"]);
    let begun = std::time::Instant::now();
    let webhooks = async {
        for n in 2..6 {
            service
                .send(super::assignment(&format!("E{n}"), "U2", &format!("O{n}"), "secret"))
                .await;
        }
        begun.elapsed()
    };
    let (erased, took) = tokio::join!(super::erase(&service, "U1"), webhooks);
    assert_eq!(erased["subjects"], json!(["U1"]));
    assert!(took < std::time::Duration::from_secs(4), "{took:?}");
    service.stop().await;
}
