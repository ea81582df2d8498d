//! The side tables, altered without the service: `verify --full` compares them with the events.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::json;
use warmledger::checkpoints::CheckpointSigner;
use warmledger::service::master_keys;
use warmledger::store::Store;
use warmledger::verify::{FindingKind, Report};

use super::{check, check_with};
use crate::cli::program::Program;
use crate::erasure::{assignment, call, erase};
use crate::on_both_stores;
use crate::support::log::fill_with_leaves;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    references_that_are_removed_or_put_in_are_found,
    subjects_and_keys_are_those_of_the_events,
    tokens_are_those_of_the_events,
    signing_keys_are_those_of_the_events,
    data_keys_that_are_cut_or_extended_are_found,
    data_keys_that_do_not_open_are_found,
    signing_keys_stand_in_the_order_of_their_events,
    rows_that_say_nothing_are_found,
    master_keys_are_those_of_the_events,
    a_row_that_cannot_be_read_hides_no_other,
    checkpoints_that_are_removed_or_put_in_are_found,
    a_table_or_a_name_that_is_gone_is_named,
    a_head_that_is_gone_is_a_finding,
    a_live_service_makes_no_findings,
);

/// The tables that are altered here.
const TABLES: [&str; 8] = [
    "master_key",
    "refs",
    "subjects",
    "data_keys",
    "tokens",
    "head",
    "checkpoints",
    "signing_keys",
];

/// A ledger that a service has filled, without triggers, with a copy of its tables to restore.
struct Victim {
    raw: Raw,
    store: Arc<dyn Store>,
}

impl Victim {
    /// Three users, `U1` erased, `U2` under legal hold, `U3` released; a token of each kind.
    async fn new(database: &Database) -> Self {
        let service = database.service().await;
        for user in 1..=3 {
            let (event, user, order) = (format!("E{user}"), format!("U{user}"), format!("O{user}"));
            service.send(assignment(&event, &user, &order, "secret")).await;
        }
        // found by their subscription, by their own stream, and by their domain
        let store = database.store().await;
        for (event, data) in [
            ("subscription.renewal.success", json!({"subscriptionId": "S-O2"})),
            ("subscription.renewal.success", json!({"subscriptionId": "unheard-of"})),
            ("subscription.renewal.success", json!({"subscriptionId": "unheard-of"})),
            (
                "subscription.renewal.success",
                json!({"subscriptionId": "S-new", "domain": "o3.example"}),
            ),
            (
                "subscription.renewal.success",
                json!({"subscriptionId": "S-new", "domain": "o3.example"}),
            ),
        ] {
            let id = store.head().await.unwrap().position;
            let body = json!({"event": event, "eventId": format!("R{id}"), "data": data});
            service.send(body.to_string()).await;
        }
        service.send(fixture("mailbox.created.json")).await;
        service.send(fixture("mailbox.updated.json")).await;
        erase(&service, "U1").await;
        for (user, what) in [("U2", "hold"), ("U3", "hold"), ("U3", "release")] {
            let path = format!("/api/v1/subjects/{user}/{what}");
            assert_eq!(call(&service, Method::POST, &path).await.0, 200);
        }
        for name in ["good", "revoked"] {
            make_token(&service, name, name == "revoked").await;
        }
        let head = store.head().await.unwrap().position.0;
        service.signed(&*store, head).await;
        service.stop().await;
        Self::of(database, store).await
    }

    /// An existing ledger.
    async fn of(database: &Database, store: Arc<dyn Store>) -> Self {
        let raw = Raw::connect(database).await;
        raw.unguard().await;
        for table in TABLES {
            raw.execute(&format!("CREATE TABLE good_{table} AS SELECT * FROM {table}"))
                .await;
        }
        let victim = Self { raw, store };
        let report = check(&victim.store, true, &[]).await;
        assert_eq!(report.findings.first(), None, "{report:?}");
        victim
    }

