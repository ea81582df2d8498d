//! A batch is all or nothing; events never change.

use aggregates::{Position, SubjectId};
use jiff::Timestamp;
use projections::testing::{assigned, failed};
use warmledger::sealing::Sealed;
use warmledger::store::{Append, Batch, EventFilter, EventQuery, Head, NewEvent, Store};

use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::{all_events, grown, new_event};
use crate::support::raw::Raw;

on_both_stores!(
    a_batch_with_one_bad_event_writes_nothing_at_all,
    a_stale_head_writes_nothing_at_all,
    events_cannot_be_changed_removed_or_replaced,
    a_read_event_is_the_one_that_was_written,
    events_of_any_length_are_kept_whole,
);

pub(super) fn order(stream: &str, version: u32, event_id: &str) -> NewEvent {
    let delivery = assigned(event_id, "O1").domain(&format!("{}.com", event_id.to_lowercase()), event_id, &["M1"]);
    new_event(stream, version, &delivery.at(Position(0)))
}

fn key(subject: &str) -> (SubjectId, Vec<u8>) {
    (SubjectId::parse(subject).unwrap(), vec![1, 2, 3])
}

pub(super) async fn append(
    store: &dyn Store,
    expected: Head,
    events: &[NewEvent],
    keys: &[(SubjectId, Vec<u8>)],
) -> Append {
    let recorded_at = "2026-01-02T03:04:05.678901Z".parse::<Timestamp>().unwrap();
    let batch = Batch {
        expected,
        recorded_at: recorded_at.max(expected.recorded_at),
        events,
        keys,
        tree: &grown(store, events).await,
    };
    store.append(&batch).await.unwrap()
}

/// Everything that an append may write.
async fn contents(raw: &Raw) -> Vec<String> {
    raw.texts(
        "SELECT CAST(position AS text) || ' ' || event_id FROM events
         UNION ALL SELECT 'ref ' || CAST(ref AS text) || ' ' || CAST(position AS text) FROM refs
         UNION ALL SELECT 'key ' || subject FROM data_keys
         UNION ALL SELECT 'head ' || CAST(position AS text) || ' ' || CAST(recorded_at AS text) FROM head
         ORDER BY 1",
    )
    .await
}

async fn a_batch_with_one_bad_event_writes_nothing_at_all(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let empty = store.head().await.unwrap();
    let first = [order("order-O1", 1, "E1"), order("order-O1", 2, "E2")];
    assert_eq!(append(&*store, empty, &first, &[key("U1")]).await, Append::Done);
    let (before, head) = (contents(&raw).await, store.head().await.unwrap());
    assert_eq!(before.len(), 2 + 4 + 1 + 1);

    let good = || order("order-O2", 1, "E3");
    let bad: [(&str, NewEvent, &[_]); 5] = [
        ("a version that is taken", order("order-O1", 2, "E4"), &[]),
        ("an event id that is taken", order("order-O3", 1, "E1"), &[]),
        (
            "an event id that stands twice in the batch",
            order("order-O3", 1, "E3"),
            &[],
        ),
        (
            "a version that stands twice in the batch",
            order("order-O2", 1, "E5"),
            &[],
        ),
        (
            "a data key that is taken",
            order("order-O3", 1, "E6"),
            &[key("U2"), key("U1")],
        ),
    ];
    for (what, event, keys) in bad {
        assert_eq!(
            append(&*store, head, &[good(), event], keys).await,
            Append::Conflict,
            "{what}"
        );
        assert_eq!(contents(&raw).await, before, "{what}");
        assert_eq!(store.head().await.unwrap(), head, "{what}");
    }
    // and the store still works
    assert_eq!(append(&*store, head, &[good()], &[key("U2")]).await, Append::Done);
    assert_eq!(contents(&raw).await.len(), before.len() + 4);
}

async fn a_stale_head_writes_nothing_at_all(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let empty = store.head().await.unwrap();
    append(&*store, empty, &[order("order-O1", 1, "E1")], &[]).await;
    let before = contents(&raw).await;
    let head = store.head().await.unwrap();
    let ahead = Head {
        position: Position(head.position.0 + 1),
        ..head
    };
    for stale in [empty, ahead] {
        let events = [order("order-O2", 1, "E2")];
        assert_eq!(append(&*store, stale, &events, &[key("U1")]).await, Append::LostRace);
        assert_eq!(contents(&raw).await, before);
    }
}

async fn events_cannot_be_changed_removed_or_replaced(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let empty = store.head().await.unwrap();
    append(
        &*store,
        empty,
        &[order("order-O1", 1, "E1"), order("order-O1", 2, "E2")],
        &[],
    )
    .await;
    let before = all_events(&*store).await;

    let columns = "stream, version, source, event_id, type, schema_version, recorded_at, subject, facts, leaf_hash";
    let copy = |verb: &str, changes: &str| {
        format!("{verb} INTO events (position, {columns}) SELECT {changes} FROM events WHERE position = 1")
    };
    let mut attempts = vec![
        "UPDATE events SET facts = '{}'".to_owned(),
        "UPDATE events SET secrets = NULL WHERE position = 1".to_owned(),
        "DELETE FROM events".to_owned(),
        "DELETE FROM events WHERE position = 2".to_owned(),
    ];
    if database.is_postgres() {
        attempts.push("TRUNCATE events".to_owned());
        attempts.push("TRUNCATE events CASCADE".to_owned());
        let upsert = copy("INSERT", &format!("position, {columns}"));
        attempts.push(format!("{upsert} ON CONFLICT (position) DO UPDATE SET facts = '{{}}'"));
    } else {
        let rest = "subject, '{}', leaf_hash";
        let middle = "type, schema_version, recorded_at";
        // a conflict of position, version, or event id
        for key in [
            "position, stream, 9, source, 'E9'",
            "9, stream, version, source, 'E9'",
            "9, stream, 9, source, event_id",
        ] {
            attempts.push(copy("REPLACE", &format!("{key}, {middle}, {rest}")));
            attempts.push(copy("INSERT OR REPLACE", &format!("{key}, {middle}, {rest}")));
        }
        attempts.push("UPDATE OR REPLACE events SET position = 1 WHERE position = 2".to_owned());
    }
    for attempt in attempts {
        let refused = raw.try_execute(&attempt).await;
        let error = refused.expect_err(&attempt);
        assert!(error.contains("immutable"), "{attempt}: {error}");
    }
    let after = all_events(&*store).await;
    assert_eq!(after.len(), before.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.facts, after.facts);
    }
}

