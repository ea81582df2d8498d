//! Webhooks of one batch, lost races and lost answers, on a store that can be held up and fail on purpose.

use std::sync::Arc;

use aggregates::{Event, OrderEvent, Position, Source};
use serde_json::json;
use warmledger::ingest::Ingest;
use warmledger::ingest::signature::{Scheme, Verifier};
use warmledger::ledger::{Ledger, Outcome, Receipt, RecordError};
use warmledger::store::Store;
use warmledger::vault::{KeyFile, Vault};

use crate::on_both_stores;
use crate::support::faulty::{Fault, FaultyStore};
use crate::support::log::{all_events, sound_log};
use crate::support::{Database, fixture};

on_both_stores!(
    one_bad_webhook_does_not_harm_its_batch,
    a_quarantine_decided_before_a_lost_race_is_decided_anew,
    a_commit_whose_answer_was_lost_is_not_repeated,
    an_attempt_that_failed_is_not_mistaken_for_what_another_process_recorded_there,
    a_failure_that_passes_is_not_noticed_by_the_sender,
    a_store_that_stays_away_is_told_and_nothing_is_kept,
    a_full_queue_is_told_at_once,
    the_store_is_asked_for_nothing_that_is_remembered_or_not_needed,
    a_process_that_was_just_started_appends_what_orders_know_at_the_first_attempt,
    a_domain_leads_to_the_order_that_got_it_whichever_other_was_told_of_it_since,
);

/// A ledger's writer on a database, as one process has it.
pub(super) struct Process {
    ingest: Arc<Ingest>,
    pub(super) store: Arc<FaultyStore>,
}

impl Process {
    /// A process whose store lets this many appends pass before it holds them up.
    pub(super) async fn start(database: &Database, appends: usize, capacity: usize) -> Self {
        Self::on(database, FaultyStore::new(database.store().await, appends), capacity).await
    }

    pub(super) async fn on(database: &Database, store: Arc<FaultyStore>, capacity: usize) -> Self {
        let master = Arc::new(KeyFile::plain(&database.dir.path().join("master.key")));
        let vault = Arc::new(Vault::open(master, &*store).await.unwrap());
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let (ledger, _) = Ledger::start(shared, Arc::clone(&vault), capacity).await.unwrap();
        let source = Source::parse("coldmailreseller").unwrap();
        let verifier = Verifier::new([], Scheme::default());
        let ingest = Ingest::new(source, verifier, Arc::clone(vault.fingerprints()), ledger);
        Self {
            ingest: Arc::new(ingest),
            store,
        }
    }

    pub(super) async fn record(&self, body: impl Into<String>) -> Receipt {
        self.begin(body).await.unwrap().unwrap()
    }

    /// Starts recording a webhook; they are queued in the order of these calls.
    pub(super) fn begin(&self, body: impl Into<String>) -> tokio::task::JoinHandle<Result<Receipt, String>> {
        let (ingest, body) = (Arc::clone(&self.ingest), body.into());
        tokio::spawn(async move {
            let recorded = ingest.record_unsigned(body.as_bytes()).await;
            recorded.map_err(|error| error.to_string())
        })
    }

