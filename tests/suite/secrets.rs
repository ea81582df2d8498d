//! Planted secrets: passwords, app passwords and TOTP seeds occur only sealed, and in the answer to an authorised
//! reveal, whatever happens to their webhook; e-mail addresses and names are in no file, dump or log either.

mod mounted;
pub mod sweep;

use std::path::Path;
use std::process::Command;

use crate::support::api::Client;
use jiff::Timestamp;
use serde_json::{Value, json};
use warmledger::data_dir::SecretFile;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::secret::Secret;

use self::sweep::Sweep;
use crate::crash::caught_up;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::ChildService;
use crate::support::log::sound_log;
use crate::support::raw::Raw;

on_both_stores!(planted_secrets_are_found_nowhere);

/// Kinds of webhooks that have no credentials.
const OTHER_KINDS: &[&str] = &[
    "domain.order.success",
    "domain.order.failed",
    "domain.renewal.success",
    "domain.renewal.failed",
    "domain.grace_period",
    "domain.expired",
    "dns-record.updated",
    "mailbox.order.success",
    "mailbox.order.failed",
    "mailbox.exported",
    "mailbox.warmup.started",
    "mailbox.warmup.removed",
    "subscription.renewal.failed",
    "subscription.updated",
];
/// Query parameters of reading calls.
const PARAMETERS: &[(&str, &str)] = &[
    ("/api/v1/events", "limit=500"),
    ("/api/v1/mailboxes", "email=nobody%40planted.example"),
    ("/api/v1/orders/{orderId}/diff", "from=0&to=1"),
    ("/api/v1/projections/{name}/diff", "key=O0&from=0&to=1"),
    ("/api/v1/proofs/consistency", "from=1&to=2"),
    ("/api/v1/proofs/inclusion", "position=1"),
    ("/api/v1/proofs/inclusion.tlog-proof", "position=1"),
    ("/api/v1/search", "email=nobody%40planted.example"),
];
/// Calls whose path is not in the document.
const BESIDES: &[&str] = &[
    "/",
    "/api/v1/failures?groupBy=reason",
    "/api/v1/orders?asOf=1",
    "/api/v1/domains/d0.planted.example/mailboxes?asOf=1",
];

/// The paths of the API's own document with a call by this method, with something in the place of their parameters.
fn paths(method: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_slice(&warmledger::http::document().unwrap()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let called = paths.filter(|(_, calls)| calls.get(method).is_some());
    let filled = called.map(|(path, _)| {
        let name = if path.contains("/consumers/") {
            "follower"
        } else {
            "orders"
        };
        // a user whom nobody misses
        let user = if method == "get" { "U0" } else { "U-nobody" };
        let values = [
            ("{orderId}", "O0"),
            ("{domain}", "d0.planted.example"),
            ("{position}", "1"),
            ("{name}", name),
            ("{mailboxId}", "M0"),
            ("{userId}", user),
            ("{id}", "none"),
            ("{level}", "0"),
            ("{tile}", "000"),
            ("{source}", "coldmailreseller"),
        ];
        let filled = values
            .iter()
            .fold(path.clone(), |path, (name, value)| path.replace(name, value));
        assert!(
            !filled.contains('{'),
            "{path}: this test has no value for its parameter"
        );
        (path.clone(), filled)
    });
    filled.collect()
}

/// Everything that the API lets one read.
pub fn routes() -> Vec<String> {
    let filled =
        paths("get").into_iter().map(
            |(path, filled)| match PARAMETERS.iter().find(|(known, _)| *known == path) {
                Some((_, query)) => format!("{filled}?{query}"),
                None => filled,
            },
        );
    filled.chain(BESIDES.iter().map(|path| (*path).to_owned())).collect()
}

/// Makes every call of the API that changes something, but for those that hand out secrets; what they answer.
pub async fn change(client: &Client, base: &str, token: &str) -> String {
    let mut answers = String::new();
    for method in ["put", "post", "delete"] {
        for (path, filled) in paths(method) {
            let body = match path.as_str() {
                "/webhooks/{source}" | "/api/v1/events/{position}/evidence" => continue,
                path if path.ends_with("/reveal") => continue,
                "/api/v1/tokens" => json!({"name": "one of a test", "scopes": ["read"]}),
                "/api/v1/consumers/{name}/checkpoint" => json!({"position": 1}),
                path if path.contains("/subjects/") => json!({"reason": "a test of what is found"}),
                _ => json!({}),
            };
            let request = client.request(method.to_uppercase().parse().unwrap(), format!("{base}{filled}"));
            let answer = request.bearer_auth(token).json(&body).send().await.unwrap();
            let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
            let text = answer.text().await.unwrap();
            let is_there = status.is_success() || matches!(status.as_u16(), 404 | 409);
            assert!(is_there, "{method} {filled}: {status} {text}");
            answers += &format!("{method} {filled} {headers} {text}\n");
        }
    }
    answers
}

/// The answer of a route; of a stream without end, what arrives within a second.
async fn read(client: &Client, url: &str, token: &str) -> String {
    let mut response = client.get(url).bearer_auth(token).send().await.unwrap();
    let (status, mut text) = (response.status(), format!("{:?}", response.headers()));
    // a tile exists once it is full
    let is_there = status.is_success() || status.is_redirection() || url.contains("/tile/");
    assert!(is_there, "{url}: {status}");
    let whole = async {
        while let Some(chunk) = response.chunk().await.unwrap() {
            text += &String::from_utf8_lossy(&chunk);
        }
    };
    // the event stream does not end
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), whole).await;
    text
}

