//! Finding everything of an e-mail address: by hashes beside the log, that are erased with the key, made anew from the
//! sections, and compared with them.

use aggregates::Position;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use warmledger::verify::{FindingKind, Options, verify_with};

use crate::cli::program::Program;
use crate::erasure::{USER, assignment, erase};
use crate::on_both_stores;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    everything_of_an_address_is_one_call,
    lists_are_filtered_by_an_address,
    an_erased_address_leads_nowhere,
    an_erasure_in_the_batch_of_its_events_leaves_no_hash,
    hashes_are_made_anew_and_compared_with_the_sections,
    a_search_is_refused_until_earlier_events_have_their_hashes,
    what_is_no_address_is_told,
    a_command_finds_the_subject_to_erase,
);

const CUSTOMER: &str = "johndoe@company.com";
const MAILBOX: &str = "yasmeen.king@example.com";

async fn started(database: &Database) -> TestService {
    let service = database.service().await;
    let mut last = Value::Null;
    for name in [
        "prewarmup.order.success.json",
        "subscription.renewal.failed.json",
        "domain.order.failed.json",
    ] {
        last = service.send(fixture(name)).await["position"].clone();
    }
    service.send(assignment("OTHER", "U2", "OTHER", "p")).await;
    service
        .caught_up(&*database.store().await, last.as_u64().unwrap() + 1)
        .await;
    service
}

fn column<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    let items = list["items"].as_array().unwrap();
    items.iter().filter_map(|item| item[name].as_str()).collect()
}

async fn everything_of_an_address_is_one_call(database: Database) {
    let service = started(&database).await;
    let own = service.get_json("/api/v1/search?email=JohnDoe%40Company.com").await;
    assert_eq!(own["customers"][0]["userId"], USER, "{own}");
    assert_eq!(own["customers"][0]["own"], true);
    assert!(own["orders"]["count"].as_i64().unwrap() >= 1, "{own}");
    assert!(own["failures"]["count"].as_i64().unwrap() >= 1, "{own}");
    for list in ["orders", "renewals", "failures"] {
        let url = own[list]["url"].as_str().unwrap();
        let count = own[list]["count"].as_i64().unwrap();
        let items = service.get_json(url).await;
        assert_eq!(items["items"].as_array().unwrap().len() as i64, count, "{url}: {items}");
    }
    let events = service
        .get_json(own["customers"][0]["eventsUrl"].as_str().unwrap())
        .await;
    assert!(!events["items"].as_array().unwrap().is_empty());
    let mailbox = service.get_json(&format!("/api/v1/search?email={MAILBOX}")).await;
    assert_eq!(
        mailbox["customers"],
        json!([{
            "userId": USER,
            "own": false,
            "url": format!("/api/v1/customers/{USER}"),
            "eventsUrl": format!("/api/v1/events?subject={USER}"),
        }])
    );
    assert_eq!(
        mailbox["mailboxes"],
        json!([{
            "mailboxId": "LY25R9GK5AHYZ450YPWMNM8K8FXX",
            "domain": "example.com",
            "url": "/api/v1/domains/example.com/mailboxes",
            "events": [1],
        }])
    );
    // an address of another domain than its mailbox's is found by its hash
    let mut other: Value = serde_json::from_str(&assignment("ELSEWHERE", "U3", "O3", "p")).unwrap();
    other["data"]["mailboxDetails"][0]["preWarmedUpMailboxes"][0]["email"] = json!("Alias@Elsewhere.example");
    let sent = service.send(other.to_string()).await["position"].as_u64().unwrap();
    service.caught_up(&*database.store().await, sent).await;
    let alias = service.get_json("/api/v1/search?email=alias%40elsewhere.example").await;
    assert_eq!(
        (&alias["mailboxes"][0]["mailboxId"], &alias["mailboxes"][0]["domain"]),
        (&json!("M-O3"), &json!("o3.example"))
    );
    let nobody = service.get_json("/api/v1/search?email=nobody%40example.com").await;
    assert_eq!((&nobody["customers"], &nobody["mailboxes"]), (&json!([]), &json!([])));
    assert_eq!(nobody["orders"]["count"], 0);
    service.stop().await;
}