    /// Starts recording webhooks that form one batch, while another is held up on its way to the store.
    async fn begin_batch(&self, bodies: Vec<String>) -> Vec<tokio::task::JoinHandle<Result<Receipt, String>>> {
        let before = self.store.batches().len();
        let plug = self.begin(webhook(&format!("PLUG-{before}"), "SPLUG", "ACTIVE"));
        self.store.appends_begun(before + 1).await;
        let mut begun = Vec::new();
        for body in bodies {
            begun.push(self.begin(body));
            // spawned tasks run in any order: let this one reach the queue
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.store.let_pass(1);
        plug.await.unwrap().unwrap();
        self.store.appends_begun(before + 2).await;
        begun
    }
}

pub(super) fn webhook(event_id: &str, subscription: &str, status: &str) -> String {
    let data = json!({"subscriptionId": subscription, "subscriptionStatus": status, "userId": "U1"});
    json!({"event": "subscription.updated", "eventId": event_id, "data": data}).to_string()
}

pub(super) async fn outcomes(begun: Vec<tokio::task::JoinHandle<Result<Receipt, String>>>) -> Vec<(Outcome, u64)> {
    let mut outcomes = Vec::new();
    for task in begun {
        let receipt = task.await.unwrap().unwrap();
        outcomes.push((receipt.outcome, receipt.position.0));
    }
    outcomes
}

async fn one_bad_webhook_does_not_harm_its_batch(database: Database) {
    let process = Process::start(&database, 1, 100).await;
    process.record(webhook("E1", "S1", "ACTIVE")).await;
    let batch = process
        .begin_batch(vec![
            webhook("E2", "S1", "ACTIVE"),
            webhook("E1", "S1", "ACTIVE"),    // recorded before
            webhook("E1", "S1", "CANCELLED"), // with other content
            webhook("E3", "S2", "ACTIVE"),
            webhook("E2", "S1", "EXPIRED"), // as the first of this batch, with other content
            webhook("E2", "S1", "ACTIVE"),  // repeats the first of this batch
            "{\"broken".to_owned(),
            "{\"broken".to_owned(), // repeats what is broken
            webhook("E4", "S1", "ACTIVE"),
        ])
        .await;
    process.store.let_pass(10);
    let outcomes = outcomes(batch).await;
    assert_eq!(
        outcomes,
        [
            (Outcome::Recorded, 3),
            (Outcome::Duplicate, 1),
            (Outcome::Quarantined, 4),
            (Outcome::Recorded, 5),
            (Outcome::Quarantined, 6),
            (Outcome::Duplicate, 3),
            (Outcome::Quarantined, 7),
            (Outcome::Duplicate, 7),
            (Outcome::Recorded, 8),
        ]
    );
    assert_eq!(process.store.batches(), [1, 1, 6], "it was one batch");
    let log = sound_log(&*process.store).await;
    assert_eq!(conflict(&log[3]), Some(Position(1)));
    assert_eq!(conflict(&log[5]), Some(Position(3)));
}

pub(super) fn conflict(event: &warmledger::store::StoredEvent) -> Option<Position> {
    match event.to_recorded().unwrap().event {
        Event::Order(OrderEvent::WebhookQuarantined(facts)) => facts.conflicts_with,
        other => panic!("{} is not quarantined", other.type_name()),
    }
}

async fn a_quarantine_decided_before_a_lost_race_is_decided_anew(database: Database) {
    let (process, other) = (
        Process::start(&database, 0, 100).await,
        Process::start(&database, 100, 100).await,
    );
    let batch = process
        .begin_batch(vec![
            webhook("E1", "S1", "ACTIVE"),
            webhook("E1", "S1", "EXPIRED"),
            webhook("E2", "S2", "ACTIVE"),
            webhook("E2", "S2", "EXPIRED"),
        ])
        .await;
    // planned, but not appended yet; meanwhile another process appends two events, one of them with the first id
    assert_eq!(other.record(webhook("E0", "S0", "ACTIVE")).await.position, Position(2));
    let first = other.record(webhook("E1", "S1", "EXPIRED")).await;
    assert_eq!((first.outcome, first.position), (Outcome::Recorded, Position(3)));
    process.store.let_pass(10);
    assert_eq!(
        outcomes(batch).await,
        [
            (Outcome::Quarantined, 4), // the other content of E1 came first after all
            (Outcome::Duplicate, 3),
            (Outcome::Recorded, 5),
            (Outcome::Quarantined, 6),
        ]
    );
    let log = sound_log(&*process.store).await;
    assert_eq!(log.len(), 6);
    assert_eq!(conflict(&log[3]), Some(Position(3)));
    assert_eq!(
        conflict(&log[5]),
        Some(Position(5)),
        "it names the event that has the id"
    );
}

async fn a_commit_whose_answer_was_lost_is_not_repeated(database: Database) {
    let (process, other) = (
        Process::start(&database, 100, 100).await,
        Process::start(&database, 100, 100).await,
    );
    // twice in a row, to be sure; then with a quarantined webhook in the batch
    process.store.fail([Fault::AnswerLost]);
    let receipt = process.record(webhook("E1", "S1", "ACTIVE")).await;
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Recorded, Position(1)));
    process.store.fail([Fault::AnswerLost]);
    let receipt = process.record(webhook("E1", "S1", "EXPIRED")).await;
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Quarantined, Position(2)));
    process.store.fail([Fault::Unwritten, Fault::AnswerLost]);
    let receipt = process.record(webhook("E2", "S1", "ACTIVE")).await;
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Recorded, Position(3)));
    // its cache is still right, for itself and for the other process
    for process in [&process, &other] {
        let again = process.record(webhook("E2", "S1", "ACTIVE")).await;
        assert_eq!((again.outcome, again.position), (Outcome::Duplicate, Position(3)));
    }
    assert_eq!(other.record(webhook("E3", "S1", "ACTIVE")).await.position, Position(4));
    assert_eq!(
        process.record(webhook("E4", "S1", "ACTIVE")).await.position,
        Position(5)
    );
    let log = sound_log(&*process.store).await;
    assert_eq!(log.len(), 5);
    assert_eq!(log[4].version, 4, "the state of the stream is still right");
}

