//! Checkpoints: when they are signed, by which key, and when not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use warmledger::checkpoints::{CheckpointError, CheckpointSigner, open, rotate};
use warmledger::data_dir::SecretFile;
use warmledger::store::{Duty, KeptCheckpoint, Store};
use warmledger::tlog::{NoteError, NoteVerifier};

use super::{check, signer};
use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::log::fill_with_leaves;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(
    a_checkpoint_follows_traffic_and_one_more_the_stop,
    one_process_signs_at_a_time,
    a_new_key_signs_from_its_rotation_on_and_old_checkpoints_hold,
    a_key_that_is_not_the_logs_signs_nothing,
    a_log_is_not_renamed,
    a_log_that_was_rolled_back_or_rewritten_is_not_signed,
    a_log_that_was_rolled_back_over_a_new_key_says_so,
    a_service_on_a_log_that_was_rolled_back_says_so_and_goes_on,
    checkpoints_that_were_removed_are_not_covered_up,
    signing_keys_and_a_name_that_were_removed_are_not_made_anew,
);

async fn all(store: &dyn Store) -> Vec<KeptCheckpoint> {
    store.checkpoints((0, i64::MIN), 1_000).await.unwrap()
}

async fn verifiers(store: &dyn Store) -> Vec<NoteVerifier> {
    let keys = store.signing_keys().await.unwrap();
    keys.iter()
        .map(|key| NoteVerifier::parse(&key.verifier).unwrap())
        .collect()
}

async fn a_checkpoint_follows_traffic_and_one_more_the_stop(database: Database) {
    let store = database.store().await;
    let service = database.service().await;
    let begun = Instant::now();
    service.send(fixture("prewarmup.order.success.json")).await;
    service.signed(&*store, 1).await;
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.signed(&*store, 2).await;
    let signed = all(&*store).await.len() as u64;
    assert!(signed <= 1 + begun.elapsed().as_secs() + 1, "{signed} were signed");
    // without events, nothing is signed
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(all(&*store).await.len() as u64, signed);
    service.send(fixture("mailbox.created.json")).await;
    service.stop().await;
    let store = database.store().await;
    let last = store.latest_checkpoint().await.unwrap().unwrap();
    assert_eq!(last.size, 3);
    let opened = open(&last.note, &verifiers(&*store).await).unwrap();
    assert_eq!(
        (opened.size, opened.root),
        (3, store.tree().await.unwrap().frontier.root())
    );
    assert!(opened.origin.starts_with("warmledger/"), "{}", opened.origin);
    let kept = std::fs::read_to_string(database.dir.path().join("checkpoint.latest")).unwrap();
    assert_eq!(kept, last.note);
}

async fn one_process_signs_at_a_time(database: Database) {
    let store = database.store().await;
    let lease = store.lease(Duty::Checkpoints).await.unwrap().expect("a free lease");
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(all(&*store).await.is_empty());
    drop(lease);
    service.signed(&*store, 1).await;
    service.stop().await;
}

async fn a_new_key_signs_from_its_rotation_on_and_old_checkpoints_hold(database: Database) {
    let store = database.store().await;
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.signed(&*store, 1).await;
    let rotated = Program::new(&database).run("keys rotate-signing").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let keys = verifiers(&*store).await;
    assert_eq!((keys.len(), keys[1].to_string().as_str()), (2, rotated.stdout.trim()));
    let handover = store.latest_checkpoint().await.unwrap().unwrap();
    for key in &keys {
        assert_eq!(
            open(&handover.note, std::slice::from_ref(key)).unwrap().size,
            handover.size
        );
    }
    // the running service picks it up
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.signed(&*store, 3).await;
    let signed = store.latest_checkpoint().await.unwrap().unwrap();
    assert_eq!(open(&signed.note, &keys[1..]).unwrap().size, 3);
    assert_eq!(open(&signed.note, &keys[..1]), Err(NoteError::Unsigned));
    let listed = service.get_json("/api/v1/signing-keys").await;
    let current: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["current"])
        .collect();
    assert_eq!(current, [false, true]);
    service.stop().await;
    assert!(check(&database.store().await, true, &[]).await.is_sound());
}

