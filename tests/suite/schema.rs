//! Any object that is dropped, disabled or redefined in the database is detected and named.

use std::time::Duration;

use serde_json::Value;
use warmledger::store::{ObjectKind, SchemaFault, Store};

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::raw::Raw;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_database_that_nobody_touched_is_as_the_migrations_make_it,
    each_trigger_that_is_dropped_or_disabled_is_named_and_can_be_made_again,
    each_key_and_index_that_is_dropped_is_named_and_can_be_made_again,
    tables_that_are_dropped_are_named,
    a_view_that_lies_is_named_and_a_missing_trigger_is_not_ready,
);

async fn faults(store: &dyn Store) -> Vec<SchemaFault> {
    let checked = store.check_schema().await.unwrap();
    assert_eq!(checked.unchecked, None);
    checked.faults
}

/// The only fault.
async fn only(store: &dyn Store, what: &str) -> SchemaFault {
    let mut found = faults(store).await;
    assert_eq!(found.len(), 1, "{what}: {found:?}");
    found.remove(0)
}

/// Applies the remedy of a fault; no fault remains.
async fn heal(raw: &Raw, store: &dyn Store, fault: &SchemaFault) {
    raw.execute(fault.remedy.as_deref().unwrap()).await;
    assert_eq!(faults(store).await, [], "after {:?}", fault.remedy);
}

async fn a_database_that_nobody_touched_is_as_the_migrations_make_it(database: Database) {
    let store = database.store().await;
    assert_eq!(faults(&*store).await, []);
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.caught_up(&*store, 1).await;
    let rebuilt = Program::new(&database).run("projections rebuild orders").await;
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
    assert_eq!(faults(&*store).await, []);
    // objects that an operator adds
    let raw = Raw::connect(&database).await;
    for sql in [
        "CREATE INDEX own_index ON events (subject)",
        "CREATE VIEW own_view AS SELECT position FROM events",
        "CREATE TABLE own_table (id integer)",
    ] {
        raw.execute(sql).await;
    }
    assert_eq!(faults(&*store).await, []);
    assert!(service.get_json("/readyz").await["alerts"].is_null());
    service.stop().await;
}