async fn an_attempt_that_failed_is_not_mistaken_for_what_another_process_recorded_there(database: Database) {
    let (process, other) = (
        Process::start(&database, 1, 100).await,
        Process::start(&database, 100, 100).await,
    );
    process.store.fail([Fault::Unwritten]);
    let begun = process.begin(webhook("E1", "S1", "ACTIVE"));
    process.store.appends_begun(2).await;
    // the second attempt is held up, and another process takes the position with the same id for other content
    let first = other.record(webhook("E1", "S1", "EXPIRED")).await;
    assert_eq!((first.outcome, first.position), (Outcome::Recorded, Position(1)));
    process.store.let_pass(10);
    let receipt = begun.await.unwrap().unwrap();
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Quarantined, Position(2)));
    assert_eq!(sound_log(&*process.store).await.len(), 2);
}

async fn a_failure_that_passes_is_not_noticed_by_the_sender(database: Database) {
    let process = Process::start(&database, 100, 100).await;
    process
        .store
        .fail([Fault::Unwritten, Fault::Unwritten, Fault::Unwritten]);
    let receipt = process.record(webhook("E1", "S1", "ACTIVE")).await;
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Recorded, Position(1)));
    assert_eq!(sound_log(&*process.store).await.len(), 1);
}

async fn a_store_that_stays_away_is_told_and_nothing_is_kept(database: Database) {
    let process = Process::start(&database, 1_000, 100).await;
    // fail the first attempt and every retry
    process.store.fail((0..65).map(|_| Fault::Unwritten));
    let refused = process
        .ingest
        .record_unsigned(webhook("E1", "S1", "ACTIVE").as_bytes())
        .await;
    let Err(warmledger::ingest::IngestError::Record(RecordError::Store(error))) = refused else {
        panic!("the webhook is not refused for the store")
    };
    assert!(error.is_transient());
    assert_eq!(all_events(&*process.store).await.len(), 0);
    let receipt = process.record(webhook("E1", "S1", "ACTIVE")).await;
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Recorded, Position(1)));
}

async fn a_full_queue_is_told_at_once(database: Database) {
    let process = Process::start(&database, 0, 3).await;
    let held = process.begin(webhook("E0", "S1", "ACTIVE"));
    process.store.appends_begun(1).await;
    let queued: Vec<_> = (1..=3)
        .map(|n| process.begin(webhook(&format!("E{n}"), "S1", "ACTIVE")))
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    for number in 4..9 {
        let refused = process
            .begin(webhook(&format!("E{number}"), "S1", "ACTIVE"))
            .await
            .unwrap();
        assert_eq!(refused, Err("the queue is full".to_owned()));
    }
    process.store.let_pass(10);
    for accepted in queued.into_iter().chain([held]) {
        assert_eq!(
            accepted.await.unwrap().map(|receipt| receipt.outcome),
            Ok(Outcome::Recorded)
        );
    }
    assert_eq!(sound_log(&*process.store).await.len(), 4);
}