/// The planted texts.
#[derive(Default)]
struct Planted {
    secrets: Sweep,
    personal: Sweep,
    count: usize,
}

impl Planted {
    /// A mailbox with secrets and personal data of its own.
    fn mailbox(&mut self) -> Value {
        let n = self.count;
        self.count += 1;
        let random = rand::random::<u64>();
        let groups = |text: String| {
            let letters: Vec<char> = text.chars().filter(|c| c.is_ascii_alphabetic()).collect();
            letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
        };
        let words = |seed: u64| {
            groups(
                (0..16)
                    .map(|i| char::from(b'a' + (seed >> (i * 4)) as u8 % 16))
                    .collect(),
            )
        };
        let password = format!("Pw{n}\"$\\é/{random:x}");
        let (app, totp) = (words(random), words(random.rotate_left(17) ^ 0x5555_5555_5555_5555));
        let (first, last) = (format!("Yasmeen{random:x}"), format!("König{:x}", random.swap_bytes()));
        let email = format!("box{n}.{:x}@d{n}.planted.example", random.rotate_left(7));
        let picture = format!("https://cdn.example/{}.jpg", random.rotate_left(31));
        for (kind, text) in [("password", &password), ("app password", &app), ("TOTP seed", &totp)] {
            self.secrets.plant(&format!("{kind} {n}"), text);
        }
        let personal = [
            ("first name", &first),
            ("last name", &last),
            ("e-mail", &email),
            ("picture", &picture),
        ];
        for (kind, text) in personal {
            self.personal.plant(&format!("{kind} {n}"), text);
        }
        json!({
            "mailboxId": format!("M{n}"), "email": email, "firstName": first, "lastName": last,
            "profilePicture": picture, "password": password, "appPassword": app, "authenticatorSecret": totp,
            "isAdmin": true, "expiryDate": "2027-01-02T03:04:05.678Z",
        })
    }

    fn success(&mut self, event_id: &str) -> Value {
        let n = self.count;
        let (mailbox, second) = (self.mailbox(), self.mailbox());
        json!({"event": "prewarmup.order.success", "eventId": event_id, "data": {
            "userId": format!("U{}", n % 7), "userEmail": mailbox["email"], "orderId": format!("O{n}"),
            "serviceProvider": "GOOGLE", "mailboxDetails": [{
                "domain": format!("d{n}.planted.example"), "subscriptionId": format!("S{n}"),
                "preWarmedUpMailboxes": [mailbox, second],
            }],
        }})
    }

    /// A webhook of a kind that has no credentials: with some all the same, in a field that it has not and in fields
    /// that hold something else, and with addresses wherever a text may name one.
    fn other(&mut self, kind: &str, event_id: &str) -> Value {
        let n = self.count;
        let (mailbox, other) = (self.mailbox(), self.mailbox());
        json!({"event": kind, "eventId": event_id, "data": {
            "userId": format!("U{}", n % 7), "userEmail": mailbox["email"], "orderId": format!("O{n}"),
            "subscriptionId": format!("S{n}"), "mailboxId": format!("M{n}"), "email": other["email"],
            "domainId": {"id": mailbox["password"]}, "domainName": format!("d{n}.planted.example"),
            "reason": format!("not for {}, perhaps later", mailbox["email"].as_str().unwrap()),
            "price": mailbox["appPassword"], "expiryDate": mailbox["authenticatorSecret"],
            "autoRenew": other["password"], "quantity": [other["appPassword"]],
            "password": other["authenticatorSecret"], "creationTime": {"at": other["password"]},
            "record": {"recordType": "CNAME", "host": other["firstName"], "value": mailbox["profilePicture"]},
        }})
    }