async fn lists_are_filtered_by_an_address(database: Database) {
    let service = started(&database).await;
    let customers = service.get_json("/api/v1/customers").await;
    assert!(column(&customers, "userId").contains(&"U2"), "{customers}");
    for address in [CUSTOMER, MAILBOX] {
        let customers = service.get_json(&format!("/api/v1/customers?email={address}")).await;
        assert_eq!(column(&customers, "userId"), [USER], "{address}");
        let orders = service.get_json(&format!("/api/v1/orders?email={address}")).await;
        assert_eq!(
            column(&orders, "orderId"),
            ["WR3N4JEW3D76N6KGRQSG36SSHBXK"],
            "{address}"
        );
    }
    let of = async |list: &str, name: &str, address: &str| -> Vec<String> {
        let list = service.get_json(&format!("/api/v1/{list}?email={address}")).await;
        column(&list, name).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(of("renewals", "domain", MAILBOX).await, ["example.com"]);
    let own = of("renewals", "domain", CUSTOMER).await;
    assert!(
        own.contains(&"example.com".to_owned()) && own.contains(&"example2.com".to_owned()),
        "{own:?}"
    );
    assert!(!own.contains(&"other.example".to_owned()), "{own:?}");
    assert_eq!(
        of("mailboxes", "mailboxId", MAILBOX).await,
        ["LY25R9GK5AHYZ450YPWMNM8K8FXX"]
    );
    assert_eq!(of("mailboxes", "email", "YASMEEN.KING@EXAMPLE.COM").await, [MAILBOX]);
    assert!(
        of("mailboxes", "email", CUSTOMER).await.is_empty(),
        "it is the customer's own"
    );
    let failures = of("failures", "domain", CUSTOMER).await;
    assert!(failures.contains(&"taken.com".to_owned()), "{failures:?}");
    for list in ["customers", "orders", "renewals", "failures", "mailboxes"] {
        assert!(of(list, "userId", "nobody%40example.com").await.is_empty(), "{list}");
        let none = service
            .get_json(&format!("/api/v1/{list}?email=nobody%40example.com"))
            .await;
        assert_eq!(none["items"], json!([]), "{list}");
    }
    // of the failures of a renewal, whose events name neither customer nor domain
    for filter in ["email=yvonne.lesch@example2.com", "domain=example2.com"] {
        let failures = service.get_json(&format!("/api/v1/failures?{filter}")).await;
        assert_eq!(column(&failures, "kind"), ["renewal"], "{filter}: {failures}");
        let grouped = service
            .get_json(&format!("/api/v1/failures?{filter}&groupBy=kind"))
            .await;
        assert_eq!(grouped["items"], json!([{"value": "renewal", "count": 1}]), "{filter}");
    }
    // and of a customer
    let grouped = service
        .get_json(&format!("/api/v1/failures?email={CUSTOMER}&groupBy=kind"))
        .await;
    assert!(grouped.to_string().contains("renewal"), "{grouped}");
    service.stop().await;
}

async fn rows(database: &Database) -> u64 {
    let raw = Raw::connect(database).await;
    let count = raw.texts("SELECT CAST(count(*) AS text) FROM email_refs").await;
    count[0].parse().unwrap()
}

async fn an_erased_address_leads_nowhere(database: Database) {
    let service = started(&database).await;
    assert!(rows(&database).await >= 3);
    erase(&service, USER).await;
    let found = service.get_json(&format!("/api/v1/search?email={CUSTOMER}")).await;
    assert_eq!(found["customers"], json!([]), "{found}");
    let found = service.get_json(&format!("/api/v1/search?email={MAILBOX}")).await;
    assert_eq!(found["mailboxes"], json!([]), "{found}");
    let raw = Raw::connect(&database).await;
    let left = raw.texts("SELECT DISTINCT subject FROM email_refs").await;
    assert!(!left.contains(&USER.to_owned()), "{left:?}");
    // what comes later is found again
    let again = service.send(assignment("LATER", USER, "LATER", "p")).await;
    let store = database.store().await;
    service.caught_up(&*store, again["position"].as_u64().unwrap()).await;
    let found = service.get_json("/api/v1/search?email=box%40later.example").await;
    assert_eq!(found["customers"][0]["userId"], USER, "{found}");
    service.stop().await;
    sound(&database).await;
}

async fn an_erasure_in_the_batch_of_its_events_leaves_no_hash(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    // in one batch, or in several: the rows have to fit either way
    let sent = (0..20).map(|n| service.send(assignment(&format!("E{n}"), USER, &format!("O{n}"), "p")));
    let (_, _) = tokio::join!(erase(&service, USER), futures_util::future::join_all(sent));
    service.stop().await;
    let raw = Raw::connect(&database).await;
    let stale =
        "SELECT CAST(count(*) AS text) FROM email_refs JOIN subjects USING (subject) WHERE position <= erased_at";
    assert_eq!(raw.texts(stale).await, ["0"]);
    sound(&database).await;
}

/// The findings of a full check with the keys.
async fn findings(database: &Database) -> Vec<(FindingKind, Option<u64>, String)> {
    let store = database.store().await;
    let options = Options {
        full: true,
        kept: Vec::new(),
        keys: Vec::new(),
    };
    let masters = warmledger::service::master_keys(&database.settings()).unwrap();
    let stop = CancellationToken::new();
    let report = verify_with(store, &options, Some(masters), |_, _| {}, &stop)
        .await
        .unwrap();
    assert_eq!(report.warnings, Vec::<String>::new());
    let findings = report.findings.into_iter();
    findings
        .map(|finding| (finding.kind, finding.position, finding.detail))
        .collect()
}

async fn sound(database: &Database) {
    assert_eq!(findings(database).await, []);
}

async fn contents(database: &Database) -> Vec<String> {
    let raw = Raw::connect(database).await;
    let sql = "SELECT CAST(position AS text) || ' ' || CAST(ref AS text) || ' ' || subject FROM email_refs ORDER BY 1";
    raw.texts(sql).await
}

async fn hashes_are_made_anew_and_compared_with_the_sections(database: Database) {
    let service = started(&database).await;
    service.stop().await;
    sound(&database).await;
    let written = contents(&database).await;
    let raw = Raw::connect(&database).await;
    let cases = [
        ("DELETE FROM email_refs WHERE position = 1", 1, "were removed"),
        (
            "INSERT INTO email_refs SELECT position, ref + 1, subject FROM email_refs WHERE position = 1",
            1,
            "were put in",
        ),
        (
            "INSERT INTO email_refs SELECT position, ref, subject FROM email_refs WHERE position = 1",
            1,
            "were put in",
        ),
        (
            "UPDATE email_refs SET subject = 'U9' WHERE position = 1",
            1,
            "were put in",
        ),
        (
            "UPDATE email_refs SET position = 2 WHERE position = 1",
            1,
            "were removed",
        ),
        (
            "INSERT INTO email_refs (position, ref, subject) VALUES (900, 1, 'U1')",
            0,
            "no event",
        ),
        (
            "INSERT INTO email_refs (position, ref, subject) VALUES (-1, 1, 'U1')",
            0,
            "no event",
        ),
        ("UPDATE emails_after SET position = 900", 0, "the log ends at"),
    ];
    let program = Program::new(&database);
    for (sql, position, words) in cases {
        raw.execute(sql).await;
        let found = findings(&database).await;
        let of_it = found.iter().any(|(kind, at, detail)| {
            *kind == FindingKind::References && at.unwrap_or_default() == position && detail.contains(words)
        });
        assert!(of_it, "{sql}: {found:?}");
        let ended = program.run("subjects reindex").await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(contents(&database).await, written, "{sql}");
        sound(&database).await;
    }
    raw.execute("DROP TABLE email_refs").await;
    let found = findings(&database).await;
    assert!(found.iter().any(|(kind, ..)| *kind == FindingKind::Table), "{found:?}");
}

async fn a_search_is_refused_until_earlier_events_have_their_hashes(database: Database) {
    let service = started(&database).await;
    service.stop().await;
    let written = contents(&database).await;
    let store = database.store().await;
    let head = store.forget_emails().await.unwrap();
    assert!(contents(&database).await.is_empty());
    assert_eq!(store.emails_after().await.unwrap(), head);
    let program = Program::new(&database);
    let ended = program.run(&format!("subjects find {CUSTOMER}")).await;
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stderr.contains("subjects reindex"), "{}", ended.stderr);
    // a page of another process is not added twice
    assert!(store.add_emails(Position(1), head, &[]).await.unwrap());
    assert!(!store.add_emails(Position(1), head, &[]).await.unwrap());
    store.forget_emails().await.unwrap();
    // a service makes them by itself
    let service = database.service().await;
    crate::support::until("the hashes are made", async || {
        store.emails_after().await.unwrap() == Position(0)
    })
    .await;
    let found = service.get_json(&format!("/api/v1/search?email={CUSTOMER}")).await;
    assert_eq!(found["customers"][0]["userId"], USER);
    service.stop().await;
    assert_eq!(contents(&database).await, written);
}

