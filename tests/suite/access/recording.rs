//! An access becomes a durable event in the log, once.

use std::sync::Arc;

use aggregates::{AccessEvent, AccessFacts, Actor, MailboxId, Position, SubjectId};
use serde_json::json;
use warmledger::ingest::Ingest;
use warmledger::ingest::signature::{Scheme, Verifier};
use warmledger::ledger::{Ledger, Outcome, record_access};
use warmledger::store::Store;
use warmledger::vault::{KeyFile, Vault};

use crate::on_both_stores;
use crate::support::Database;
use crate::support::faulty::{Fault, FaultyStore};
use crate::support::log::sound_log;

on_both_stores!(
    what_people_do_stands_in_the_one_order_of_all_events,
    an_access_event_whose_answer_was_lost_is_recorded_once,
);

fn revealed(mailbox: &str) -> AccessEvent {
    AccessEvent::CredentialsRevealed(AccessFacts {
        mailbox_id: MailboxId::parse(mailbox).ok(),
        subject: SubjectId::parse("U1").ok(),
        reason: Some("customer asked for a reset".to_owned()),
        ..AccessFacts::by(Actor::cli("root"))
    })
}

async fn ledger(database: &Database, store: Arc<dyn Store>) -> (Ledger, Ingest) {
    let master = Arc::new(KeyFile::plain(&database.dir.path().join("master.key")));
    let vault = Arc::new(Vault::open(master, &*store).await.unwrap());
    let (ledger, _) = Ledger::start(store, Arc::clone(&vault), 1_000).await.unwrap();
    let fingerprints = Arc::clone(vault.fingerprints());
    let source = aggregates::Source::parse("coldmailreseller").unwrap();
    let ingest = Ingest::new(
        source,
        Verifier::new([], Scheme::default()),
        fingerprints,
        ledger.clone(),
    );
    (ledger, ingest)
}

async fn what_people_do_stands_in_the_one_order_of_all_events(database: Database) {
    let store = database.store().await;
    let (ledger, ingest) = ledger(&database, Arc::clone(&store)).await;
    let mut tasks = tokio::task::JoinSet::new();
    let ingest = Arc::new(ingest);
    for n in 0..10 {
        let (ledger, ingest, store) = (ledger.clone(), Arc::clone(&ingest), database.store().await);
        tasks.spawn(async move {
            let data = json!({"subscriptionId": format!("S{n}"), "userId": "U1"});
            let body = json!({"event": "subscription.updated", "eventId": format!("E{n}"), "data": data});
            ingest.record_unsigned(body.to_string().as_bytes()).await.unwrap();
            ledger.record_access(revealed(&format!("M{n}"))).await.unwrap();
            // as a command beside the service records it, without any key
            record_access(&*store, revealed(&format!("N{n}"))).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let log = sound_log(&*store).await;
    assert_eq!(log.len(), 30);
    let access: Vec<_> = log
        .iter()
        .filter(|event| event.source.as_str() == "warmledger")
        .collect();
    assert_eq!(access.len(), 20);
    for event in access {
        assert_eq!(event.stream.category(), "access");
        assert_eq!(event.type_name, "CredentialsRevealed");
        assert_eq!(event.subject.as_str(), "U1");
        assert!(event.sealed.personal.is_none() && event.sealed.secrets.is_none() && event.sealed.original.is_none());
        let recorded = event.to_recorded().unwrap();
        let facts = recorded.access().unwrap().facts();
        assert_eq!(facts.actor.id.as_str(), "cli:root");
        assert_eq!(facts.reason.as_deref(), Some("customer asked for a reset"));
    }
}

async fn an_access_event_whose_answer_was_lost_is_recorded_once(database: Database) {
    let store = FaultyStore::new(database.store().await, 1_000);
    let (ledger, _ingest) = ledger(&database, Arc::clone(&store) as _).await;
    store.fail([Fault::AnswerLost]);
    let receipt = ledger.record_access(revealed("M1")).await.unwrap();
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Recorded, Position(1)));
    store.fail([Fault::Unwritten, Fault::AnswerLost]);
    let receipt = ledger.record_access(revealed("M2")).await.unwrap();
    assert_eq!((receipt.outcome, receipt.position), (Outcome::Recorded, Position(2)));
    let receipt = ledger.record_access(revealed("M1")).await.unwrap();
    assert_eq!(
        receipt.position,
        Position(3),
        "the same thing done again is another event"
    );
    assert_eq!(sound_log(&*store).await.len(), 3);
}