    async fn heal(&self) {
        for table in TABLES {
            let overriding = match &self.raw {
                Raw::Postgres(_) if matches!(table, "checkpoints" | "signing_keys") => "OVERRIDING SYSTEM VALUE",
                _ => "",
            };
            self.raw.execute(&format!("DELETE FROM {table}")).await;
            self.raw
                .execute(&format!("INSERT INTO {table} {overriding} SELECT * FROM good_{table}"))
                .await;
        }
    }

    /// Alters the tables, verifies the ledger and undoes it.
    async fn after(&self, sql: &str) -> Report {
        self.raw.execute(sql).await;
        let report = check(&self.store, true, &[]).await;
        self.heal().await;
        report
    }

    /// The alteration is the only finding, at this position, with these words.
    async fn finds(&self, sql: &str, kind: FindingKind, position: Option<u64>, words: &str) {
        let report = self.after(sql).await;
        let [finding] = &report.findings[..] else {
            panic!("{sql}: {report:?}");
        };
        assert_eq!((finding.kind, finding.position), (kind, position), "{sql}: {report:?}");
        assert!(finding.detail.contains(words), "{sql}: {report:?}");
    }

    /// The position of the only event of a type about a subject.
    async fn position(&self, type_name: &str, subject: &str) -> u64 {
        let sql = format!(
            "SELECT CAST(position AS text) FROM events WHERE type = '{type_name}' AND subject = '{subject}' ORDER BY 1"
        );
        self.raw.texts(&sql).await[0].parse().unwrap()
    }
}

/// A token, revoked again if wanted.
async fn make_token(service: &TestService, name: &str, revoked: bool) {
    let request = |method, path: &str| {
        let url = format!("{}/api/v1/tokens{path}", service.base);
        service.client.request(method, url).bearer_auth(&service.token)
    };
    let wanted = json!({"name": name, "scopes": ["read", "audit"]});
    let made = request(Method::POST, "").json(&wanted).send().await.unwrap();
    let made: serde_json::Value = made.json().await.unwrap();
    if revoked {
        let path = format!("/{}", made["about"]["id"].as_str().unwrap());
        assert_eq!(request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    }
}

async fn references_that_are_removed_or_put_in_are_found(database: Database) {
    let victim = Victim::new(&database).await;
    let assigned = victim.position("MailboxesAssigned", "U1").await;
    let named = victim
        .raw
        .texts("SELECT CAST(min(position) AS text) FROM events WHERE facts LIKE '%S-new%'")
        .await;
    let named: u64 = named[0].parse().unwrap();
    let held = victim.position("SubjectHeld", "U2").await;
    let one = format!("(SELECT min(ref) FROM refs WHERE position = {assigned})");
    for (sql, position, words) in [
        (
            format!("DELETE FROM refs WHERE position = {assigned}"),
            Some(assigned),
            "removed",
        ),
        (
            format!("DELETE FROM refs WHERE position = {assigned} AND ref = {one}"),
            Some(assigned),
            "removed",
        ),
        (
            format!("INSERT INTO refs (ref, position) VALUES (4711, {assigned})"),
            Some(assigned),
            "put in",
        ),
        (
            format!("INSERT INTO refs (ref, position) VALUES (4711, {held})"),
            Some(held),
            "put in",
        ),
        (
            "INSERT INTO refs (ref, position) VALUES (4711, 100000)".to_owned(),
            None,
            "no event",
        ),
        (
            "INSERT INTO refs (ref, position) VALUES (4711, -1)".to_owned(),
            None,
            "no event",
        ),
    ] {
        victim.finds(&sql, FindingKind::References, position, words).await;
    }
    // two events are found by it: the one that introduced it, and the next one, which needs no reference of its own
    let report = victim
        .after(&format!("DELETE FROM refs WHERE position = {named}"))
        .await;
    let positions: Vec<_> = report.findings.iter().map(|finding| finding.position).collect();
    assert_eq!(positions, [Some(named), Some(named + 1)], "{report:?}");
}

async fn subjects_and_keys_are_those_of_the_events(database: Database) {
    let victim = Victim::new(&database).await;
    let (erased, held) = (
        victim.position("SubjectErased", "U1").await,
        victim.position("SubjectHeld", "U2").await,
    );
    let first = victim.position("MailboxesAssigned", "U2").await;
    for (sql, kind, position, words) in [
        (
            "UPDATE subjects SET erased_at = 1 WHERE subject = 'U1'",
            FindingKind::Subject,
            Some(erased),
            "names 1",
        ),
        (
            "DELETE FROM subjects WHERE subject = 'U2'",
            FindingKind::Subject,
            Some(held),
            "not by the table",
        ),
        (
            "UPDATE subjects SET held_at = NULL WHERE subject = 'U2'",
            FindingKind::Subject,
            Some(held),
            "under legal hold",
        ),
        (
            "INSERT INTO subjects (subject, held_at) VALUES ('U9', 3)",
            FindingKind::Subject,
            Some(3),
            "not by any event",
        ),
        (
            "UPDATE subjects SET held_at = 3 WHERE subject = 'U3'",
            FindingKind::Subject,
            Some(3),
            "not by any event",
        ),
        (
            "DELETE FROM data_keys WHERE subject = 'U2'",
            FindingKind::Key,
            Some(first),
            "the data key of subject U2 is missing",
        ),
        (
            "INSERT INTO data_keys (subject, wrapped, created_at) SELECT 'U1', wrapped, created_at FROM data_keys
             WHERE subject = 'U2'",
            FindingKind::Key,
            Some(erased),
            "one was put in",
        ),
    ] {
        victim.finds(sql, kind, position, words).await;
    }
    // as if no user had been erased
    let report = victim.after("DELETE FROM subjects WHERE subject = 'U1'").await;
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Subject, FindingKind::Key], "{report:?}");
}