async fn each_trigger_that_is_dropped_or_disabled_is_named_and_can_be_made_again(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let list = match &raw {
        Raw::Sqlite(_) => "SELECT tbl_name || '.' || name FROM sqlite_schema WHERE type = 'trigger'",
        Raw::Postgres(_) => {
            "SELECT relname || '.' || tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal"
        }
    };
    let triggers = raw.texts(list).await;
    assert!(
        triggers.len() >= if database.is_postgres() { 8 } else { 15 },
        "{triggers:?}"
    );
    for trigger in &triggers {
        let (table, name) = trigger.split_once('.').unwrap();
        let named = |fault: &SchemaFault, how: &str| {
            let shown = if database.is_postgres() { trigger } else { name };
            assert_eq!(fault.to_string(), format!("the trigger {shown} {how}"));
            assert!(fault.is_grave());
        };
        if database.is_postgres() {
            raw.execute(&format!("ALTER TABLE {table} DISABLE TRIGGER {name}"))
                .await;
            let fault = only(&*store, trigger).await;
            named(&fault, "is disabled");
            heal(&raw, &*store, &fault).await;
            raw.execute(&format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"))
                .await;
            assert_eq!(faults(&*store).await, [], "it fires more often, not less");
            raw.execute(&format!("DROP TRIGGER {name} ON {table}")).await;
        } else {
            raw.execute(&format!("DROP TRIGGER {name}")).await;
        }
        let fault = only(&*store, trigger).await;
        named(&fault, "is missing");
        heal(&raw, &*store, &fault).await;
    }
    // present, but without effect
    let (change, name) = match &raw {
        Raw::Sqlite(_) => (
            "DROP TRIGGER events_not_updated;
             CREATE TRIGGER events_not_updated BEFORE UPDATE ON events BEGIN SELECT 1; END",
            "events_not_updated",
        ),
        Raw::Postgres(_) => (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "refuse_change()",
        ),
    };
    raw.execute(change).await;
    let fault = only(&*store, change).await;
    assert!(fault.to_string().contains(name) && fault.is_grave(), "{fault}");
    if database.is_postgres() {
        heal(&raw, &*store, &fault).await;
        raw.execute("CREATE RULE swallowed AS ON DELETE TO data_keys DO INSTEAD NOTHING")
            .await;
        assert_eq!(only(&*store, "rule").await.kind, ObjectKind::Rule);
    }
}

async fn each_key_and_index_that_is_dropped_is_named_and_can_be_made_again(database: Database) {
    // with the tables of all projections
    database.service().await.stop().await;
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let list = match &raw {
        Raw::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
        Raw::Postgres(_) => {
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'
                 AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        }
    };
    for index in raw.texts(list).await {
        raw.execute(&format!("DROP INDEX {index}")).await;
        let fault = only(&*store, &index).await;
        assert_eq!(fault.name, index);
        heal(&raw, &*store, &fault).await;
    }
    if database.is_postgres() {
        let constraints = raw
            .texts(
                "SELECT relname || '.' || conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
                 WHERE connamespace = 'public'::regnamespace AND relname <> '_sqlx_migrations' AND contype IN ('c', 'f', 'p', 'u', 'x')",
            )
            .await;
        assert!(
            constraints.contains(&"events.events_source_event_id_key".to_owned()),
            "{constraints:?}"
        );
        for constraint in constraints {
            let (table, name) = constraint.split_once('.').unwrap();
            let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
            if let Err(refused) = raw.try_execute(&drop).await {
                // PostgreSQL refuses to drop it
                assert!(refused.contains("other objects depend on it"), "{refused}");
                continue;
            }
            let fault = only(&*store, &constraint).await;
            assert_eq!(fault.to_string(), format!("the constraint {constraint} is missing"));
            assert!(fault.is_grave());
            heal(&raw, &*store, &fault).await;
        }
        raw.execute("ALTER TABLE events SET UNLOGGED").await;
        assert_eq!(only(&*store, "unlogged").await.name, "events");
    } else {
        // in SQLite a key is part of its table
        raw.execute("CREATE TABLE keyless AS SELECT * FROM refs; DROP TABLE refs; ALTER TABLE keyless RENAME TO refs")
            .await;
        let found = faults(&*store).await;
        assert!(
            found
                .iter()
                .any(|fault| (fault.kind, fault.name.as_str()) == (ObjectKind::Table, "refs")),
            "{found:?}"
        );
    }
}

async fn tables_that_are_dropped_are_named(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    database.service().await.stop().await;
    let cascade = if database.is_postgres() { "CASCADE" } else { "" };
    for table in [
        "consumers",
        "parked_rows",
        "tokens",
        "clock_steps",
        "mailboxes_g1",
        "orders_g1",
        "projection_generations",
    ] {
        raw.execute(&format!("DROP TABLE {table} {cascade}")).await;
        let found = faults(&*store).await;
        let missing = found
            .iter()
            .find(|fault| fault.name == table)
            .unwrap_or_else(|| panic!("{table}: {found:?}"));
        assert_eq!(missing.to_string(), format!("the table {table} is missing"));
        assert!(missing.is_grave());
    }
    let ended = Program::new(&database).run("verify").await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("schema the table consumers is missing"),
        "{}",
        ended.stdout
    );
}

/// Polls `/readyz` for this status and word; returns the body.
async fn ready(service: &TestService, status: u16, word: &str) -> String {
    let mut answer = String::new();
    for _ in 0..300 {
        let response = service.get("/readyz").await;
        let found = response.status().as_u16();
        answer = response.text().await.unwrap();
        if found == status && answer.contains(word) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("/readyz does not say {word:?} with {status} within 30 s: {answer}");
}

async fn a_view_that_lies_is_named_and_a_missing_trigger_is_not_ready(database: Database) {
    let service = database.service().await;
    let raw = Raw::connect(&database).await;
    service.send(fixture("prewarmup.order.success.json")).await;
    let lie = match &raw {
        Raw::Sqlite(_) => "DROP VIEW orders; CREATE VIEW orders AS SELECT * FROM orders_g1 WHERE false",
        Raw::Postgres(_) => "ALTER VIEW orders RENAME TO truth; CREATE VIEW orders AS SELECT * FROM truth WHERE false",
    };
    raw.execute(lie).await;
    // readers get wrong rows, but webhooks are recorded
    let answer = ready(&service, 200, "the view orders is not the one that the migrations make").await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["alerts"].as_array().unwrap().len(), 1, "{answer}");
    let program = Program::new(&database);
    let ended = program.run("verify").await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    for words in ["schema the view orders is not", "made by: CREATE VIEW orders AS SELECT"] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
    service.stop().await;

    raw.unguard().await;
    let service = database.service().await;
    let answer = service.get("/readyz").await;
    assert_eq!(answer.status().as_u16(), 503, "from the start on");
    let answer = answer.text().await.unwrap();
    for words in ["the trigger", "warmledger verify"] {
        assert!(answer.contains(words), "{answer}");
    }
    // no webhook is lost meanwhile
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.stop().await;
}