async fn a_key_that_is_not_the_logs_signs_nothing(database: Database) {
    let store = database.store().await;
    let signer = signer(&database, &store).await;
    fill_with_leaves(&*store, 3).await;
    signer.sign().await.unwrap();
    let path = SecretFile::LedgerSigningKey.path(database.dir.path());
    let own = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "ab".repeat(32)).unwrap();
    fill_with_leaves(&*store, 3).await;
    assert!(matches!(signer.sign().await, Err(CheckpointError::OtherKey { .. })));
    assert!(matches!(
        rotate(&*store, database.dir.path()).await,
        Err(CheckpointError::OtherKey { .. })
    ));
    std::fs::write(&path, own).unwrap();
    signer.sign().await.unwrap();
    assert_eq!(all(&*store).await.len(), 2);
}

async fn a_log_is_not_renamed(database: Database) {
    let store = database.store().await;
    let open = |origin| CheckpointSigner::open(Arc::clone(&store), database.dir.path().to_owned(), origin);
    assert!(open(Some("a.test")).await.is_ok());
    assert!(open(None).await.is_ok());
    let error = open(Some("b.test")).await.err().unwrap().to_string();
    assert!(error.contains("a.test") && error.contains("b.test"), "{error}");
}

async fn a_log_that_was_rolled_back_or_rewritten_is_not_signed(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let signer = signer(&database, &store).await;
    fill_with_leaves(&*store, 20).await;
    let earlier = store.tree().await.unwrap().frontier;
    fill_with_leaves(&*store, 20).await;
    signer.sign().await.unwrap();
    raw.unguard().await;
    super::tampering::truncate(&raw, &earlier).await;
    // even with the checkpoint removed from the database, the witness file beside the keys shows it
    raw.execute("DELETE FROM checkpoints").await;
    let refused = signer.sign().await.unwrap_err().to_string();
    assert!(
        refused.contains("rolled back") && refused.contains("checkpoint.latest says so"),
        "{refused}"
    );
    // and another history of the same length
    raw.execute("UPDATE head SET recorded_at = recorded_at").await;
    let mut other = warmledger::tlog::Growth::on(earlier);
    (0..20).for_each(|n| other.push([n; 32]));
    super::tampering::replace_end(&raw, &other, 21).await;
    let refused = signer.sign().await.unwrap_err().to_string();
    assert!(refused.contains("rewritten"), "{refused}");
}

async fn a_log_that_was_rolled_back_over_a_new_key_says_so(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let signer = signer(&database, &store).await;
    fill_with_leaves(&*store, 20).await;
    let earlier = store.tree().await.unwrap().frontier;
    signer.sign().await.unwrap();
    raw.unguard().await;
    rotate(&*store, database.dir.path()).await.unwrap();
    fill_with_leaves(&*store, 20).await;
    signer.sign().await.unwrap();
    // the database as before the rotation; the data directory is not rolled back
    super::tampering::truncate(&raw, &earlier).await;
    raw.execute("DELETE FROM signing_keys WHERE id > 1").await;
    raw.execute("DELETE FROM checkpoints WHERE number > 1").await;
    raw.execute("DELETE FROM data_keys WHERE subject NOT IN (SELECT subject FROM events)")
        .await;
    let refused = signer.sign().await.unwrap_err().to_string();
    assert!(
        refused.contains("rolled back: it has 20 events, and a checkpoint over 40 was signed"),
        "{refused}"
    );
    let ended = Program::new(&database).run("verify").await;
    assert!(
        ended.code == 1 && ended.stdout.contains("rolled back"),
        "{}",
        ended.stdout
    );
    // and it has grown since
    fill_with_leaves(&*store, 30).await;
    let refused = signer.sign().await.unwrap_err().to_string();
    assert!(
        refused.contains("rolled back to before its present signing key"),
        "{refused}"
    );
}