async fn signing_keys_are_those_of_the_events(database: Database) {
    let victim = Victim::new(&database).await;
    let put_in = "INSERT INTO signing_keys (verifier, created_at) SELECT 'put+in', created_at FROM signing_keys";
    victim
        .finds(put_in, FindingKind::Key, None, "all but one were put in")
        .await;
    let removed = victim.after("DELETE FROM signing_keys").await;
    assert!(!removed.is_sound(), "{removed:?}");
}

async fn data_keys_that_are_cut_or_extended_are_found(database: Database) {
    let victim = Victim::new(&database).await;
    let more = super::tampering::bytes(&victim.raw, &[7]);
    for subject in ["U2", "~fingerprint"] {
        for wrapped in ["substr(wrapped, 1, 79)".to_owned(), format!("wrapped || {more}")] {
            let wrapped = match &victim.raw {
                // or stored as text
                Raw::Sqlite(_) => format!("CAST({wrapped} AS blob)"),
                Raw::Postgres(_) => wrapped,
            };
            let sql = format!("UPDATE data_keys SET wrapped = {wrapped} WHERE subject = '{subject}'");
            victim.finds(&sql, FindingKind::Key, None, "cut or extended").await;
        }
    }
    let report = victim
        .after("UPDATE data_keys SET wrapped = substr(wrapped, 1, 3) WHERE subject = 'U2'")
        .await;
    let words = ["cut or extended", "cannot be read"];
    for word in words {
        assert!(
            report.findings.iter().any(|finding| finding.detail.contains(word)),
            "{report:?}"
        );
    }
}