async fn the_store_is_asked_for_nothing_that_is_remembered_or_not_needed(database: Database) {
    const SUBSCRIPTION: &str = "KX9V77PVMFMZH4PTPF2Y99PKYAT2";
    const ORDER: &str = "order-WR3N4JEW3D76N6KGRQSG36SSHBXK";
    let process = Process::start(&database, 100, 100).await;
    let order = String::from_utf8(fixture("prewarmup.order.success.json")).unwrap();
    process.record(order).await;
    process.store.asked();
    process.record(webhook("E1", SUBSCRIPTION, "ACTIVE")).await;
    assert_eq!(
        process.store.asked(),
        [] as [&str; 0],
        "its order has just been recorded"
    );
    process.record(webhook("E2", "S9", "ACTIVE")).await;
    assert_eq!(
        process.store.asked(),
        ["a reference", "subscription-S9"],
        "it may wait there already"
    );

    let process = Process::start(&database, 100, 100).await;
    // the key's subject is looked up once
    process.record(webhook("E0", "S8", "ACTIVE")).await;
    process.store.asked();
    process.record(webhook("E3", SUBSCRIPTION, "ACTIVE")).await;
    assert_eq!(process.store.asked(), ["a reference", ORDER]);
    process.record(webhook("E4", SUBSCRIPTION, "ACTIVE")).await;
    assert_eq!(process.store.asked(), [] as [&str; 0], "what led there is remembered");
    process.record(webhook("E5", "S9", "ACTIVE")).await;
    assert_eq!(process.store.asked(), ["a reference", "subscription-S9"]);

    let events = all_events(&*process.store).await;
    let streams: Vec<&str> = events.iter().map(|event| event.stream.as_str()).collect();
    let waiting = ["subscription-S9", "subscription-S8"];
    assert_eq!(
        streams,
        [ORDER, ORDER, waiting[0], waiting[1], ORDER, ORDER, waiting[0]]
    );
    sound_log(&*process.store).await;
}

async fn a_process_that_was_just_started_appends_what_orders_know_at_the_first_attempt(database: Database) {
    let process = Process::start(&database, 100, 100).await;
    let order = String::from_utf8(fixture("prewarmup.order.success.json")).unwrap();
    process.record(order).await;

    let process = Process::start(&database, 100, 100).await;
    let data = json!({"subscriptionId": "KX9V77PVMFMZH4PTPF2Y99PKYAT2"});
    let renewal = json!({"event": "subscription.renewal.success", "eventId": "E1", "data": data});
    process.store.asked();
    process.record(renewal.to_string()).await;
    assert_eq!(
        process.store.asked(),
        ["a reference", "order-WR3N4JEW3D76N6KGRQSG36SSHBXK", "a key"]
    );
    assert_eq!(process.store.batches().len(), 1, "a new key would have been refused");
    let events = sound_log(&*process.store).await;
    assert_eq!(events[1].subject, events[0].subject);
}

async fn a_domain_leads_to_the_order_that_got_it_whichever_other_was_told_of_it_since(database: Database) {
    let named = |event_id: &str| {
        json!({"event": "domain.something", "eventId": event_id, "data": {"domain": "b.com"}}).to_string()
    };
    let order = |event_id: &str, order: &str, domain: &str, subscription: &str| {
        let details = json!([{"domain": domain, "subscriptionId": subscription, "preWarmedUpMailboxes": []}]);
        let data = json!({"userId": "U1", "orderId": order, "serviceProvider": "GOOGLE", "mailboxDetails": details});
        json!({"event": "prewarmup.order.success", "eventId": event_id, "data": data}).to_string()
    };
    Process::start(&database, 100, 100).await.record(named("E1")).await;
    let process = Process::start(&database, 100, 100).await;
    process.record(order("E2", "O2", "b.com", "S2")).await;
    process.record(order("E3", "O1", "a.com", "S1")).await;
    process.record(named("E4")).await;
    // the domain was not assigned to O1, only mentioned
    let data =
        json!({"userId": "U1", "subscriptionId": "S1", "domainName": "b.com", "mailboxId": "M1", "email": "a@b.com"});
    let created = json!({"event": "mailbox.created", "eventId": "E5", "data": data}).to_string();
    process.record(created).await;
    process.record(named("E6")).await;
    // from the store, and then from the cache
    let process = Process::start(&database, 100, 100).await;
    process.record(named("E7")).await;
    process.record(named("E8")).await;

    let events = sound_log(&*process.store).await;
    let streams: Vec<&str> = events.iter().map(|event| event.stream.as_str()).collect();
    let expected = [
        "domain-b.com",
        "order-O2",
        "order-O1",
        "order-O2",
        "order-O1",
        "order-O2",
        "order-O2",
        "order-O2",
    ];
    assert_eq!(streams, expected);
}
