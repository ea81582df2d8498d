//! Every way to alter a log without the service, with all triggers dropped; `verify` finds each, and its position.

use std::sync::Arc;

use warmledger::store::Store;
use warmledger::tlog::{Frontier, Growth};
use warmledger::verify::{FindingKind, Report};

use super::{check, signer};
use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::fill_with_leaves;
use crate::support::raw::Raw;

on_both_stores!(
    a_change_of_any_column_of_a_row_is_found_at_its_position,
    rows_that_are_missing_put_in_or_swapped_are_found,
    the_stored_tree_and_checkpoints_are_checked_against_the_rows,
    a_history_that_was_rewritten_whole_is_not_what_was_signed,
    an_older_copy_of_the_database_is_not_what_an_auditor_kept,
    the_check_goes_on_behind_missing_rows,
    the_command_tells_by_its_exit_code,
);

const EVENTS: u64 = 600;
/// The sizes of signed checkpoints.
const SIGNED: [u64; 4] = [100, 299, 400, EVENTS];

/// Bytes as SQL.
pub fn bytes(raw: &Raw, bytes: &[u8]) -> String {
    match raw {
        Raw::Postgres(_) => format!("'\\x{}'::bytea", hex::encode(bytes)),
        Raw::Sqlite(_) => format!("x'{}'", hex::encode(bytes)),
    }
}

/// Truncates a log, and covers all traces in the database except the checkpoints.
pub async fn truncate(raw: &Raw, frontier: &Frontier) {
    let size = frontier.size();
    raw.execute(&format!("DELETE FROM events WHERE position > {size}"))
        .await;
    raw.execute(&format!("DELETE FROM tree_nodes WHERE number >= {}", size / 256))
        .await;
    let stored = bytes(raw, &frontier.to_bytes());
    raw.execute(&format!(
        "UPDATE head SET position = {size}, tree_size = {size}, frontier = {stored},
                         recorded_at = (SELECT recorded_at FROM events WHERE position = {size})"
    ))
    .await;
}

/// Replaces the end of a log: copies of earlier rows with other leaf hashes.
pub async fn replace_end(raw: &Raw, growth: &Growth, first: u64) {
    let size = growth.frontier().size();
    for position in first..=size {
        let hash = bytes(raw, &[u8::try_from(position - first).unwrap(); 32]);
        raw.execute(&format!(
            "INSERT INTO events SELECT {position}, stream, version + 100, source, event_id || 'x', type, schema_version,
                    recorded_at, subject, facts, personal, secrets, original, {hash}
             FROM events WHERE position = {position} - {first} + 1"
        ))
        .await;
    }
    let stored = bytes(raw, &growth.frontier().to_bytes());
    raw.execute(&format!(
        "UPDATE head SET position = {size}, tree_size = {size}, frontier = {stored}"
    ))
    .await;
}

/// A sound log of 600 events under four checkpoints, without triggers, with a copy to restore.
struct Victim {
    raw: Raw,
    store: Arc<dyn Store>,
}

impl Victim {
    async fn new(database: &Database) -> Self {
        let (store, raw) = (database.store().await, Raw::connect(database).await);
        let signer = signer(database, &store).await;
        let mut events = 0;
        for signed in SIGNED {
            fill_with_leaves(&*store, signed - events).await;
            signer.sign().await.unwrap();
            events = signed;
        }
        raw.unguard().await;
        for table in ["events", "head", "tree_nodes", "checkpoints"] {
            raw.execute(&format!("CREATE TABLE good_{table} AS SELECT * FROM {table}"))
                .await;
        }
        let victim = Self { raw, store };
        for full in [true, false] {
            let report = check(&victim.store, full, &[]).await;
            assert_eq!(report.findings.first(), None);
            assert_eq!((report.head, report.rows), (EVENTS, EVENTS));
            assert_eq!(report.checkpoints, 4);
        }
        victim
    }

    async fn heal(&self) {
        for table in ["events", "head", "tree_nodes", "checkpoints"] {
            let overriding = match &self.raw {
                Raw::Postgres(_) if table == "checkpoints" => "OVERRIDING SYSTEM VALUE",
                _ => "",
            };
            self.raw.execute(&format!("DELETE FROM {table}")).await;
            self.raw
                .execute(&format!("INSERT INTO {table} {overriding} SELECT * FROM good_{table}"))
                .await;
        }
    }

    /// Alters the log, verifies it and undoes it.
    async fn after(&self, sql: &str, full: bool) -> Report {
        self.raw.execute(sql).await;
        let report = check(&self.store, full, &[]).await;
        self.heal().await;
        report
    }