async fn data_keys_that_do_not_open_are_found(database: Database) {
    let victim = Victim::new(&database).await;
    let masters = || Some(master_keys(&database.settings()).unwrap());
    let opened = check_with(&victim.store, true, &[], masters()).await;
    assert!(opened.is_sound() && opened.warnings.is_empty(), "{opened:?}");
    let sealed = victim.position("MailboxesAssigned", "U2").await;
    let more = super::tampering::bytes(&victim.raw, &[7]);
    let flipped = match &victim.raw {
        Raw::Sqlite(_) => format!("CAST(substr(wrapped, 1, 79) || {more} AS blob)"),
        Raw::Postgres(_) => format!("substr(wrapped, 1, 79) || {more}"),
    };
    let key_of = |subject: &str| format!("(SELECT wrapped FROM good_data_keys WHERE subject = '{subject}')");
    let swap = |one: &str, other: &str| {
        format!(
            "UPDATE data_keys SET wrapped = {} WHERE subject = '{one}'; UPDATE data_keys SET wrapped = {} WHERE subject = '{other}'",
            key_of(other),
            key_of(one)
        )
    };
    for (sql, found, position) in [
        (
            format!("UPDATE data_keys SET wrapped = {flipped} WHERE subject = 'U2'"),
            1,
            Some(sealed),
        ),
        (
            format!("UPDATE data_keys SET wrapped = {flipped} WHERE subject = '~fingerprint'"),
            1,
            None,
        ),
        (swap("U2", "U3"), 2, Some(sealed)),
    ] {
        victim.raw.execute(&sql).await;
        let report = check_with(&victim.store, true, &[], masters()).await;
        assert_eq!(report.found, found, "{sql}: {report:?}");
        let first = &report.findings[0];
        assert_eq!((first.kind, first.position), (FindingKind::Key, position), "{sql}");
        assert!(first.detail.contains("cannot be opened"), "{report:?}");
        victim.heal().await;
    }
    let kind = FindingKind::Key;
    let fingerprint = "DELETE FROM data_keys WHERE subject = '~fingerprint'";
    victim.finds(fingerprint, kind, None, "put it back").await;
    let put_in = "INSERT INTO data_keys (subject, wrapped, created_at)
                  SELECT 'U9', wrapped, created_at FROM data_keys WHERE subject = 'U2'";
    victim.finds(put_in, kind, None, "subject U9 has a data key").await;
    // the command has the service's keys; without them all other checks still run
    victim.raw.execute(&swap("U2", "U3")).await;
    let ended = Program::new(&database).run("verify --full").await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("cannot be opened"), "{}", ended.stdout);
    victim.raw.guard(&*victim.store).await;
    let elsewhere = Program::new(&database).env("WARMLEDGER_MASTER_KEY", &"07".repeat(32));
    let ended = elsewhere.run("verify --full --json").await;
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("warning: the data keys were not opened"),
        "{}",
        ended.stderr
    );
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("not at hand"), "{warning}");
}

async fn signing_keys_stand_in_the_order_of_their_events(database: Database) {
    let victim = Victim::new(&database).await;
    let program = Program::new(&database);
    for _ in 0..2 {
        let rotated = program.run("keys rotate-signing --reason yearly-or-so").await;
        assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    }
    for table in TABLES {
        victim.raw.execute(&format!("DROP TABLE good_{table}")).await;
    }
    let victim = Victim::of(&database, victim.store).await;
    let events = "SELECT CAST(position AS text) FROM events WHERE type = 'SigningKeyRotated' ORDER BY position";
    let rotated: Vec<u64> = victim
        .raw
        .texts(events)
        .await
        .iter()
        .map(|at| at.parse().unwrap())
        .collect();
    let ids = victim
        .raw
        .texts("SELECT CAST(id AS text) FROM signing_keys ORDER BY id")
        .await;
    let swap = |one: usize, other: usize| {
        let (one, other) = (&ids[one], &ids[other]);
        format!(
            "UPDATE signing_keys SET verifier = 'other' WHERE id = {one};
             UPDATE signing_keys SET verifier = (SELECT verifier FROM good_signing_keys WHERE id = {one}) WHERE id = {other};
             UPDATE signing_keys SET verifier = (SELECT verifier FROM good_signing_keys WHERE id = {other}) WHERE id = {one}"
        )
    };
    let moved = format!("UPDATE signing_keys SET id = id + 100 WHERE id = {}", ids[0]);
    let moved = match &victim.raw {
        Raw::Sqlite(_) => moved,
        Raw::Postgres(_) => format!(
            "ALTER TABLE signing_keys ALTER COLUMN id SET GENERATED BY DEFAULT; {}",
            moved.replace("SET id = id + 100", "SET id = DEFAULT")
        ),
    };
    for (sql, position) in [(swap(0, 1), rotated[0]), (swap(1, 2), rotated[1]), (moved, rotated[1])] {
        let words = "their order was changed";
        victim.finds(&sql, FindingKind::Key, Some(position), words).await;
    }
}

