//! Quarantined webhooks: their originals, and replaying them once this version understands them.

use std::collections::BTreeMap;

use aggregates::{EventId, OrderEvent, QuarantineReason, Source, WebhookQuarantined};
use serde_json::{Value, json};
use warmledger::ledger::{Incoming, Original, Outcome, PlainSections};
use warmledger::secret::Secret;
use warmledger::service::Core;
use warmledger::store::Mode;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::log::sound_log;
use crate::support::{Database, fixture};

on_both_stores!(quarantined_webhooks_are_listed_and_replayed_once);

/// Records a valid webhook as an older version would have that did not understand it.
async fn quarantine(database: &Database, body: Vec<u8>) -> u64 {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let fingerprint = core.vault.fingerprints().of(&body);
    let claim = OrderEvent::WebhookQuarantined(WebhookQuarantined {
        conflicts_with: None,
        detail: "data.mailboxDetails is not understood".to_owned(),
        event_id: None,
        name: None,
        reason: QuarantineReason::InvalidPayload,
        sent_at: None,
        size: body.len() as u64,
        unsigned: false,
        user_id: None,
    });
    let plain = PlainSections {
        spelling: None,
        personal: None,
        secrets: None,
        original: Original {
            headers: BTreeMap::new(),
            body: Secret::new(body),
        },
    };
    let event_id = EventId::quarantine(&fingerprint.to_string());
    let source = Source::parse("coldmailreseller").unwrap();
    let incoming = Incoming::prepare(source, event_id, claim, plain, core.vault.fingerprints()).unwrap();
    let receipt = core.ledger.record(incoming).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Quarantined);
    core.close().await;
    receipt.position.0
}

async fn quarantined_webhooks_are_listed_and_replayed_once(database: Database) {
    let good = quarantine(&database, fixture("prewarmup.order.success.json")).await;
    let service = database.service().await;
    let broken = service.send("{\"event\":").await["position"].as_u64().unwrap();
    let renewal = service.send(fixture("subscription.renewing.json")).await;
    // the same event id, with other content
    let mut other: Value = serde_json::from_slice(&fixture("subscription.renewing.json")).unwrap();
    other["data"]["quantity"] = json!(77);
    let reused = service.send(other.to_string()).await;
    assert_eq!(reused["status"], "quarantined");
    let reused = reused["position"].as_u64().unwrap();

    let program = Program::new(&database);
    let listed = program.run("quarantine list --json").await.json();
    let listed = listed.as_array().unwrap();
    let reasons: Vec<_> = listed
        .iter()
        .map(|line| (line["position"].clone(), line["reason"].clone()))
        .collect();
    assert_eq!(
        reasons,
        [
            (json!(good), json!("invalidPayload")),
            (json!(broken), json!("invalidJson")),
            (json!(reused), json!("eventIdReused"))
        ]
    );
    assert_eq!(listed[2]["conflictsWith"], renewal["position"]);

    let ended = program.run("quarantine replay --all --reason update").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines = ended.json_lines();
    let results: Vec<_> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["recorded", "unusable", "unusable"]);
    let now_at = lines[0]["nowAt"].as_u64().unwrap();
    let store = database.store().await;
    let log = sound_log(&*store).await;
    assert_eq!(log[now_at as usize - 1].type_name, "MailboxesAssigned");
    let replayed: Vec<_> = log
        .iter()
        .filter(|event| event.type_name == "WebhookReplayed")
        .collect();
    let facts: Value = serde_json::from_str(&replayed[0].facts).unwrap();
    assert_eq!(
        (&facts["firstPosition"], &facts["lastPosition"], &facts["reason"]),
        (&json!(good), &json!(now_at), &json!("update"))
    );
    assert_eq!(replayed.len(), 1);

    let again = program.run(&format!("quarantine replay {good}")).await;
    assert_eq!(
        (again.code, &again.json_lines()[0]["result"]),
        (0, &json!("alreadyThere"))
    );
    assert_eq!(sound_log(&*store).await.len(), log.len(), "nothing more was recorded");
    assert_eq!(program.run(&format!("quarantine replay {broken}")).await.code, 1);
    assert_eq!(program.run("quarantine replay 999").await.code, 2);
    assert_eq!(program.run(&format!("quarantine replay {now_at}")).await.code, 2);
    // the provider's repeat counts as a duplicate
    let repeat = service.send(fixture("prewarmup.order.success.json")).await;
    assert_eq!(
        (&repeat["status"], &repeat["position"]),
        (&json!("duplicate"), &json!(now_at))
    );
    service.stop().await;
}
