//! The master key: its sources, and a rotation while the service runs.

mod sources;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use warmledger::sealing::{KeyWrapper, MasterKeyId};
use warmledger::service::master_keys;
use warmledger::store::Store;
use warmledger::vault::{OnMissingKey, Rotation, RotationError, Vault};

use crate::cli::program::Program;
use crate::erasure::assignment;
use crate::on_both_stores;
use crate::support::log::{grown, sound_log};
use crate::support::{Database, TestService, until};

on_both_stores!(
    a_rotation_leaves_nothing_under_the_old_key_while_two_processes_take_webhooks,
    an_interrupted_rotation_is_taken_up_again,
    a_rotation_that_is_killed_half_way_is_finished_by_the_next_one,
    a_key_under_an_old_master_key_does_not_come_in,
);

async fn email(service: &TestService, order: &str) -> Value {
    let shown = service
        .get_json(&format!("/api/v1/domains/{order}.example/mailboxes"))
        .await;
    shown["mailboxes"][0]["email"].clone()
}

/// The master keys that wrap data keys.
async fn in_use(store: &dyn Store) -> Vec<MasterKeyId> {
    store
        .key_counts()
        .await
        .unwrap()
        .into_iter()
        .map(|(id, _)| id)
        .collect()
}

async fn a_rotation_leaves_nothing_under_the_old_key_while_two_processes_take_webhooks(database: Database) {
    let services = [database.service().await, database.service().await];
    let store = database.store().await;
    services[0].send(assignment("E", "U", "O", "secret")).await;
    let old = in_use(&*store).await;
    let program = Program::new(&database);
    let done = AtomicBool::new(false);
    let load = async |service: usize| {
        let mut n = 0;
        // some more afterwards
        let mut more = 5;
        while more > 0 {
            let id = format!("{service}-{n}");
            let body = assignment(&format!("E{id}"), &format!("U{id}"), &format!("O{id}"), "secret");
            services[service].send(body).await;
            n += 1;
            more -= usize::from(done.load(Ordering::Relaxed));
        }
        n
    };
    let rotation = async {
        let rotated = program.run("keys rotate --reason yearly").await;
        done.store(true, Ordering::Relaxed);
        rotated
    };
    let (one, other, rotated) = tokio::join!(load(0), load(1), rotation);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let new = in_use(&*store).await;
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    assert_eq!(program.run("keys status").await.code, 0);

    let log = sound_log(&*store).await;
    assert_eq!(log.len(), one + other + 2);
    let event = log.iter().find(|event| event.type_name == "KeysRotated").unwrap();
    assert!(event.facts.contains(&new[0].to_string()) && event.facts.contains("yearly"));
    for service in &services {
        service.caught_up(&*store, log.len() as u64).await;
        assert_eq!(email(service, "o").await, "box@O.example");
        for id in [
            "0-0".to_owned(),
            "1-0".to_owned(),
            format!("0-{}", one - 1),
            format!("1-{}", other - 1),
        ] {
            assert_eq!(email(service, &format!("o{id}")).await, format!("box@O{id}.example"));
        }
    }

    let listed = program.run("keys list --json").await.json();
    let of = |id: MasterKeyId| {
        listed
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["id"] == id.to_string())
            .unwrap()
    };
    assert_eq!(
        (&of(new[0])["current"], &of(old[0])["dataKeys"]),
        (&true.into(), &0.into())
    );
    assert_eq!(program.run(&format!("keys retire {}", new[0])).await.code, 2);
    assert_eq!(program.run(&format!("keys retire {}", old[0])).await.code, 0);
    let [first, second] = services;
    first.stop().await;
    second.stop().await;
    let service = database.service().await;
    assert_eq!(email(&service, "o").await, "box@O.example");
    service.stop().await;
}