    /// The first finding is of this kind, at these positions.
    async fn finds(&self, sql: &str, kind: FindingKind, positions: impl Into<Option<(u64, u64)>>) {
        let report = self.after(sql, true).await;
        let first = report.findings.first().unwrap_or_else(|| panic!("{sql} is not found"));
        let positions = positions.into();
        assert_eq!(
            (first.kind, first.position),
            (kind, positions.map(|(first, _)| first)),
            "{sql}: {report:?}"
        );
        assert_eq!(first.until, positions.map(|(_, last)| last), "{sql}: {report:?}");
    }
}

async fn a_change_of_any_column_of_a_row_is_found_at_its_position(database: Database) {
    let victim = Victim::new(&database).await;
    let postgres = database.is_postgres();
    let byte = if postgres { "'\\x00'::bytea" } else { "x'00'" };
    let later = if postgres {
        "recorded_at + interval '1 microsecond'"
    } else {
        "replace(recorded_at, '1Z', '2Z')"
    };
    let changes = [
        "stream = stream || 'x'".to_owned(),
        "version = version + 7".to_owned(),
        "source = 'other'".to_owned(),
        "event_id = event_id || 'x'".to_owned(),
        "type = 'AssignmentFailed'".to_owned(),
        "schema_version = 2".to_owned(),
        format!("recorded_at = {later}"),
        "subject = 'U1'".to_owned(),
        "facts = replace(facts, 'event', 'Event')".to_owned(),
        "facts = ' ' || facts".to_owned(),
        "facts = replace(facts, ':', ' :')".to_owned(),
        format!("personal = {byte}"),
        "personal = NULL".to_owned(),
        format!("secrets = {byte}"),
        "secrets = NULL".to_owned(),
        format!("original = {byte}"),
        "original = NULL".to_owned(),
        format!("leaf_hash = {byte}"),
        format!("leaf_hash = {}", bytes(&victim.raw, &[7; 32])),
    ];
    for change in changes {
        let sql = format!("UPDATE events SET {change} WHERE position = 300");
        victim.finds(&sql, FindingKind::Altered, (300, 300)).await;
    }
    // the quick check reads the newest rows
    let report = victim
        .after("UPDATE events SET source = 'other' WHERE position = 600", false)
        .await;
    assert_eq!(report.findings[0].position, Some(600));
}

async fn rows_that_are_missing_put_in_or_swapped_are_found(database: Database) {
    let victim = Victim::new(&database).await;
    let copy = |position: i64, of: u64| {
        format!(
            "INSERT INTO events SELECT {position}, stream, version + 100, source, event_id || 'x', type, schema_version,
                    recorded_at, subject, facts, personal, secrets, original, leaf_hash
             FROM events WHERE position = {of}"
        )
    };
    for (sql, kind, positions) in [
        ("DELETE FROM events WHERE position = 1".to_owned(), FindingKind::Missing, (1, 1)),
        ("DELETE FROM events WHERE position = 300".to_owned(), FindingKind::Missing, (300, 300)),
        ("DELETE FROM events WHERE position BETWEEN 250 AND 260".to_owned(), FindingKind::Missing, (250, 260)),
        ("DELETE FROM events WHERE position = 600".to_owned(), FindingKind::Missing, (600, 600)),
        ("DELETE FROM events WHERE position > 590".to_owned(), FindingKind::Missing, (591, 600)),
        (copy(601, 5), FindingKind::Extra, (601, 601)),
        (
            "UPDATE events SET position = 10000 WHERE position = 300; UPDATE events SET position = 300 WHERE position = 301;
             UPDATE events SET position = 301 WHERE position = 10000"
                .to_owned(),
            FindingKind::Altered,
            (300, 300),
        ),
        // one more event after number 300: all later ones move up
        (
            format!(
                "UPDATE events SET position = -position WHERE position > 300;
                 UPDATE events SET position = 1 - position WHERE position < 0; {}; UPDATE head SET position = 601",
                copy(301, 5)
            ),
            FindingKind::Altered,
            (301, 301),
        ),
    ] {
        victim.finds(&sql, kind, positions).await;
    }
    victim.finds(&copy(0, 5), FindingKind::Extra, None).await;
    let report = victim.after("DELETE FROM events", true).await;
    assert_eq!(
        (report.findings[0].kind, report.findings[0].position),
        (FindingKind::Missing, Some(1))
    );
}