async fn what_is_no_address_is_told(database: Database) {
    let service = database.service().await;
    for (text, words) in [
        ("jane", "has to be an e-mail address"),
        ("", "has to be an e-mail address"),
        ("jane+x@b.com", "write + as %2B"),
    ] {
        for list in ["search", "customers", "orders", "renewals", "failures", "mailboxes"] {
            let answer = service.get(&format!("/api/v1/{list}?email={text}")).await;
            assert_eq!(answer.status(), 400, "{list} {text}");
            let problem: Value = answer.json().await.unwrap();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(words) && detail.contains("email"), "{list}: {detail}");
            assert!(!detail.contains("jane+"), "{detail}");
        }
    }
    let missing = service.get("/api/v1/search").await;
    assert_eq!(missing.status(), 400);
    service.stop().await;
}

async fn a_command_finds_the_subject_to_erase(database: Database) {
    let service = started(&database).await;
    service.stop().await;
    let program = Program::new(&database);
    let own = program.run(&format!("subjects find {CUSTOMER}")).await;
    assert_eq!(
        own.json_lines(),
        [json!({"subject": USER, "own": true, "mailboxEvents": []})]
    );
    let mailbox = program.run(&format!("subjects find {MAILBOX}")).await;
    assert_eq!(
        mailbox.json_lines(),
        [json!({"subject": USER, "own": false, "mailboxEvents": [1]})]
    );
    let nobody = program.run("subjects find nobody@example.com").await;
    assert_eq!(nobody.code, 1, "{}", nobody.stderr);
    assert!(!nobody.stderr.contains("nobody@"), "{}", nobody.stderr);
    let wrong = program.run("subjects find nobody").await;
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}