async fn a_service_on_a_log_that_was_rolled_back_says_so_and_goes_on(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.signed(&*database.store().await, 1).await;
    service.stop().await;
    let backup = database.copy().await;
    let service = database.service().await;
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.signed(&*database.store().await, 2).await;
    service.stop().await;
    let names = [
        "master.key",
        "webhook.key",
        "admin.token",
        "ledger-signing.key",
        "checkpoint.latest",
    ];
    backup.take_over(&database, &names);
    let service = backup.service().await;
    let ready = async || {
        let response = service.get("/readyz").await;
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let mut answer = ready().await;
    for _ in 0..200 {
        if answer.1.contains("rolled back") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = ready().await;
    }
    assert_eq!(answer.0, 200, "{}", answer.1);
    for words in [
        "\"alerts\":[\"no checkpoints are signed",
        "rolled back",
        "checkpoint.latest",
        "put the newest copy",
    ] {
        assert!(answer.1.contains(words), "{}", answer.1);
    }
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("warmledger_alerts 1"), "{metrics}");
    // webhooks are still recorded: the provider does not resend for ever
    service.send(fixture("mailbox.created.json")).await;
    // the operator accepts this copy
    std::fs::remove_file(backup.dir.path().join("checkpoint.latest")).unwrap();
    service.signed(&*backup.store().await, 2).await;
    for _ in 0..200 {
        if !ready().await.1.contains("alerts") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ready().await, (200, "{\"status\":\"ready\"}".to_owned()));
    service.stop().await;
}

async fn checkpoints_that_were_removed_are_not_covered_up(database: Database) {
    let (store, raw) = (database.store_with_keys().await, Raw::connect(&database).await);
    let signer = signer(&database, &store).await;
    for _ in 0..2 {
        fill_with_leaves(&*store, 20).await;
        signer.sign().await.unwrap();
    }
    let witness = database.dir.path().join("checkpoint.latest");
    let kept = std::fs::read_to_string(&witness).unwrap();
    raw.unguard().await;
    for (removed, stored) in [("size = 40", 20), ("true", 0)] {
        raw.execute(&format!("DELETE FROM checkpoints WHERE {removed}")).await;
        fill_with_leaves(&*store, 5).await;
        let expected = format!("one over 40 events was signed, and the newest that is stored covers {stored}");
        let refused = signer.sign().await.unwrap_err();
        assert!(refused.is_of_history());
        let refused = refused.to_string();
        assert!(
            refused.contains(&expected) && refused.contains("checkpoint.latest says so"),
            "{refused}"
        );
        // a rotation signs a checkpoint too
        let refused = rotate(&*store, database.dir.path()).await.unwrap_err().to_string();
        assert!(refused.contains(&expected), "{refused}");
        assert_eq!(std::fs::read_to_string(&witness).unwrap(), kept, "the only witness");
    }
    let head = store.head().await.unwrap().position;
    let program = Program::new(&database);
    let ended = program.run("verify --full").await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("it was removed there"), "{}", ended.stdout);
    assert_eq!(program.run("keys rotate-signing").await.code, 2);
    assert_eq!(store.head().await.unwrap().position, head, "nothing is recorded");
}

async fn signing_keys_and_a_name_that_were_removed_are_not_made_anew(database: Database) {
    let (store, raw) = (database.store().await, Raw::connect(&database).await);
    let own = signer(&database, &store).await;
    fill_with_leaves(&*store, 20).await;
    own.sign().await.unwrap();
    raw.unguard().await;
    raw.execute("DELETE FROM signing_keys").await;
    let witness = database.dir.path().join("checkpoint.latest");
    for _ in 0..2 {
        let refused = own.sign().await.unwrap_err();
        assert!(refused.is_of_history());
        assert!(refused.to_string().contains("signing keys are missing"), "{refused}");
        assert!(
            store.signing_keys().await.unwrap().is_empty(),
            "none is put in their place"
        );
        // nor without the witness file
        std::fs::remove_file(&witness).ok();
    }
    raw.execute("DELETE FROM log_origin").await;
    let dir = database.dir.path().to_owned();
    let opened = CheckpointSigner::open(Arc::clone(&store), dir, Some("ledger.test/2")).await;
    let refused = opened.err().unwrap().to_string();
    assert!(refused.contains("signed as \"ledger.test/1\""), "{refused}");
    assert_eq!(store.known_origin().await.unwrap(), None);
}