async fn the_stored_tree_and_checkpoints_are_checked_against_the_rows(database: Database) {
    let victim = Victim::new(&database).await;
    let other = bytes(&victim.raw, &[7; 32]);
    for full in [true, false] {
        for (sql, kind, position) in [
            (
                format!("UPDATE tree_nodes SET hash = {other} WHERE number = 1"),
                FindingKind::Tree,
                Some(257),
            ),
            (
                "DELETE FROM tree_nodes WHERE number = 1".to_owned(),
                FindingKind::Tree,
                Some(257),
            ),
            (
                "UPDATE head SET recorded_at = (SELECT recorded_at FROM events WHERE position = 1)".to_owned(),
                FindingKind::Head,
                None,
            ),
            (
                "UPDATE head SET frontier = (SELECT hash FROM tree_nodes WHERE number = 0)".to_owned(),
                FindingKind::Head,
                None,
            ),
            (
                format!("UPDATE checkpoints SET root = {other} WHERE size = 400"),
                FindingKind::Checkpoint,
                None,
            ),
            (
                "UPDATE checkpoints SET note = replace(note, '400', '401') WHERE size = 400".to_owned(),
                FindingKind::Checkpoint,
                None,
            ),
            (
                "UPDATE checkpoints SET size = 399 WHERE size = 400".to_owned(),
                FindingKind::Checkpoint,
                None,
            ),
        ] {
            let report = victim.after(&sql, full).await;
            let found = report.findings.iter().find(|finding| finding.kind == kind);
            let found = found.unwrap_or_else(|| panic!("{sql}: {report:?}"));
            assert_eq!(found.position, position, "{sql}: {report:?}");
        }
    }
    for (level, number) in [(1, 2), (1, 70), (2, 0), (3, 5)] {
        let sql = format!("INSERT INTO tree_nodes (level, number, hash) VALUES ({level}, {number}, {other})");
        victim.finds(&sql, FindingKind::Tree, None).await;
    }
}

/// A tree over the same leaves but one, with the row's leaf hash adapted, and everything stored anew.
async fn a_history_that_was_rewritten_whole_is_not_what_was_signed(database: Database) {
    let victim = Victim::new(&database).await;
    let raw = &victim.raw;
    raw.execute("UPDATE events SET source = 'other' WHERE position = 300")
        .await;
    let report = check(&victim.store, true, &[]).await;
    let detail = &report.findings[0].detail;
    let computed = detail
        .split(' ')
        .find(|word| word.len() == 65)
        .unwrap()
        .trim_end_matches(',');
    let computed: [u8; 32] = hex::decode(computed).unwrap().try_into().unwrap();
    raw.execute(&format!(
        "UPDATE events SET leaf_hash = {} WHERE position = 300",
        bytes(raw, &computed)
    ))
    .await;
    let mut growth = Growth::default();
    let leaves = victim.store.tree_hashes(0, 0..EVENTS).await.unwrap();
    leaves.into_iter().for_each(|leaf| growth.push(leaf));
    for node in growth.nodes() {
        let (hash, number) = (bytes(raw, &node.hash), node.index);
        raw.execute(&format!("UPDATE tree_nodes SET hash = {hash} WHERE number = {number}"))
            .await;
    }
    let frontier = bytes(raw, &growth.frontier().to_bytes());
    raw.execute(&format!("UPDATE head SET frontier = {frontier}")).await;
    for full in [true, false] {
        let report = check(&victim.store, full, &[]).await;
        let first = &report.findings[0];
        // between the last checkpoint that matches and the first that does not
        assert_eq!(
            (first.kind, first.position, first.until),
            (FindingKind::Checkpoint, Some(300), Some(400)),
            "{report:?}"
        );
        assert_eq!(report.found, 2);
    }
}

async fn an_older_copy_of_the_database_is_not_what_an_auditor_kept(database: Database) {
    let victim = Victim::new(&database).await;
    let kept = victim.store.latest_checkpoint().await.unwrap().unwrap().note;
    assert!(check(&victim.store, true, &[&kept]).await.is_sound());
    let mut frontier = Frontier::default();
    let leaves = victim.store.tree_hashes(0, 0..299).await.unwrap();
    leaves.into_iter().for_each(|leaf| frontier.push(leaf, |_| {}));
    truncate(&victim.raw, &frontier).await;
    // an older copy lacks the later keys too
    let later = "DELETE FROM data_keys WHERE subject <> '~fingerprint' AND subject NOT IN (SELECT subject FROM events)";
    victim.raw.execute(later).await;
    for full in [true, false] {
        let report = check(&victim.store, full, &[]).await;
        assert_eq!(
            (report.findings[0].kind, report.findings[0].position),
            (FindingKind::Checkpoint, Some(300))
        );
    }
    victim.raw.execute("DELETE FROM checkpoints WHERE size > 299").await;
    for full in [true, false] {
        // the database alone does not show it
        assert_eq!(check(&victim.store, full, &[]).await.findings.first(), None);
        let report = check(&victim.store, full, &[&kept]).await;
        let first = &report.findings[0];
        assert_eq!(
            (first.kind, first.position, first.until),
            (FindingKind::Checkpoint, Some(300), Some(600))
        );
        assert!(
            first.detail.contains("kept says that there are 600 events"),
            "{}",
            first.detail
        );
    }
    let forged = kept.replace("600", "299");
    let report = check(&victim.store, true, &[&forged]).await;
    assert!(report.findings[0].detail.contains("not by the key"), "{report:?}");
}

