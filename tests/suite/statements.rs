//! The statements of a service in production, as the driver logs them: none scans a whole table of the log, with or
//! without statistics.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use warmledger::data_dir::SecretFile;
use warmledger::simulate::{self, Options, Pace, Plan};

use crate::crash::caught_up;
use crate::on_both_stores;
use crate::secrets::{change, routes};
use crate::support::Database;
use crate::support::api::Client;
use crate::support::child::ChildService;
use crate::support::raw::Raw;

on_both_stores!(no_statement_of_a_service_reads_a_whole_table_of_the_log);

/// The tables that grow with the log. Views are left out: a list without a filter reads as many rows as it shows.
const TABLES: [&str; 4] = ["events", "refs", "data_keys", "tree_nodes"];
const ORDERS: usize = 500;
/// Rows that are put into each table before its statements are explained: enough for a planner to prefer an index, if one fits.
const ROWS: u32 = 20_000;

async fn no_statement_of_a_service_reads_a_whole_table_of_the_log(database: Database) {
    let mut logged = String::new();
    // the second run begins with empty caches, on an existing ledger
    for seed in 0..2 {
        let arguments = ["--log", "info,sqlx::query=debug", "--log-format", "json"];
        let mut child = ChildService::start_with(&database, &arguments).await;
        let plan = Plan::new(&Options {
            renewals: true,
            seed,
            ..Options::new(ORDERS, Timestamp::now())
        });
        let mut sender = child.sender();
        sender.concurrency = 16;
        sender.pace = Pace::Flood;
        simulate::run(&plan, &sender, CancellationToken::new()).await.unwrap();
        let store = database.store().await;
        caught_up(&*store).await;
        store.close().await;
        let token = SecretFile::AdminToken.path(database.dir.path());
        let token = std::fs::read_to_string(token).unwrap();
        for route in routes() {
            let url = format!("{}{route}", child.base);
            let answer = Client::new().get(&url).bearer_auth(token.trim()).send().await.unwrap();
            assert!(!answer.status().is_server_error(), "{url}: {}", answer.status());
        }
        change(&Client::new(), &child.base, token.trim()).await;
        assert!(child.terminate().await.success());
        logged += &child.log();
    }
    let statements = statements(&logged);
    let asked = statements.iter().filter(|sql| reads(sql).next().is_some()).count();
    assert!(
        asked >= 15,
        "only {asked} of {} statements read the log",
        statements.len()
    );

    let (raw, mut whole) = (Raw::connect(&database).await, Vec::new());
    grow(&raw).await;
    for statistics in [false, true] {
        if statistics {
            raw.execute("ANALYZE").await;
        }
        for sql in &statements {
            for table in reads(sql) {
                let plan = raw.plan(sql).await;
                if scans(&plan, sql, table) {
                    whole.push(format!("statistics: {statistics}\n{sql}\n{plan}"));
                }
            }
        }
    }
    assert!(whole.is_empty(), "{}", whole.join("\n\n"));
}

/// Statements that may read a whole table: they run once at each start, for erased subjects.
const EXEMPT: [&str; 2] = [
    // which erasures are not in effect: looks at the log behind one only if its subject has a data key again
    "AS later WHERE later.position > erased.position",
    // which subjects are erased: a join with one row a customer
    "FROM subjects LEFT JOIN data_keys",
];

/// Copies a row of each table many times.
async fn grow(raw: &Raw) {
    for (table, columns, values) in [
        (
            "events",
            "position, stream, version, source, event_id, type, schema_version, recorded_at, subject, facts, leaf_hash",
            "1000000 + n, 'stream-' || n, 1, source, 'event-' || n, type, schema_version, recorded_at, 'subject-' || n, facts, \
             leaf_hash",
        ),
        ("refs", "ref, position", "1000000 + n, 1000000 + n"),
        (
            "data_keys",
            "subject, wrapped, created_at",
            "'subject-' || n, wrapped, created_at",
        ),
        ("tree_nodes", "level, number, hash", "level, 1000000 + n, hash"),
    ] {
        raw.execute(&format!(
            "INSERT INTO {table} ({columns})
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})
             SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM {table} LIMIT 1) AS one"
        ))
        .await;
    }
}

/// The statements in a JSON log, each once.
fn statements(log: &str) -> BTreeSet<String> {
    let mut statements = BTreeSet::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["target"] != "sqlx::query" {
            continue;
        }
        let fields = &line["fields"];
        // a short one is its own summary
        let told = [&fields["db.statement"], &fields["summary"]];
        let told = told.iter().filter_map(|told| told.as_str());
        let sql = told.map(str::trim).find(|sql| !sql.is_empty()).unwrap();
        if sql.contains("CREATE ") {
            // a migration
            continue;
        }
        let one_line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        // one call may send several to PostgreSQL
        statements.extend(one_line.split(';').map(|part| part.trim().to_owned()));
    }
    statements
}

/// The log's tables that a statement names, if it can be explained.
fn reads(sql: &str) -> impl Iterator<Item = &'static str> {
    let verbs = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"];
    let is_query = verbs.iter().any(|verb| sql.starts_with(verb)) && !EXEMPT.iter().any(|exempt| sql.contains(exempt));
    let words: BTreeSet<&str> = sql.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let named = TABLES.map(|table| words.contains(table).then_some(table));
    named.into_iter().flatten().filter(move |_| is_query)
}

/// Whether a statement's plan scans a whole table. SQLite tells of a table by its alias.
fn scans(plan: &str, sql: &str, table: &str) -> bool {
    /// An index that holds erasures alone.
    const ERASURES: &str = "SCAN events USING COVERING INDEX events_erasures";
    let plan = plan.replace(ERASURES, "");
    let alias = format!("{table} AS ");
    let aliases = sql.split(&alias).skip(1);
    let aliases = aliases.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
    let mut whole = [table].into_iter().chain(aliases).map(|name| format!("SCAN {name}"));
    plan.contains(&format!("Seq Scan on {table}")) || whole.any(|whole| plan.contains(&whole))
}