async fn rows_that_say_nothing_are_found(database: Database) {
    let victim = Victim::new(&database).await;
    let subject = "INSERT INTO subjects (subject) VALUES ('U8')";
    victim.finds(subject, FindingKind::Subject, None, "was put in").await;
    let hash = super::tampering::bytes(&victim.raw, &[7; 32]);
    for (level, number) in [(0, 0), (-1, 0), (300, 7), (1, -1)] {
        victim
            .raw
            .execute(&format!(
                "INSERT INTO tree_nodes (level, number, hash) VALUES ({level}, {number}, {hash})"
            ))
            .await;
        let report = check(&victim.store, true, &[]).await;
        assert!(
            report.found == 1 && report.findings[0].detail.contains("the tree has no place"),
            "{report:?}"
        );
        victim
            .raw
            .execute(&format!(
                "DELETE FROM tree_nodes WHERE level = {level} AND number = {number}"
            ))
            .await;
    }
}

async fn master_keys_are_those_of_the_events(database: Database) {
    let victim = Victim::new(&database).await;
    let (key, gone) = (FindingKind::Key, "DELETE FROM master_key");
    let other = super::tampering::bytes(&victim.raw, &[7; 8]);
    let named = format!("UPDATE master_key SET id = {other}");
    let wrapped = match &victim.raw {
        Raw::Sqlite(_) => format!("CAST({other} || substr(wrapped, 9) AS blob)"),
        Raw::Postgres(_) => format!("{other} || substr(wrapped, 9)"),
    };
    let wrapped = format!("UPDATE data_keys SET wrapped = {wrapped} WHERE subject = 'U2'");
    victim.finds(gone, key, None, "was removed from master_key").await;
    victim.finds(&named, key, None, "no event tells").await;
    victim.finds(&wrapped, key, None, "no event tells").await;

    let program = Program::new(&database);
    let rotate = async || {
        assert_eq!(program.run("keys rotate").await.code, 0);
        let sql = "SELECT CAST(max(position) AS text) FROM events WHERE type = 'KeysRotated'";
        victim.raw.texts(sql).await[0].parse::<u64>().unwrap()
    };
    let first = victim.store.master_key().await.unwrap().unwrap();
    rotate().await;
    let rotated = rotate().await;
    let retired = program.run(&format!("keys retire {first}")).await;
    assert_eq!(retired.code, 0, "{}", retired.stderr);
    for table in TABLES {
        victim.raw.execute(&format!("DROP TABLE good_{table}")).await;
    }
    let victim = Victim::of(&database, victim.store).await;
    victim
        .finds(gone, key, Some(rotated), "was removed from master_key")
        .await;
    victim.finds(&wrapped, key, None, "no event tells").await;
    let report = victim.after(&named).await;
    assert_eq!(report.findings[0].position, Some(rotated), "{report:?}");
    let old = super::tampering::bytes(&victim.raw, first.as_bytes());
    let report = victim.after(&wrapped.replace(&other, &old)).await;
    let retired = report.findings.iter().find(|finding| finding.position > Some(rotated));
    assert!(
        retired.is_some_and(|finding| finding.detail.contains("was retired here, and wraps 1")),
        "{report:?}"
    );
}

async fn a_row_that_cannot_be_read_hides_no_other(database: Database) {
    let store = database.store().await;
    fill_with_leaves(&*store, 700).await;
    let victim = Victim::of(&database, store).await;
    let unreadable = if database.is_postgres() {
        "recorded_at = 'infinity'"
    } else {
        "facts = CAST(x'ff7b7d' AS text)"
    };
    for sql in [
        format!("UPDATE events SET {unreadable} WHERE position IN (50, 51)"),
        "DELETE FROM events WHERE position = 300".to_owned(),
        "UPDATE events SET event_id = 'another' WHERE position = 650".to_owned(),
    ] {
        victim.raw.execute(&sql).await;
    }
    let report = check(&victim.store, true, &[]).await;
    let found = |kind: FindingKind| -> Vec<u64> {
        let of_kind = report.findings.iter().filter(|finding| finding.kind == kind);
        of_kind.filter_map(|finding| finding.position).collect()
    };
    assert_eq!(found(FindingKind::Missing), [300], "{report:?}");
    assert_eq!(found(FindingKind::Altered), [50, 51, 650], "{report:?}");
    for kind in [FindingKind::References, FindingKind::Subject, FindingKind::Token] {
        assert_eq!(found(kind), [0; 0], "{report:?}");
    }
}