async fn the_check_goes_on_behind_missing_rows(database: Database) {
    let victim = Victim::new(&database).await;
    let places = |report: &Report| -> Vec<_> {
        let findings = report.findings.iter();
        findings.map(|finding| (finding.kind, finding.position)).collect()
    };
    let report = victim
        .after(
            "DELETE FROM events WHERE position IN (10, 200); UPDATE events SET source = 'other' WHERE position = 500",
            true,
        )
        .await;
    // the first tile enters the tree as stored; the checkpoint over 100 events ends in it
    assert_eq!(
        places(&report),
        [
            (FindingKind::Missing, Some(10)),
            (FindingKind::Missing, Some(200)),
            (FindingKind::Altered, Some(500)),
            // the missing event was the first one of that stream
            (FindingKind::Version, Some(11)),
            (FindingKind::Tree, None),
        ],
        "{report:?}"
    );
    assert_eq!(report.checkpoints, 3);
    // later checkpoints show its replacement
    let other = bytes(&victim.raw, &[7; 32]);
    let report = victim
        .after(
            &format!("DELETE FROM events WHERE position = 10; UPDATE tree_nodes SET hash = {other} WHERE number = 0"),
            true,
        )
        .await;
    let checkpoints = report
        .findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::Checkpoint);
    assert_eq!(checkpoints.count(), 3, "{report:?}");
    // after a missing tile, only the rows can be checked
    let report = victim
        .after(
            "DELETE FROM events WHERE position = 590; UPDATE events SET source = 'other' WHERE position = 595",
            true,
        )
        .await;
    assert_eq!(
        places(&report)[..2],
        [(FindingKind::Missing, Some(590)), (FindingKind::Altered, Some(595))]
    );
}

async fn the_command_tells_by_its_exit_code(database: Database) {
    let victim = Victim::new(&database).await;
    let program = Program::new(&database);
    victim.raw.guard(&*victim.store).await;
    let sound = program.run("verify --full").await;
    assert_eq!(sound.code, 0, "{}{}", sound.stdout, sound.stderr);
    assert!(
        sound
            .stdout
            .starts_with("OK: all 600 of 600 events, 5 checkpoints, root "),
        "{}",
        sound.stdout
    );
    let kept = victim.store.latest_checkpoint().await.unwrap().unwrap().note;
    std::fs::write(program.directory.path().join("kept"), &kept).unwrap();
    let key = victim.store.signing_keys().await.unwrap().pop().unwrap().verifier;
    let sound = program
        .run(&format!("verify --checkpoint kept --key {key} --json"))
        .await;
    assert_eq!((sound.code, &sound.json()["checkpoints"]), (0, &serde_json::json!(6)));
    victim.raw.unguard().await;

    victim
        .raw
        .execute("UPDATE events SET source = 'other' WHERE position = 300")
        .await;
    let altered = program.run("verify --full").await;
    assert_eq!(altered.code, 1);
    assert!(
        altered.stdout.contains("\naltered position 300: "),
        "{}",
        altered.stdout
    );
    let json = program.run("verify --full --json").await;
    let finding = &json.json()["findings"][0];
    assert_eq!(
        (json.code, &finding["kind"], &finding["position"]),
        (1, &"altered".into(), &300.into())
    );

    std::fs::write(program.directory.path().join("other"), "text").unwrap();
    for wrong in ["--checkpoint other", "--checkpoint missing", "--key x"] {
        assert_eq!(program.run(&format!("verify {wrong}")).await.code, 2, "{wrong}");
    }
    // the newest checkpoint is kept beside the keys, so an older copy of the database alone is found
    victim.heal().await;
    victim.raw.execute("DELETE FROM checkpoints WHERE size > 299").await;
    let mut frontier = Frontier::default();
    let leaves = victim.store.tree_hashes(0, 0..299).await.unwrap();
    leaves.into_iter().for_each(|leaf| frontier.push(leaf, |_| {}));
    truncate(&victim.raw, &frontier).await;
    let older = program.run("verify").await;
    assert_eq!(older.code, 1);
    assert!(
        older.stdout.contains("checkpoint positions 300 to 600: "),
        "{}",
        older.stdout
    );
}