async fn events_of_any_length_are_kept_whole(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let sealed = |length: usize| Some(Sealed::from_bytes((0..length).map(|_| rand::random()).collect()));
    let names: Vec<String> = (0..100).map(|number| format!("MAILBOX{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // an event that fits a page only with compressed facts, one that does not, and the longest possible
    let of = |event_id: &str, mailboxes: usize, length: usize| {
        let delivery = assigned(event_id, event_id).domain("a.example", "S1", &names[..mailboxes]);
        let mut event = new_event(&format!("order-{event_id}"), 1, &delivery.at(Position(0)));
        event.sealed.personal = sealed(length / 2);
        event.sealed.original = sealed(length);
        event
    };
    let written = [of("E1", 100, 2_000), of("E2", 100, 9_000), of("E3", 1, 1_300_000)];
    let empty = store.head().await.unwrap();
    assert_eq!(append(&*store, empty, &written, &[]).await, Append::Done);
    let read = store.events_at(&[1, 2, 3].map(Position)).await.unwrap();
    for (read, written) in read.iter().zip(&written) {
        assert_eq!(read.facts, written.facts);
        assert!(read.sealed.personal == written.sealed.personal && read.sealed.original == written.sealed.original);
    }
    assert_eq!(read.len(), written.len());
    if database.is_postgres() {
        // where the server has lz4
        let compressed = "SELECT CAST(position AS text) FROM events
             WHERE pg_column_compression(facts) = 'lz4' OR NOT EXISTS (
                 SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))
             ORDER BY position LIMIT 2";
        assert_eq!(raw.texts(compressed).await, ["1", "2"]);
    }
}

async fn a_read_event_is_the_one_that_was_written(database: Database) {
    let store = database.store().await;
    let empty = store.head().await.unwrap();
    let reason = "\"quoted\" \\ / é 🙂 \u{2028} \u{fffd} ‘’ 1e400";
    let odd = new_event(
        "order-Ö/🙂",
        1,
        &failed("E/ü-1", "Ö/🙂").fails("müller.example", reason).at(Position(0)),
    );
    let plain = order("order-O1", 1, "E1");
    assert_eq!(append(&*store, empty, &[odd, plain], &[]).await, Append::Done);
    let odd = new_event(
        "order-Ö/🙂",
        1,
        &failed("E/ü-1", "Ö/🙂").fails("müller.example", reason).at(Position(0)),
    );
    let events = all_events(&*store).await;
    assert_eq!(events[0].facts, odd.facts, "facts come back byte for byte");
    assert_eq!((&events[0].stream, &events[0].event_id), (&odd.stream, &odd.event_id));
    assert_eq!(events[0].recorded_at.to_string(), "2026-01-02T03:04:05.678901Z");
    assert_eq!(events[0].leaf_hash, Some([7; 32]));

    let of = async |query: EventQuery| store.events(&query).await.unwrap().len();
    let all = EventQuery {
        limit: 10,
        ..EventQuery::default()
    };
    let filtered = |change: fn(&mut EventFilter, &NewEvent)| {
        let mut query = all.clone();
        change(&mut query.filter, &odd);
        query
    };
    assert_eq!(of(all.clone()).await, 2);
    assert_eq!(
        of(EventQuery {
            limit: 1,
            ..all.clone()
        })
        .await,
        1
    );
    assert_eq!(
        of(EventQuery {
            until: Some(Position(1)),
            ..all.clone()
        })
        .await,
        1
    );
    let by_stream = filtered(|filter, odd| filter.stream = Some(odd.stream.clone()));
    assert_eq!(of(by_stream).await, 1);
    let by_type = filtered(|filter, _| filter.types = vec!["MailboxesAssigned".to_owned()]);
    assert_eq!(of(by_type).await, 1);
    let by_types = filtered(|filter, odd| {
        filter.types = vec!["MailboxesAssigned".to_owned(), odd.type_name.to_owned()];
    });
    assert_eq!(of(by_types).await, 2);
    let by_both = filtered(|filter, odd| {
        filter.stream = Some(odd.stream.clone());
        filter.types = vec!["MailboxesAssigned".to_owned()];
    });
    assert_eq!(of(by_both).await, 0);
    assert_eq!(
        of(EventQuery {
            after: Position(2),
            ..all
        })
        .await,
        0
    );
    assert_eq!(store.streams(&[]).await.unwrap().len(), 0);
    let stream = store.events_at(&[Position(1)]).await.unwrap().remove(0).stream;
    let once = store.streams(std::slice::from_ref(&stream)).await.unwrap().len();
    let twice = store.streams(&[stream.clone(), stream]).await.unwrap().len();
    assert!(
        once > 0 && twice == once,
        "{once} events, {twice} if the stream is named twice"
    );
    assert_eq!(store.events_at(&[]).await.unwrap().len(), 0);
    assert_eq!(
        store
            .events_at(&[Position(2), Position(9), Position(1)])
            .await
            .unwrap()
            .len(),
        2
    );
}
