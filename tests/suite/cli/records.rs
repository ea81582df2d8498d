//! `ingest`, `events` and `projections`, without a running service.

use serde_json::{Value, json};
use warmledger::ingest::signature::{Scheme, sign};
use warmledger::secret::Secret;

use super::program::Program;
use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(
    captured_deliveries_are_recorded_once_and_every_refused_line_is_named,
    events_are_listed_shown_and_followed,
    a_row_is_shown_as_it_stood_and_what_changed_in_it,
    projections_are_rebuilt_and_a_row_that_differs_is_reported,
);

const KEY: &str = "a key of the test's own";
/// Long ago: captured deliveries are old.
const SENT_AT: &str = "1700000000";

/// On a new ledger.
async fn program(database: &Database) -> Program {
    let program = Program::new(database).env("WARMLEDGER_WEBHOOK_KEY", KEY);
    let made = program.run("migrate").await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    program
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

/// A captured delivery, its headers in the spelling of some proxy.
fn captured(body: &str, key: &str) -> String {
    let signature = sign(
        &Secret::new(key.to_owned()),
        Scheme::TimestampDotBody,
        SENT_AT,
        body.as_bytes(),
    );
    json!({"body": body, "headers": {"Cmr-X-Signature": signature, "CMR-X-TIMESTAMP": SENT_AT}}).to_string()
}

fn bare(name: &str) -> String {
    serde_json::from_str::<Value>(&text(name)).unwrap().to_string()
}

/// An order of four domains' webhooks, as JSON Lines.
fn history() -> String {
    let names = [
        "prewarmup.order.success.json",
        "prewarmup.order.failed.json",
        "subscription.renewing.json",
    ];
    names.map(|name| captured(&text(name), KEY) + "\n").concat()
}

async fn captured_deliveries_are_recorded_once_and_every_refused_line_is_named(database: Database) {
    let program = program(&database).await;
    let lines = [
        captured(&text("prewarmup.order.success.json"), KEY),
        String::new(),
        captured(&text("prewarmup.order.failed.json"), "another key"),
        bare("subscription.renewing.json"),
        r#"{"body": "planted"#.to_owned(),
        captured("{", KEY),
        r#"{"body": "{}", "headers": {}}"#.to_owned(),
    ];
    let path = program.directory.path().join("captured.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();

    let first = program.run("ingest captured.jsonl --json").await;
    assert_eq!(first.code, 1, "{}", first.stderr);
    let summary = first.json();
    let counts = |summary: &Value| {
        let names = [
            "lines",
            "recorded",
            "duplicates",
            "quarantined",
            "refused",
            "unreadable",
        ];
        names.map(|name| summary[name].as_u64().unwrap())
    };
    assert_eq!(counts(&summary), [6, 1, 0, 1, 3, 1]);
    for (number, reason) in [
        (3, "the signature matches no key"),
        (4, "--unsigned"),
        (5, "not JSON"),
        (7, "cmr-x-signature is missing"),
    ] {
        let place = format!("captured.jsonl:{number}: ");
        let line = first.stderr.lines().find(|line| line.starts_with(&place));
        assert!(
            line.is_some_and(|line| line.contains(reason)),
            "{place}{}",
            first.stderr
        );
    }
    assert!(!first.stderr.contains("planted"));

    // again, with the bare one allowed, and from stdin
    let second = program
        .run_with("ingest --unsigned - --json", &lines[..4].join("\n"))
        .await;
    assert_eq!(second.code, 1);
    assert_eq!(counts(&second.json()), [3, 1, 1, 0, 1, 0]);
    let third = program.run_with("ingest --unsigned -", &lines[3]).await;
    assert_eq!((third.code, third.stdout.as_str()), (0, ""), "{}", third.stderr);
    assert!(third.stderr.contains("duplicates             1"), "{}", third.stderr);

    let events = program.run("events list").await.json_lines();
    assert_eq!(events.len(), 3);
    let unsigned = events.iter().filter(|event| event["facts"]["unsigned"] == true);
    assert_eq!(
        unsigned.map(|event| &event["type"]).collect::<Vec<_>>(),
        ["SubscriptionRenewing"]
    );
}

async fn events_are_listed_shown_and_followed(database: Database) {
    let program = program(&database).await;
    assert_eq!(program.run_with("ingest -", &history()).await.code, 0);

    let all = program.run("events list").await;
    let events = all.json_lines();
    assert_eq!(
        events.iter().map(|event| &event["position"]).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let first = &events[0];
    assert_eq!(first["type"], "MailboxesAssigned");
    assert_eq!(first["source"], "coldmailreseller");
    assert_eq!(first["version"], 1);
    for field in ["stream", "eventId", "schemaVersion", "recordedAt", "subject", "facts"] {
        assert!(!first[field].is_null(), "{field}");
    }
    let password = serde_json::from_str::<Value>(&text("prewarmup.order.success.json")).unwrap();
    let password = password
        .pointer("/data/mailboxDetails/0/preWarmedUpMailboxes/0/password")
        .unwrap();
    assert!(!all.stdout.contains(password.as_str().unwrap()));

    let listed = async |args: &str| {
        let ended = program.run(&format!("events {args}")).await;
        assert_eq!(ended.code, 0, "{args}: {}", ended.stderr);
        let positions = ended
            .json_lines()
            .into_iter()
            .map(|event| event["position"].as_u64().unwrap());
        positions.collect::<Vec<_>>()
    };
    assert_eq!(listed("list --after 1 --limit 1").await, [2]);
    assert_eq!(listed("list --type AssignmentFailed").await, [2]);
    assert_eq!(
        listed(&format!("list --stream {}", first["stream"].as_str().unwrap())).await[0],
        1
    );
    assert_eq!(listed("list --stream order-unknown").await, [0; 0]);
    // the record of each of these reads is in the log too
    assert_eq!(listed("tail -n 2").await, [7, 8]);
    assert_eq!(listed("tail -n 0").await, [0; 0]);

    let shown = program.run("events show 1").await;
    let sealed = &shown.json()["sealed"];
    for section in ["personal", "secrets", "original"] {
        assert!(
            sealed[section]["bytes"].as_u64().is_some_and(|bytes| bytes > 40),
            "{section}"
        );
        assert_eq!(sealed[section]["sha256"].as_str().map(str::len), Some(64), "{section}");
    }
    let missing = program.run("events show 400").await;
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("the newest is at 12"), "{}", missing.stderr);

    let mut tail = program.start("events tail -n 1 --follow");
    assert!(tail.line().await.unwrap().contains(r#""position":12"#));
    // a follower prints the record of its own read
    assert!(tail.line().await.unwrap().contains("AuditFeedRead"));
    let more = captured(&text("subscription.renewal.success.json"), KEY);
    assert_eq!(program.run_with("ingest -", &more).await.code, 0);
    assert!(tail.line().await.unwrap().contains(r#""position":14"#));
    assert_eq!(tail.signal("INT").await, (Some(0), String::new()));

    let mut tail = program.start("events tail -n 1 --follow");
    tail.line().await.unwrap();
    assert_eq!(tail.close_stdout().await, Some(0));
}

async fn a_row_is_shown_as_it_stood_and_what_changed_in_it(database: Database) {
    let program = program(&database).await;
    let lines = ["partial-failure.1.success.json", "partial-failure.2.failed.json"];
    let lines = lines.map(|name| captured(&text(name), KEY) + "\n").concat();
    assert_eq!(program.run_with("ingest -", &lines).await.code, 0);
    let first: Value = serde_json::from_str(&text("partial-failure.1.success.json")).unwrap();
    let order = first["data"]["orderId"].as_str().unwrap();

    let shown = program
        .run(&format!("projections as-of orders {order} --at 1 --json"))
        .await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let shown = shown.json();
    assert_eq!(
        (&shown["position"], &shown["row"]["status"]),
        (&json!(1), &json!("fulfilled"))
    );
    let table = program.run(&format!("projections as-of orders {order} --at 2")).await;
    assert!(table.stdout.contains("partial"), "{}", table.stdout);

    let diff = program
        .run(&format!("projections diff orders {order} --from 1 --json"))
        .await;
    let diff = diff.json();
    let changes = diff["changes"].as_array().unwrap();
    let status = changes.iter().find(|change| change["path"] == "/status").unwrap();
    assert_eq!(
        (&status["before"], &status["after"]),
        (&json!("fulfilled"), &json!("partial"))
    );
    assert_eq!(status["events"][0]["position"], 2);
    assert_eq!(status["events"][0]["type"], "AssignmentFailed");
    let table = program.run(&format!("projections diff orders {order} --from 1")).await;
    assert!(table.stdout.contains("2 AssignmentFailed"), "{}", table.stdout);

    for (args, expected) in [
        (format!("as-of orders {order} --at 3"), "the log ends at 2"),
        ("as-of orders NOTHING --at 2".to_owned(), "no row"),
        (format!("diff orders {order} --from 2 --to 1"), "after --to"),
        (format!("diff nonsense {order} --from 1"), "known are orders"),
    ] {
        let ended = program.run(&format!("projections {args}")).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{args}");
        assert!(ended.stderr.contains(expected), "{args}: {}", ended.stderr);
    }
}

async fn projections_are_rebuilt_and_a_row_that_differs_is_reported(database: Database) {
    let program = program(&database).await;
    assert_eq!(program.run_with("ingest -", &history()).await.code, 0);
    let names = [
        "orders",
        "accounts",
        "mailboxes",
        "renewals",
        "failures",
        "monthly_mailboxes",
    ];
    let statuses = async || {
        let rows = program.run("projections status --json").await.json();
        rows.as_array().unwrap().clone()
    };
    assert!(statuses().await.iter().all(|status| status["state"] == "missing"));
    let early = program.run("projections rebuild --all --check").await;
    assert_eq!(early.code, 2);
    assert!(early.stderr.contains("nothing to compare"), "{}", early.stderr);

    let rebuilt = program.run("projections rebuild --all").await;
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
    assert!(rebuilt.stdout.starts_with("NAME"), "{}", rebuilt.stdout);
    // the history, and the record of each projection's rebuild
    let head = 3 + projections::all().len();
    for status in statuses().await {
        assert_eq!(
            (&status["state"], &status["position"], &status["lag"]),
            (&json!("live"), &json!(head), &json!(0))
        );
        assert!(names.contains(&status["name"].as_str().unwrap()) || status["version"].is_u64());
        assert_eq!(status["rate"], 0.0, "it was measured: {status}");
    }

    let check = "projections rebuild --all --check --json";
    let checked = program.run(check).await;
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    let orders = &checked.json_lines()[0];
    assert_eq!(
        (&orders["projection"], &orders["position"]),
        (&json!("orders"), &json!(head))
    );
    assert!(orders["rows"].as_u64().unwrap() > 0 && orders["differences"] == json!([]));

    // a change that no event accounts for
    let generation = statuses().await[0]["generation"].clone();
    database
        .execute(&format!("UPDATE orders_g{generation} SET status = 'altered'"))
        .await;
    let checked = program.run(check).await;
    assert_eq!(checked.code, 1, "{}{}", checked.stdout, checked.stderr);
    let difference = &checked.json_lines()[0]["differences"][0];
    assert_eq!(difference["live"]["columns"]["status"], "altered");
    assert_ne!(difference["rebuilt"]["columns"]["status"], "altered");
    let readable = program.run("projections rebuild orders --check").await;
    assert_eq!(readable.code, 1);
    assert!(
        readable.stdout.contains("columns.status: live \"altered\", rebuilt "),
        "{}",
        readable.stdout
    );

    let healed = program.run("projections rebuild orders --json").await;
    assert_eq!(
        (healed.code, &healed.json()[0]["name"]),
        (0, &json!("orders")),
        "{}",
        healed.stderr
    );
    assert_eq!(program.run(check).await.code, 0);

    let listed = program.run("projections list --json").await.json();
    assert!(
        names
            .iter()
            .all(|name| listed.as_array().unwrap().iter().any(|known| known["name"] == *name))
    );
}
