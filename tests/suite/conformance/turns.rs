//! Processes that append to one PostgreSQL at once take turns by the append lock, and none is starved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{AccessEvent, AccessFacts, Actor, Position, Source};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::timeout;
use warmledger::ingest::Ingest;
use warmledger::ingest::signature::{Scheme, Verifier};
use warmledger::ledger::leaf::Envelope;
use warmledger::ledger::{Ledger, Outcome, Reader, record_access};
use warmledger::store::{Append, Batch, Head, Locked, NewEvent, Store, StoredEvent};
use warmledger::tlog::Growth;
use warmledger::vault::{KeyFile, Vault};

use super::append::order;
use super::batches::{Process, webhook};
use crate::support::Database;
use crate::support::faulty::{Fault, FaultyStore};
use crate::support::log::{all_events, fill_with_leaves, grown, sound_log};
use crate::support::raw::Raw;

/// Long enough for a process to get a free lock.
const SOON: Duration = Duration::from_millis(300);

async fn locked(store: &Arc<dyn Store>, after: u64) -> Locked<'_> {
    let taken = store.append_lock(Position(after), 10).await.unwrap();
    taken.expect("PostgreSQL lets processes wait for each other")
}

/// Returns once this many sessions wait for the lock.
async fn wait_in_line(database: &Database, count: usize) {
    let raw = Raw::connect(database).await;
    let waiting = "SELECT CAST(count(*) AS text) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                   WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
    let begun = Instant::now();
    while raw.texts(waiting).await != [count.to_string()] {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{count} should wait for the lock"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether another session holds the lock.
async fn is_taken(store: &Arc<dyn Store>) -> bool {
    timeout(SOON, locked(store, 0)).await.is_err()
}

async fn append(store: &Arc<dyn Store>, (lock, news): Locked<'_>, known: Head, events: &[NewEvent]) -> Append {
    let expected = news.last().map_or(known, StoredEvent::head);
    let batch = Batch {
        expected,
        recorded_at: expected.recorded_at.max(Timestamp::UNIX_EPOCH),
        events,
        keys: &[],
        tree: &grown(&**store, events).await,
    };
    lock.append(&batch).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_waits_for_the_lock_learns_what_was_appended_meanwhile() {
    let database = Database::postgres().await;
    let (one, other) = (database.store().await, database.store().await);
    let empty = one.head().await.unwrap();
    let held = locked(&one, 0).await;
    assert!(held.1.is_empty());
    let waiting = tokio::spawn({
        let other = Arc::clone(&other);
        async move {
            let (lock, news) = locked(&other, 0).await;
            lock.release().await;
            news
        }
    });
    tokio::time::sleep(SOON).await;
    assert!(!waiting.is_finished());
    let first = [order("order-O1", 1, "E1"), order("order-O1", 2, "E2")];
    assert_eq!(append(&one, held, empty, &first).await, Append::Done);
    let news = waiting.await.unwrap();
    let log = all_events(&*one).await;
    let told = |events: &[StoredEvent]| -> Vec<_> {
        let told = events.iter().map(|event| {
            let (leaf, facts) = (event.leaf().unwrap(), event.facts.clone());
            (
                event.head(),
                event.stream.clone(),
                event.version,
                event.event_id.clone(),
                leaf,
                facts,
            )
        });
        told.collect()
    };
    assert_eq!(told(&news), told(&log));

    // only new events are returned, and the head is the position of the last one
    let (last, news) = locked(&other, 1).await;
    assert_eq!(told(&news), told(&log[1..]));
    let second = [order("order-O1", 3, "E3")];
    assert_eq!(append(&other, (last, news), empty, &second).await, Append::Done);
    assert_eq!(other.head().await.unwrap().position, Position(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_free_again_however_it_was_given_up() {
    let database = Database::postgres().await;
    let (one, other) = (database.store().await, database.store().await);
    let head = one.head().await.unwrap();
    for round in 0..4_u32 {
        let (held, news) = locked(&one, u64::from(round)).await;
        assert!(is_taken(&other).await, "round {round}");
        let event = [order("order-O1", round + 1, &format!("E{round}"))];
        assert_eq!(
            append(&one, (held, news), one.head().await.unwrap(), &event).await,
            Append::Done
        );
        assert!(!is_taken(&other).await, "after an append, round {round}");
    }
    let before = all_events(&*one).await.len();
    // an existing event id: nothing is written
    let taken = locked(&one, 0).await;
    assert_eq!(
        append(&one, taken, head, &[order("order-O2", 1, "E1")]).await,
        Append::Conflict
    );
    assert!(!is_taken(&other).await, "after a conflict");
    // a position that is not the head
    let (held, _) = locked(&one, 4).await;
    assert_eq!(
        append(&one, (held, Vec::new()), head, &[order("order-O3", 1, "E9")]).await,
        Append::LostRace
    );
    assert!(!is_taken(&other).await, "after a lost race");
    locked(&one, 0).await.0.release().await;
    assert!(!is_taken(&other).await, "after it was left");
    drop(locked(&one, 0).await);
    assert!(!is_taken(&other).await, "after it was dropped");
    assert_eq!(all_events(&*one).await.len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_in_its_turn_does_not_hold_up_the_others() {
    let database = Database::postgres().await;
    let (stopped, other) = (database.store().await, database.store().await);
    let empty = other.head().await.unwrap();
    let (late, news) = locked(&stopped, 0).await;
    let begun = Instant::now();
    let taken = timeout(Duration::from_secs(8), locked(&other, 0)).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(1), "it had its time");
    assert_eq!(
        append(&other, taken, empty, &[order("order-O1", 1, "E1")]).await,
        Append::Done
    );
    // its turn is over, and the answer says so
    let events = [order("order-O2", 1, "E2")];
    assert!(news.is_empty());
    let batch = Batch {
        expected: empty,
        recorded_at: Timestamp::now(),
        events: &events,
        keys: &[],
        tree: &grown(&*stopped, &events).await,
    };
    let refused = late.append(&batch).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert_eq!(all_events(&*other).await.len(), 1);
}

/// A ledger's writer on a database, as one process has it.
async fn process(database: &Database) -> (Arc<Ingest>, Reader) {
    let store = database.store().await;
    let master = Arc::new(KeyFile::plain(&database.dir.path().join("master.key")));
    let vault = Arc::new(Vault::open(master, &*store).await.unwrap());
    let (ledger, _) = Ledger::start(Arc::clone(&store), Arc::clone(&vault), 1_000)
        .await
        .unwrap();
    let source = Source::parse("coldmailreseller").unwrap();
    let verifier = Verifier::new([], Scheme::default());
    let ingest = Ingest::new(source, verifier, Arc::clone(vault.fingerprints()), ledger);
    (Arc::new(ingest), Reader::new(store, vault))
}

fn looked() -> AccessEvent {
    AccessEvent::CredentialsRevealed(AccessFacts {
        reason: Some("customer asked for a reset".to_owned()),
        ..AccessFacts::by(Actor::cli("root"))
    })
}

/// Webhooks that conflict: few users, orders, subscriptions and domains; some ids with two contents.
fn webhooks(random: &mut StdRng, count: usize) -> Vec<String> {
    let webhook = |_| {
        let (id, order) = (random.random_range(0..count), random.random_range(0..count / 8));
        let (user, subscription) = (order % 5, random.random_range(0..count / 4));
        let (event, data) = match random.random_range(0..4) {
            0 => (
                "subscription.updated",
                json!({"subscriptionId": format!("S{subscription}"), "subscriptionStatus": "ACTIVE"}),
            ),
            1 => (
                "mailbox.updated",
                json!({"mailboxId": format!("M{subscription}"), "userId": format!("U{user}"),
                       "updatedFields": {"password": format!("secret {id}")}}),
            ),
            _ => {
                let mailbox = json!({"mailboxId": format!("M{subscription}"), "email": format!("{id}@d{order}.example"),
                                     "password": format!("secret {id}")});
                let domain = json!({"domain": format!("d{order}.example"), "subscriptionId": format!("S{subscription}"),
                                    "preWarmedUpMailboxes": [mailbox]});
                (
                    "prewarmup.order.success",
                    json!({"orderId": format!("O{order}"), "userId": format!("U{user}"), "mailboxDetails": [domain]}),
                )
            }
        };
        json!({"event": event, "eventId": format!("E{id}"), "data": data}).to_string()
    };
    (0..count).map(webhook).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_in_each_others_way_record_everything_once_and_a_command_gets_its_turn() {
    let database = Database::postgres().await;
    let processes = [
        process(&database).await,
        process(&database).await,
        process(&database).await,
    ];
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut by_body: HashMap<String, Vec<(Outcome, Position)>> = HashMap::new();
    let mut commands = 0;
    for _ in 0..6 {
        let mut sent = Vec::new();
        for body in webhooks(&mut random, 400) {
            // mostly to one process; a retry may well go to another one
            for _ in 0..random.random_range(1..3) {
                let (ingest, body) = (Arc::clone(&processes[random.random_range(0..3)].0), body.clone());
                sent.push(tokio::spawn(async move {
                    let receipt = ingest.record_unsigned(body.as_bytes()).await.unwrap();
                    (body, receipt)
                }));
            }
        }
        record_access(&*database.store().await, looked()).await.unwrap();
        commands += 1;
        for task in sent {
            let (body, receipt) = task.await.unwrap();
            by_body
                .entry(body)
                .or_default()
                .push((receipt.outcome, receipt.position));
        }
    }
    let log = sound_log(&*database.store().await).await;
    assert_eq!(log.len(), by_body.len() + commands, "seed {seed}");
    // a later process opens all of it: whichever process made a data key, only the stored one is used
    let (_, reader) = process(&database).await;
    let mut quarantined = 0;
    for (body, receipts) in &by_body {
        let first: Vec<_> = receipts
            .iter()
            .filter(|(outcome, _)| *outcome != Outcome::Duplicate)
            .collect();
        assert_eq!(first.len(), 1, "{receipts:?}, seed {seed}");
        let (outcome, position) = first[0];
        assert!(
            receipts.iter().all(|(_, other)| other == position),
            "{receipts:?}, seed {seed}"
        );
        quarantined += usize::from(*outcome == Outcome::Quarantined);
        let event = &log[usize::try_from(position.0).unwrap() - 1];
        let original = reader.original(event).await.unwrap();
        let (kept, sent): (Value, Value) = (
            serde_json::from_slice(original.body.expose()).unwrap(),
            serde_json::from_str(body).unwrap(),
        );
        assert_eq!(kept, sent, "at {position}, seed {seed}");
    }
    assert!(
        quarantined > 10,
        "{quarantined} ids stood for two contents, seed {seed}"
    );
}

/// Holds the lock by hand while `begun` sends a webhook that has to wait for it, and appends an event before that.
async fn meanwhile<T>(store: &Arc<dyn Store>, begun: impl Future<Output = T>, event: NewEvent) -> T {
    let head = store.head().await.unwrap();
    let held = locked(store, head.position.0).await;
    let (answer, appended) = tokio::join!(begun, async {
        tokio::time::sleep(SOON).await;
        append(store, held, head, &[event]).await
    });
    assert_eq!(appended, Append::Done);
    answer
}

fn renewal(event_id: &str, subscription: &str) -> String {
    webhook(event_id, subscription, "ACTIVE")
}

/// The event at a position, with its leaf hash checked against it.
async fn placed(store: &Arc<dyn Store>, position: u64) -> StoredEvent {
    let event = all_events(&**store)
        .await
        .swap_remove(usize::try_from(position - 1).unwrap());
    assert_eq!(event.position, Position(position));
    assert_eq!(event.leaf().unwrap(), Envelope::of_stored(&event).leaf_hash().unwrap());
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_decided_behind_what_came_in_meanwhile() {
    let database = Database::postgres().await;
    let (outside, (ingest, _)) = (database.store().await, process(&database).await);
    let record = async |body: String| ingest.record_unsigned(body.as_bytes()).await.unwrap();
    // the first one loses its race; from then on it takes the lock first
    let first = meanwhile(&outside, record(renewal("E1", "S1")), order("order-O1", 1, "X1")).await;
    assert_eq!((first.position.0, first.stream.as_str()), (2, "subscription-S1"));
    let moved = meanwhile(&outside, record(renewal("E2", "S2")), order("order-O2", 1, "X2")).await;
    assert_eq!((moved.position.0, moved.stream.as_str()), (4, "subscription-S2"));
    placed(&outside, 4).await;
    // an order with the same subscription (subscriptions are named like their events here)
    let found = meanwhile(&outside, record(renewal("E3", "S3")), order("order-O3", 1, "S3")).await;
    assert_eq!((found.position.0, found.stream.as_str()), (6, "order-O3"));
    assert_eq!(placed(&outside, 6).await.version, 2);
    // an event of the same stream
    let next = meanwhile(&outside, record(renewal("E4", "S3")), order("order-O3", 3, "X4")).await;
    assert_eq!((next.position.0, next.stream.as_str()), (8, "order-O3"));
    assert_eq!(placed(&outside, 8).await.version, 4);
    // the same event
    let same = meanwhile(&outside, record(renewal("X5", "S3")), order("order-O5", 1, "X5")).await;
    assert_eq!((same.outcome, same.position.0), (Outcome::Quarantined, 10));
    let log = all_events(&*outside).await;
    assert_eq!(super::batches::conflict(&log[9]), Some(Position(9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_within_a_batch_that_waits_names_the_place_that_it_gets() {
    let database = Database::postgres().await;
    let (outside, (ingest, _)) = (database.store().await, process(&database).await);
    let begin = |body: String| {
        let ingest = Arc::clone(&ingest);
        tokio::spawn(async move { ingest.record_unsigned(body.as_bytes()).await.unwrap() })
    };
    let first = async { begin(renewal("E1", "S1")).await.unwrap() };
    meanwhile(&outside, first, order("order-O1", 1, "X1")).await;
    // while one waits for the lock, two that form the next batch come in, and another process queues in between
    let head = outside.head().await.unwrap();
    let held = locked(&outside, head.position.0).await;
    let plug = begin(renewal("E2", "S2"));
    wait_in_line(&database, 1).await;
    let mut pair = Vec::new();
    for status in ["ACTIVE", "EXPIRED"] {
        pair.push(begin(webhook("E3", "S2", status)));
        tokio::time::sleep(SOON / 10).await;
    }
    let other = database.store().await;
    let between = tokio::spawn(async move {
        let (held, news) = locked(&other, 3).await;
        // by now the pair is planned, and waits
        tokio::time::sleep(SOON).await;
        append(&other, (held, news), head, &[order("order-O9", 1, "X9")]).await
    });
    wait_in_line(&database, 2).await;
    assert_eq!(
        append(&outside, held, head, &[order("order-O8", 1, "X8")]).await,
        Append::Done
    );
    // those who wait get their turns in the order of asking
    let (between, plug) = (between.await.unwrap(), plug.await.unwrap());
    assert_eq!((between, plug.position), (Append::Done, Position(4)));
    let [recorded, quarantined] = [pair.remove(0).await.unwrap(), pair.remove(0).await.unwrap()];
    assert_eq!((recorded.outcome, recorded.position), (Outcome::Recorded, Position(6)));
    assert_eq!(
        (quarantined.outcome, quarantined.position),
        (Outcome::Quarantined, Position(7))
    );
    assert_eq!(super::batches::conflict(&placed(&outside, 7).await), Some(Position(6)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_has_fallen_far_behind_where_others_append_goes_on_at_once() {
    let database = Database::postgres().await;
    let (outside, (ingest, _)) = (database.store().await, process(&database).await);
    fill_with_leaves(&*outside, 3).await;
    let record = async |body: String| ingest.record_unsigned(body.as_bytes()).await.unwrap();
    // it notices that others append, and then sleeps while they append more than it would ever read; one of their
    // streams has four events, and its own webhook takes the version of the last
    record(renewal("E-1", "S1")).await;
    for events in [103, 12_503] {
        let head = outside.head().await.unwrap().position.0;
        fill_with_leaves(&*outside, events).await;
        let begun = Instant::now();
        let receipt = record(renewal(&format!("E-after-{events}"), "S1")).await;
        assert_eq!(receipt.position.0, head + events + 1);
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "after {events}: {:?}",
            begun.elapsed()
        );
    }
    let command = record_access(&*outside, looked()).await.unwrap();
    let log = all_events(&*outside).await;
    assert_eq!(log.len() as u64, command.0);
    let mut growth = Growth::default();
    log.iter().for_each(|event| growth.push(event.leaf().unwrap()));
    assert_eq!(&outside.tree().await.unwrap().frontier, growth.frontier());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_webhooks_takes_no_turn() {
    let database = Database::postgres().await;
    let outside = database.store().await;
    let process = Process::on(&database, FaultyStore::new(database.store().await, 100), 100).await;
    let record = async |body: String| process.record(body).await;
    // the first one loses its race, and the batch behind it is empty
    meanwhile(&outside, record(renewal("E1", "S1")), order("order-O1", 1, "X1")).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(process.store.turns(), 1);
    record(renewal("E2", "S1")).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(process.store.turns(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_its_turn_is_recorded_once() {
    let database = Database::postgres().await;
    let outside = database.store().await;
    let process = Process::on(&database, FaultyStore::new(database.store().await, 100), 100).await;
    let record = async |body: String| process.record(body).await;
    meanwhile(&outside, record(renewal("E1", "S1")), order("order-O1", 1, "X1")).await;
    for (number, fault) in (2..).zip([Fault::AnswerLost, Fault::Unwritten, Fault::AnswerLost]) {
        process.store.fail([fault]);
        let event = order(&format!("order-O{number}"), 1, &format!("X{number}"));
        let receipt = meanwhile(&outside, record(renewal(&format!("E{number}"), "S1")), event).await;
        assert_eq!((receipt.outcome, receipt.position.0), (Outcome::Recorded, 2 * number));
    }
    assert_eq!(all_events(&*outside).await.len(), 8);
}
