//! The canonical leaf of an event equals an independent program's, and its hash is stored.

use aggregates::{EventId, OrderEvent, Position, Source, StreamId, SubjectId};
use serde_json::Value;
use warmledger::ledger::leaf::{Envelope, SectionHashes};
use warmledger::sealing::Sealed;
use warmledger::store::SealedSections;

use crate::on_both_stores;
use crate::support::log::sound_log;
use crate::support::{Database, fixture};

on_both_stores!(the_stored_leaf_hash_is_that_of_the_event_as_it_is_read_back);

#[test]
fn leaves_are_those_of_an_independent_program() {
    let golden = include_str!("../fixtures/leaves.jsonl");
    for line in golden.lines() {
        let golden: Value = serde_json::from_str(line).unwrap();
        let envelope = &golden["envelope"];
        let text = |field: &str| envelope[field].as_str().unwrap().to_owned();
        let number = |field: &str| envelope[field].as_u64().unwrap();
        let sealed = |section: &str| {
            let bytes = envelope["sealed"][section].as_str()?;
            Some(Sealed::from_bytes(hex::decode(bytes).unwrap()))
        };
        let schema_version = u32::try_from(number("schemaVersion")).unwrap();
        // sorted by key, as the ledger stores them
        let facts = envelope["facts"].to_string();
        let event = OrderEvent::from_stored(&text("type"), schema_version, &facts).unwrap();
        // a domain that was stored in Unicode is written in its ASCII form today
        let today = facts.replace("müller.example", "xn--mller-kva.example");
        if schema_version == event.schema_version() {
            assert_eq!(event.to_facts().unwrap(), today);
        }
        let type_name = text("type");
        let envelope = Envelope {
            position: Position(number("position")),
            stream: &StreamId::try_from(text("stream")).unwrap(),
            version: u32::try_from(number("version")).unwrap(),
            source: &Source::try_from(text("source")).unwrap(),
            event_id: &EventId::try_from(text("eventId")).unwrap(),
            type_name: &type_name,
            schema_version,
            recorded_at: text("recordedAt").parse().unwrap(),
            subject: &SubjectId::try_from(text("subject")).unwrap(),
            facts: &facts,
            sections: SectionHashes::of(&SealedSections {
                personal: sealed("personal"),
                secrets: sealed("secrets"),
                original: sealed("original"),
            }),
        };
        assert_eq!(
            String::from_utf8(envelope.leaf().unwrap()).unwrap(),
            golden["leaf"].as_str().unwrap()
        );
        assert_eq!(
            hex::encode(envelope.leaf_hash().unwrap()),
            golden["leafHash"].as_str().unwrap()
        );
    }
    assert_eq!(golden.lines().count(), 5);
}

async fn the_stored_leaf_hash_is_that_of_the_event_as_it_is_read_back(database: Database) {
    let service = database.service().await;
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(service.send(fixture(&name)).await["status"], "recorded", "{name}");
        count += 1;
    }
    for broken in [&b"{"[..], b"\xff", b"{\"event\":\"x\"}"] {
        assert_eq!(service.send(broken).await["status"], "quarantined");
        count += 1;
    }
    // recomputes every leaf hash
    assert_eq!(sound_log(&*database.store().await).await.len(), count);
    service.stop().await;
}