async fn tokens_are_those_of_the_events(database: Database) {
    let victim = Victim::new(&database).await;
    let events = |type_name: &str| {
        format!("SELECT CAST(position AS text) FROM events WHERE type = '{type_name}' ORDER BY position")
    };
    let at = |positions: Vec<String>| -> Vec<u64> { positions.iter().map(|text| text.parse().unwrap()).collect() };
    let created = at(victim.raw.texts(&events("TokenCreated")).await);
    let revoked = at(victim.raw.texts(&events("TokenRevoked")).await);
    let other = super::tampering::bytes(&victim.raw, &[7; 32]);
    for (sql, position, words) in [
        (
            "DELETE FROM tokens WHERE name = 'good'".to_owned(),
            Some(created[0]),
            "it was removed",
        ),
        (
            format!(
                "INSERT INTO tokens (id, name, scopes, hash, created_at)
                 SELECT 'tok_0123456789abcdef', 'x', 'admin', {other}, created_at FROM tokens WHERE name = 'good'"
            ),
            None,
            "it was put in",
        ),
        (
            "UPDATE tokens SET revoked_at = NULL WHERE name = 'revoked'".to_owned(),
            Some(revoked[0]),
            "revoke it again",
        ),
        (
            "UPDATE tokens SET revoked_at = created_at WHERE name = 'good'".to_owned(),
            Some(created[0]),
            "not by any event",
        ),
        (
            "UPDATE tokens SET scopes = 'read admin' WHERE name = 'good'".to_owned(),
            Some(created[0]),
            "with the scopes read audit, and has read admin",
        ),
        (
            "UPDATE tokens SET name = 'better' WHERE name = 'good'".to_owned(),
            Some(created[0]),
            "with the name good, and has better",
        ),
        (
            format!("UPDATE tokens SET hash = {other} WHERE name = 'good'"),
            Some(created[0]),
            "with the hash ",
        ),
        (
            "UPDATE tokens SET expires_at = created_at WHERE name = 'good'".to_owned(),
            Some(created[0]),
            "with the expiry never, and has 2",
        ),
        (
            "UPDATE tokens SET created_at = (SELECT created_at FROM tokens WHERE name = 'revoked') WHERE name = 'good'"
                .to_owned(),
            Some(created[0]),
            "with the time ",
        ),
        (
            "UPDATE tokens SET revoked_at = created_at WHERE name = 'revoked'".to_owned(),
            Some(revoked[0]),
            "and the table says",
        ),
        (
            "DELETE FROM tokens WHERE name = 'revoked'".to_owned(),
            Some(revoked[0]),
            "was revoked here, and is not in the table",
        ),
        (
            "UPDATE tokens SET scopes = 'everything' WHERE name = 'good'".to_owned(),
            None,
            "cannot be read",
        ),
    ] {
        victim.finds(&sql, FindingKind::Token, position, words).await;
    }
    // two tokens that swapped hashes
    let swapped = format!(
        "CREATE TABLE two AS SELECT hash FROM tokens WHERE name = 'good';
         UPDATE tokens SET hash = {other} WHERE name = 'good';
         UPDATE tokens SET hash = (SELECT hash FROM two) WHERE name = 'revoked';
         UPDATE tokens SET hash = (SELECT hash FROM good_tokens WHERE name = 'revoked') WHERE name = 'good'"
    );
    let report = victim.after(&swapped).await;
    assert_eq!(report.found, 2, "{report:?}");
    // older events, which hold only the scopes, are compared as far as they go
    let (facts, nothing) = match &victim.raw {
        Raw::Sqlite(_) => ("json_remove(facts, '$.token')", "json_remove(facts, '$.revokedAt')"),
        Raw::Postgres(_) => (
            "CAST(CAST(facts AS jsonb) - 'token' AS text)",
            "CAST(CAST(facts AS jsonb) - 'revokedAt' AS text)",
        ),
    };
    victim
        .raw
        .execute("CREATE TABLE good_events AS SELECT * FROM events")
        .await;
    let report = victim
        .after(&format!(
            "UPDATE events SET facts = {facts} WHERE type = 'TokenCreated';
             UPDATE events SET facts = {nothing} WHERE type = 'TokenRevoked';
             UPDATE tokens SET name = 'better', revoked_at = created_at WHERE name = 'revoked'"
        ))
        .await;
    assert!(
        report.found > 0
            && report
                .findings
                .iter()
                .all(|finding| finding.kind == FindingKind::Altered),
        "{report:?}"
    );
    let healed = "UPDATE events SET facts = (SELECT g.facts FROM good_events g WHERE g.position = events.position)";
    victim.raw.execute(healed).await;
    // revoking a token that was lost, or never stored, settles it
    let ids = victim.raw.texts("SELECT id FROM tokens ORDER BY name").await;
    victim.raw.execute("DELETE FROM tokens").await;
    for id in ids {
        let revoked = Program::new(&database).run(&format!("tokens revoke {id}")).await;
        assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    }
    let report = check(&victim.store, true, &[]).await;
    assert!(report.is_sound(), "{report:?}");
}

