//! One batch in flight, and the next one planned on top of it: whatever the result of the first, the log has every
//! webhook once and in order.

use aggregates::Position;
use tokio::task::JoinHandle;
use warmledger::ledger::{Outcome, Receipt};

use super::batches::{Process, conflict, outcomes, webhook};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::faulty::{Fault, FaultyStore};
use crate::support::log::{all_events, sound_log};

on_both_stores!(
    one_batch_is_in_flight_and_the_next_one_gathers,
    what_counted_on_a_batch_that_failed_is_decided_again,
    what_counted_on_a_batch_whose_answer_was_lost_is_not_repeated,
    two_batches_whose_answers_were_lost_are_not_repeated,
    a_repeat_is_not_answered_before_its_first_is_durable,
    an_id_that_another_process_has_taken_is_found_behind_another_batch,
    another_process_may_be_faster,
    a_state_that_is_not_durable_yet_counts,
);

type Begun = Vec<JoinHandle<Result<Receipt, String>>>;

/// A process whose batches are held up.
async fn held_up(database: &Database) -> Process {
    let store = FaultyStore::new(database.store().await, 0);
    Process::on(database, store, 100).await
}

/// Starts recording these batches; the first is submitted alone.
async fn in_flight(process: &Process, batches: &[&[String]]) -> Begun {
    let mut begun = Vec::new();
    for bodies in batches {
        for body in *bodies {
            begun.push(process.begin(body.clone()));
            // spawned tasks run in any order: let this one reach the queue
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        process.store.appends_begun(1).await;
    }
    begun
}

async fn one_batch_is_in_flight_and_the_next_one_gathers(database: Database) {
    let process = held_up(&database).await;
    let one = |id: &str| webhook(id, "S1", "ACTIVE");
    let begun = in_flight(&process, &[&[one("E1")], &[one("E2")], &[one("E3"), one("E4")]]).await;
    assert_eq!(process.store.batches(), [1]);
    assert_eq!(all_events(&*process.store).await.len(), 0);
    process.store.let_pass(10);
    let recorded = (1..=4).map(|position| (Outcome::Recorded, position));
    assert_eq!(outcomes(begun).await, Vec::from_iter(recorded));
    assert_eq!(process.store.batches(), [1, 3]);
    let log = sound_log(&*process.store).await;
    assert_eq!(log[3].version, 4);
}

async fn what_counted_on_a_batch_that_failed_is_decided_again(database: Database) {
    let process = held_up(&database).await;
    process.store.fail([Fault::Unwritten]);
    let one = |id: &str| webhook(id, "S1", "ACTIVE");
    let begun = in_flight(&process, &[&[one("E1")], &[one("E2")], &[one("E3")]]).await;
    process.store.let_pass(10);
    let recorded = (1..=3).map(|position| (Outcome::Recorded, position));
    assert_eq!(outcomes(begun).await, Vec::from_iter(recorded));
    let log = sound_log(&*process.store).await;
    assert_eq!(log[2].version, 3);
}

async fn what_counted_on_a_batch_whose_answer_was_lost_is_not_repeated(database: Database) {
    not_repeated(&database, [Fault::AnswerLost].into()).await;
}

async fn two_batches_whose_answers_were_lost_are_not_repeated(database: Database) {
    not_repeated(&database, [Fault::AnswerLost, Fault::AnswerLost].into()).await;
}

async fn not_repeated(database: &Database, faults: Vec<Fault>) {
    let process = held_up(database).await;
    process.store.fail(faults);
    let one = |id: &str| webhook(id, "S1", "ACTIVE");
    let begun = in_flight(&process, &[&[one("E1")], &[one("E2")], &[one("E3")]]).await;
    process.store.let_pass(10);
    let recorded = (1..=3).map(|position| (Outcome::Recorded, position));
    assert_eq!(outcomes(begun).await, Vec::from_iter(recorded));
    assert_eq!(sound_log(&*process.store).await.len(), 3);
}

async fn a_repeat_is_not_answered_before_its_first_is_durable(database: Database) {
    let process = held_up(&database).await;
    let one = |id: &str| webhook(id, "S1", "ACTIVE");
    let mut begun = in_flight(&process, &[&[one("E1")], &[one("E2")]]).await;
    let repeats = [process.begin(one("E1")), process.begin(one("E2"))];
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(repeats.iter().all(|repeat| !repeat.is_finished()));
    process.store.fail([Fault::Unwritten]);
    process.store.let_pass(10);
    begun.extend(repeats);
    assert_eq!(
        outcomes(begun).await,
        [
            (Outcome::Recorded, 1),
            (Outcome::Recorded, 2),
            (Outcome::Duplicate, 1),
            (Outcome::Duplicate, 2)
        ]
    );
    assert_eq!(sound_log(&*process.store).await.len(), 2);
}

async fn an_id_that_another_process_has_taken_is_found_behind_another_batch(database: Database) {
    let (process, other) = (held_up(&database).await, held_up(&database).await);
    other.store.let_pass(10);
    other.record(webhook("E2", "S1", "EXPIRED")).await;
    process.store.let_pass(10);
    process.record(webhook("E0", "S1", "ACTIVE")).await;
    // restarted, so that the first event is not cached
    let process = held_up(&database).await;
    let begun = in_flight(
        &process,
        &[
            &[webhook("E1", "S1", "ACTIVE")],
            &[webhook("E2", "S1", "ACTIVE")],
            &[webhook("E3", "S1", "ACTIVE")],
        ],
    )
    .await;
    process.store.let_pass(10);
    assert_eq!(
        outcomes(begun).await,
        [
            (Outcome::Recorded, 3),
            (Outcome::Quarantined, 4),
            (Outcome::Recorded, 5)
        ]
    );
    assert_eq!(conflict(&sound_log(&*process.store).await[3]), Some(Position(1)));
}

async fn another_process_may_be_faster(database: Database) {
    let (process, other) = (held_up(&database).await, held_up(&database).await);
    other.store.let_pass(10);
    let one = |id: &str| webhook(id, "S1", "ACTIVE");
    let begun = in_flight(&process, &[&[one("E1")], &[one("E2")]]).await;
    assert_eq!(other.record(one("E0")).await.position, Position(1));
    process.store.let_pass(10);
    assert_eq!(outcomes(begun).await, [(Outcome::Recorded, 2), (Outcome::Recorded, 3)]);
    // for a while it plans none ahead, as the other process may append again
    let (first, later) = (process.begin(one("E3")), process.begin(one("E4")));
    assert_eq!(outcomes(vec![first]).await[0].0, Outcome::Recorded);
    assert_eq!(outcomes(vec![later]).await[0].0, Outcome::Recorded);
    let log = sound_log(&*process.store).await;
    assert_eq!((log.len(), log[4].version), (5, 5));
}

async fn a_state_that_is_not_durable_yet_counts(database: Database) {
    let process = held_up(&database).await;
    let assigned = r#"{"event":"prewarmup.order.success","eventId":"E1","data":{"orderId":"O1","userId":"U1","mailboxDetails":[
        {"domain":"a.example","subscriptionId":"S1","preWarmedUpMailboxes":[]}]}}"#;
    // both find the order by its subscription in the batch in flight or planned on top of it
    let begun = in_flight(
        &process,
        &[
            &[assigned.to_owned()],
            &[webhook("E2", "S1", "ACTIVE")],
            &[webhook("E3", "S1", "ACTIVE")],
        ],
    )
    .await;
    process.store.let_pass(10);
    outcomes(begun).await;
    let log = sound_log(&*process.store).await;
    let streams: Vec<&str> = log.iter().map(|event| event.stream.as_str()).collect();
    assert_eq!(streams, ["order-O1"; 3]);
}