    /// More than a hundred webhooks of every kind; with each, whether its signature is valid.
    fn webhooks(&mut self) -> Vec<(bool, Vec<u8>)> {
        let mut sent: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut send = |good: bool, body: Vec<u8>| sent.push((good, body));
        let bytes = |value: &Value| value.to_string().into_bytes();
        for n in 0..40 {
            let body = self.success(&format!("E{n}"));
            send(true, bytes(&body));
            if n % 5 == 0 {
                // a repeat, and a repeat in another spelling
                send(true, bytes(&body));
                send(true, serde_json::to_vec_pretty(&body).unwrap());
            }
        }
        for n in 0..8 {
            // not authentic
            send(false, bytes(&self.success(&format!("F{n}"))));
            // an id that exists already
            send(true, bytes(&self.success(&format!("E{n}"))));
            // no event id, and one that is not a text
            let mut body = self.success("-");
            body["eventId"] = if n % 2 == 0 {
                Value::Null
            } else {
                json!({"id": self.mailbox()})
            };
            send(true, bytes(&body));
            // truncated within the secrets
            let body = bytes(&self.success(&format!("B{n}")));
            send(true, body[..body.len() - 40].to_vec());
            // with invalid UTF-8 after them
            let mut body = bytes(&self.success(&format!("C{n}")));
            body.extend_from_slice(b"\xff\xfe");
            send(true, body);
            // of an unknown kind
            let (name, mailbox) = (
                ["mailbox.created", "mailbox.updated", "mailbox.exported"][n % 3],
                self.mailbox(),
            );
            let data = if n % 3 == 1 {
                json!({"mailboxId": mailbox["mailboxId"], "userId": "U1", "updatedFields": mailbox})
            } else {
                mailbox
            };
            send(
                true,
                bytes(&json!({"event": name, "eventId": format!("K{n}"), "data": data})),
            );
            // data that is a secret, a list of them, nested too deeply
            let mailbox = self.mailbox();
            let data = [
                mailbox["password"].clone(),
                json!([mailbox["password"], mailbox["password"]]),
                json!({"orderId": mailbox}),
            ];
            let event = [
                "prewarmup.order.success",
                "prewarmup.order.failed",
                "subscription.updated",
            ][n % 3];
            send(
                true,
                bytes(&json!({"event": event, "eventId": format!("D{n}"), "data": data[n % 3]})),
            );
        }
        for (n, kind) in OTHER_KINDS.iter().enumerate() {
            send(true, bytes(&self.other(kind, &format!("O{n}"))));
        }
        // wrong types in the secrets' fields
        for (n, field) in [
            "password",
            "appPassword",
            "authenticatorSecret",
            "isAdmin",
            "expiryDate",
            "mailboxId",
        ]
        .iter()
        .enumerate()
        {
            let mut body = self.success(&format!("T{n}"));
            let other = self.mailbox();
            let mailbox = &mut body["data"]["mailboxDetails"][0]["preWarmedUpMailboxes"][1];
            mailbox[*field] = if !matches!(n, 3 | 4) {
                json!({"value": other["password"]})
            } else {
                other["password"].clone()
            };
            send(true, bytes(&body));
        }
        let mailbox = self.mailbox();
        let deep = format!("{{\"password\":{},\"deep\":{}", mailbox["password"], "{".repeat(20_000));
        send(true, deep.into_bytes());
        let (open, close) = ("{\"a\":".repeat(20_000), "}".repeat(20_000));
        let deep = format!(
            "{{\"event\":\"x\",\"eventId\":\"DEEP\",\"data\":{{\"password\":{},\"a\":{open}1{close}}}}}",
            mailbox["appPassword"]
        );
        send(true, deep.into_bytes());
        assert!(sent.len() >= 100);
        sent
    }
}

pub async fn answer(client: &Client, child: &ChildService, good: bool, body: Vec<u8>) -> String {
    let timestamp = Timestamp::now().as_second().to_string();
    let key = if good {
        child.key.clone()
    } else {
        Secret::new("wrong".to_owned())
    };
    let signature = sign(&key, Scheme::default(), &timestamp, &body);
    let response = client
        .post(format!("{}/webhooks/coldmailreseller", child.base))
        .header("content-type", "application/json")
        .header(SIGNATURE_HEADER, signature)
        .header(TIMESTAMP_HEADER, timestamp)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status() == 200, good, "{response:?}");
    format!("{:?} {}\n", response.headers().clone(), response.text().await.unwrap())
}

/// Reveals credentials, seeds included: of one mailbox, and of a domain with two.
async fn reveal(client: &Client, child: &ChildService, token: &str) -> String {
    let mut answers = String::new();
    for path in ["mailboxes/M0", "domains/d0.planted.example"] {
        let request = client.post(format!("{}/api/v1/{path}/credentials/reveal", child.base));
        let request = request.bearer_auth(token);
        let request = request.json(&json!({"reason": "a test of what is found", "includeSeed": true}));
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{path}: {text}");
        answers += &text;
    }
    answers
}

/// The bytes of every file in a directory, with their names.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