async fn checkpoints_that_are_removed_or_put_in_are_found(database: Database) {
    const COUNT: i64 = 6;
    let store = database.store().await;
    let signer = super::signer(&database, &store).await;
    for _ in 0..COUNT {
        fill_with_leaves(&*store, 3).await;
        signer.sign().await.unwrap();
    }
    let victim = Victim::of(&database, store).await;
    let copy = |number: i64| {
        format!(
            "INSERT INTO checkpoints (number, size, root, note, created_at)
             SELECT {number}, size, root, note, created_at FROM checkpoints WHERE number = 2"
        )
    };
    let kind = FindingKind::Checkpoint;
    victim
        .finds(
            "DELETE FROM checkpoints WHERE number = 1",
            kind,
            None,
            "the number 1 was removed",
        )
        .await;
    victim
        .finds(
            "DELETE FROM checkpoints WHERE number IN (2, 3)",
            kind,
            None,
            "2 to 3 were removed",
        )
        .await;
    victim.finds(&copy(COUNT + 1), kind, None, "word by word").await;
    let report = victim.after(&copy(COUNT + 7)).await;
    assert_eq!(report.found, 2, "{report:?}");
    // removing the newest leaves no gap, but a kept copy shows it
    let kept = victim.store.latest_checkpoint().await.unwrap().unwrap().note;
    victim
        .raw
        .execute(&format!("DELETE FROM checkpoints WHERE number > {}", COUNT - 2))
        .await;
    assert!(check(&victim.store, true, &[]).await.is_sound());
    let report = check(&victim.store, true, &[&kept]).await;
    assert!(
        report.found == 1 && report.findings[0].detail.contains("it was removed there"),
        "{report:?}"
    );
    // the service's own witness shows it as well
    let ended = Program::new(&database).run("verify --full").await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("checkpoint.latest is not among"),
        "{}",
        ended.stdout
    );
}