async fn an_interrupted_rotation_is_taken_up_again(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    for n in 0..5 {
        service
            .send(assignment(
                &format!("E{n}"),
                &format!("U{n}"),
                &format!("O{n}"),
                "secret",
            ))
            .await;
    }
    let old = in_use(&*store).await;
    let settings = database.settings();
    let vault = Vault::open(master_keys(&settings).unwrap(), &*store).await.unwrap();
    let rotation = Rotation::begin(&vault, &*store, OnMissingKey::Fail).await.unwrap();
    let new = rotation.to();
    assert!(matches!(
        Rotation::begin(&vault, &*store, OnMissingKey::Fail).await,
        Err(RotationError::Busy)
    ));
    // it stops here, with one new wrapping: the key of a new user
    drop(rotation);
    service.send(assignment("E5", "U5", "O5", "secret")).await;
    let mut ids = in_use(&*store).await;
    ids.sort();
    let mut both = vec![old[0], new];
    both.sort();
    assert_eq!(ids, both);
    service.caught_up(&*store, 6).await;
    for n in 0..6 {
        assert_eq!(email(&service, &format!("o{n}")).await, format!("box@O{n}.example"));
    }

    let program = Program::new(&database);
    assert_eq!(program.run("keys status").await.code, 1);
    assert_eq!(program.run(&format!("keys retire {}", old[0])).await.code, 2);
    let mut finished = false;
    for _ in 0..50 {
        // PostgreSQL takes a moment to notice that the lease was released
        let ended = program.run("keys rotate").await;
        finished = ended.code == 0;
        if finished {
            assert!(
                ended.stderr.contains("finished an interrupted rotation"),
                "{}",
                ended.stderr
            );
            break;
        }
        assert!(ended.stderr.contains("another process"), "{}", ended.stderr);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(finished);
    assert_eq!(in_use(&*store).await, [new]);
    let rotations = sound_log(&*store).await;
    let rotations = rotations.iter().filter(|event| event.type_name == "KeysRotated");
    assert_eq!(rotations.count(), 1);
    service.stop().await;
}

async fn a_rotation_that_is_killed_half_way_is_finished_by_the_next_one(database: Database) {
    use warmledger::store::{Append, Batch};

    const KEYS: usize = 20_000;
    let service = database.service().await;
    let store = database.store().await;
    for n in 0..3 {
        let (event, user, order) = (format!("E{n}"), format!("U{n}"), format!("O{n}"));
        service.send(assignment(&event, &user, &order, "secret")).await;
    }
    service.stop().await;
    let vault = async || {
        let masters = master_keys(&database.settings()).unwrap();
        Vault::open(masters, &*store).await.unwrap()
    };
    let opened = vault().await;
    let mut keys = Vec::new();
    for n in 0..KEYS {
        let subject = aggregates::SubjectId::parse(&format!("many-{n}")).unwrap();
        let (_, wrapped) = opened.keyring().create(&subject).unwrap();
        keys.push((subject, wrapped));
    }
    let head = store.head().await.unwrap();
    let batch = Batch {
        tree: &grown(&*store, &[]).await,
        expected: head,
        recorded_at: head.recorded_at,
        events: &[],
        keys: &keys,
    };
    assert_eq!(store.append(&batch).await.unwrap(), Append::Done);
    let old = in_use(&*store).await;

    let program = Program::new(&database);
    let rotation = program.start("keys rotate --reason yearly");
    // half way: both master keys wrap data keys
    until("half of the keys are wrapped anew", async || {
        in_use(&*store).await.len() == 2
    })
    .await;
    let (code, _) = rotation.signal("KILL").await;
    assert_eq!(code, None, "it was killed before it had come to its end");
    let counts = store.key_counts().await.unwrap();
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!(
        counts.iter().any(|(id, count)| *id == old[0] && *count > 0),
        "{counts:?}"
    );
    assert_eq!(program.run("keys status").await.code, 1);
    // a service that starts in between opens keys under either
    let service = database.service().await;
    service.caught_up(&*store, store.head().await.unwrap().position.0).await;
    for n in 0..3 {
        assert_eq!(email(&service, &format!("o{n}")).await, format!("box@O{n}.example"));
    }

    // the killed process's lease lasts some seconds more, and the command waits
    let ended = program.run("keys rotate").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("finished an interrupted rotation"),
        "{}",
        ended.stderr
    );
    let new = in_use(&*store).await;
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    assert_eq!(program.run(&format!("keys retire {}", old[0])).await.code, 0);
    service.stop().await;

    let service = database.service().await;
    for n in 0..3 {
        assert_eq!(email(&service, &format!("o{n}")).await, format!("box@O{n}.example"));
    }
    service.stop().await;
    let opened = vault().await;
    for page in keys.chunks(1_000) {
        let subjects = page.iter().map(|(subject, _)| subject.clone()).collect();
        let lookup = warmledger::store::Lookup {
            subjects,
            ..Default::default()
        };
        let stored = store.lookup(&lookup).await.unwrap().keys;
        assert_eq!(stored.len(), page.len());
        for key in stored {
            let subject = key.subject.clone();
            opened.keyring().insert_wrapped(key);
            assert!(opened.keyring().get(&subject).unwrap().is_some());
        }
    }
    let rotations = sound_log(&*store).await;
    let rotations = rotations.iter().filter(|event| event.type_name == "KeysRotated");
    assert_eq!(rotations.count(), 1);
}

async fn a_key_under_an_old_master_key_does_not_come_in(database: Database) {
    use warmledger::store::{Append, Batch};

    let service = database.service().await;
    let store = database.store().await;
    service.send(assignment("E", "U", "O", "secret")).await;
    let vault = Vault::open(master_keys(&database.settings()).unwrap(), &*store)
        .await
        .unwrap();
    let subject = aggregates::SubjectId::parse("V").unwrap();
    let (_, wrapped) = vault.keyring().create(&subject).unwrap();
    let old = vault.masters().id();
    let rotation = Rotation::begin(&vault, &*store, OnMissingKey::Fail).await.unwrap();
    assert_ne!(vault.masters().id(), old);
    assert!(!store.set_master_key(old, old).await.unwrap(), "another one is current");
    let head = store.head().await.unwrap();
    let batch = Batch {
        tree: &grown(&*store, &[]).await,
        expected: head,
        recorded_at: head.recorded_at,
        events: &[],
        keys: &[(subject, wrapped)],
    };
    assert_eq!(store.append(&batch).await.unwrap(), Append::Conflict);
    // two steps, as for many keys
    assert_eq!(store.keys_not_under(rotation.to(), None, 1).await.unwrap().len(), 1);
    let mut told = Vec::new();
    let rotated = rotation.run(|done, total| told.push((done, total))).await.unwrap();
    assert_eq!((rotated.rewrapped, told.last()), (2, Some(&(2, 2))));
    service.send(assignment("E2", "V", "O2", "secret")).await;
    assert_eq!(in_use(&*store).await, [rotated.to]);
    service.stop().await;
}