async fn planted_secrets_are_found_nowhere(database: Database) {
    let mut planted = Planted::default();
    let webhooks = planted.webhooks();
    let authentic = webhooks.iter().filter(|(good, _)| *good).count();
    let client = Client::new();
    let (mut answers, mut logs, mut revealed) = (String::new(), String::new(), String::new());
    let first: Value = serde_json::from_slice(&webhooks[0].1).unwrap();
    let address = first["data"]["userEmail"].as_str().unwrap().to_owned();
    // half of them with log lines for people, half with JSON, at the loudest level
    for (half, (format, level)) in webhooks
        .chunks(webhooks.len().div_ceil(2))
        .zip([("pretty", "debug"), ("json", "trace")])
    {
        let mut child = ChildService::start_with(&database, &["--log-format", format, "--log", level]).await;
        for (good, body) in half {
            answers += &answer(&client, &child, *good, body.clone()).await;
        }
        let store = database.store().await;
        caught_up(&*store).await;
        let token = std::fs::read_to_string(SecretFile::AdminToken.path(database.dir.path())).unwrap();
        let consumer = client.put(format!("{}/api/v1/consumers/follower", child.base));
        let consumer = consumer.bearer_auth(token.trim()).json(&json!({})).send();
        assert!(consumer.await.unwrap().status().is_success());
        for route in routes() {
            let read = read(&client, &format!("{}{route}", child.base), token.trim()).await;
            answers += &format!("{route} {read}\n");
        }
        // what is looked for is personal too
        for list in ["search", "customers", "orders", "renewals", "failures", "mailboxes"] {
            let address = address.replace('@', "%40");
            let url = format!("{}/api/v1/{list}?email={address}", child.base);
            let found = read(&client, &url, token.trim()).await;
            assert_eq!(found.contains("U0"), list != "mailboxes", "{list}: {found}");
            answers += &found;
        }
        revealed += &reveal(&client, &child, token.trim()).await;
        answers += &change(&client, &child.base, token.trim()).await;
        // the files of the running service, with the write-ahead log
        for (name, bytes) in files(database.dir.path()) {
            assert_eq!(planted.secrets.find(&bytes), [""; 0], "{name}");
            assert_eq!(planted.personal.find(&bytes), [""; 0], "{name}");
        }
        assert!(child.terminate().await.success());
        logs += &child.log();
    }

    let store = database.store().await;
    let log = sound_log(&*store).await;
    let webhooks = log
        .iter()
        .filter(|event| event.source.as_str() == "coldmailreseller")
        .count();
    assert!(webhooks > 80 && webhooks < authentic, "{webhooks} of {authentic}");
    for (n, kind) in OTHER_KINDS.iter().enumerate() {
        let event = log.iter().find(|event| event.event_id.as_str() == format!("O{n}"));
        let type_name = event.map(|event| event.type_name.as_str());
        let unusable = ["WebhookQuarantined", "WebhookUnrecognised"];
        assert!(
            type_name.is_some_and(|name| !unusable.contains(&name)),
            "{kind}: {type_name:?}"
        );
    }
    let mut control = Sweep::default();
    control.plant("a domain", "d0.planted.example");
    let mut stored: Vec<(String, Vec<u8>)> = files(database.dir.path());
    if database.is_postgres() {
        stored.push((
            "the rows".to_owned(),
            Raw::connect(&database).await.dump().await.into_bytes(),
        ));
        let dump = Command::new("pg_dump").arg("--dbname").arg(&database.url).output();
        let dump = dump.expect("pg_dump, which comes with PostgreSQL's client programs");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        stored.push(("the dump".to_owned(), dump.stdout));
        for (name, bytes) in stored.iter().rev().take(2) {
            assert!(!control.find(bytes).is_empty(), "{name} shows what is not secret");
        }
    } else {
        let names: Vec<&str> = stored.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.iter().any(|name| name.ends_with("warmledger.db")), "{names:?}");
        assert!(stored.iter().any(|(_, bytes)| !control.find(bytes).is_empty()));
    }
    assert!(logs.contains("listening on") && logs.contains("\"level\":\"DEBUG\"") && logs.contains(" DEBUG "));
    assert!(logs.contains("a webhook is not authentic"));
    assert!(answers.contains("\"stream\":\"order-O0\"") && answers.contains("quarantined"));
    stored.push(("the log".to_owned(), logs.into_bytes()));
    for (name, bytes) in &stored {
        assert_eq!(planted.secrets.find(bytes), [""; 0], "{name}");
        assert_eq!(planted.personal.find(bytes), [""; 0], "{name}");
    }
    assert_eq!(planted.secrets.find(answers.as_bytes()), [""; 0], "the answers");
    // the only place for them, each in one answer
    for kind in ["password 0", "app password 0", "TOTP seed 0", "password 1"] {
        let found = planted.secrets.find(revealed.as_bytes());
        assert!(found.contains(&kind), "{kind} is not revealed");
    }
}