async fn a_table_or_a_name_that_is_gone_is_named(database: Database) {
    let store = database.store().await;
    let signer = super::signer(&database, &store).await;
    fill_with_leaves(&*store, 3).await;
    signer.sign().await.unwrap();
    let victim = Victim::of(&database, store).await;
    let node = format!(
        "INSERT INTO tree_nodes (level, number, hash) VALUES (9, 0, {})",
        super::tampering::bytes(&victim.raw, &[7; 32])
    );
    victim.raw.execute(&node).await;
    let report = check(&victim.store, true, &[]).await;
    assert!(report.findings[0].detail.contains("1 nodes on level 9"), "{report:?}");
    victim.raw.execute("DELETE FROM tree_nodes WHERE level = 9").await;

    victim.raw.execute("DELETE FROM log_origin").await;
    let report = check(&victim.store, true, &[]).await;
    let words = "put \"ledger.test/1\" back";
    assert!(report.findings[0].detail.contains(words), "{report:?}");
    let refused = CheckpointSigner::open(Arc::clone(&victim.store), database.dir.path().to_owned(), None).await;
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.contains("log_origin") && refused.contains("ledger.test/1"),
        "{refused}"
    );
    victim
        .raw
        .execute("INSERT INTO log_origin (origin) VALUES ('ledger.test/1')")
        .await;

    let moved = async |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        victim.raw.execute(&sql).await;
    };
    moved("checkpoints", "elsewhere").await;
    let ended = Program::new(&database).run("verify --full").await;
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("table a table was removed") && ended.stdout.contains("checkpoints"),
        "{}",
        ended.stdout
    );
    moved("elsewhere", "checkpoints").await;
    assert!(check(&victim.store, true, &[]).await.is_sound());

    // all checks that do not need it still run
    let altered = "UPDATE events SET event_id = 'another' WHERE position = 2";
    victim.raw.execute(altered).await;
    for table in ["refs", "subjects", "data_keys", "tokens", "master_key"] {
        moved(table, "elsewhere").await;
        let report = check(&victim.store, true, &[]).await;
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|finding| (finding.kind, finding.position))
            .collect();
        assert_eq!(
            found,
            [(FindingKind::Altered, Some(2)), (FindingKind::Table, None)],
            "{report:?}"
        );
        assert!(
            report.found == 2 && report.findings[1].detail.contains(table),
            "{report:?}"
        );
        moved("elsewhere", table).await;
    }
}

async fn a_head_that_is_gone_is_a_finding(database: Database) {
    let victim = Victim::new(&database).await;
    for full in [true, false] {
        victim.raw.execute("DELETE FROM head").await;
        let report = check(&victim.store, full, &[]).await;
        let [finding] = &report.findings[..] else {
            panic!("{report:?}");
        };
        assert_eq!(finding.kind, FindingKind::Head);
        assert!(finding.detail.contains("there is no head"), "{report:?}");
        victim.heal().await;
    }
    victim.raw.execute("DELETE FROM head").await;
    for command in ["verify", "verify --full"] {
        let ended = Program::new(&database).run(command).await;
        assert_eq!(ended.code, 1, "{command}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("\nhead there is no head"), "{}", ended.stdout);
    }
}

async fn a_live_service_makes_no_findings(database: Database) {
    let service = database
        .service_with(|settings| settings.events_per_minute = NonZeroU32::MAX)
        .await;
    let store = database.store().await;
    let done = AtomicBool::new(false);
    let load = async {
        let mut n = 0;
        while !done.load(Ordering::Relaxed) {
            let (event, user, order) = (format!("E{n}"), format!("U{}", n % 7), format!("O{n}"));
            service.send(assignment(&event, &user, &order, "secret")).await;
            match n % 5 {
                0 => make_token(&service, "some", n % 2 == 0).await,
                1 => drop(erase(&service, &user).await),
                2 => drop(call(&service, Method::POST, &format!("/api/v1/subjects/V{user}/hold")).await),
                3 => drop(call(&service, Method::POST, &format!("/api/v1/subjects/V{user}/release")).await),
                _ => {}
            }
            n += 1;
        }
    };
    let checks = async {
        for _ in 0..20 {
            let masters = master_keys(&database.settings()).unwrap();
            let report = check_with(&store, true, &[], Some(masters)).await;
            assert_eq!(report.warnings, [""; 0]);
            assert_eq!(report.findings.first(), None, "{report:?}");
        }
        done.store(true, Ordering::Relaxed);
    };
    let rotations = async {
        for _ in 0..2 {
            assert_eq!(Program::new(&database).run("keys rotate").await.code, 0);
        }
    };
    tokio::join!(load, checks, rotations);
    service.stop().await;
    assert!(check(&database.store().await, true, &[]).await.is_sound());
}
