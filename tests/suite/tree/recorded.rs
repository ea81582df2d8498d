//! Operations on the log and its keys are recorded in the log.

use aggregates::Event;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::log::fill_with_leaves;
use crate::support::raw::Raw;
use crate::support::{Database, fixture};

on_both_stores!(
    checks_exports_and_new_signing_keys_are_recorded,
    master_keys_that_are_added_and_retired_are_recorded,
    a_check_that_finds_something_appends_nothing,
    a_kept_checkpoint_says_how_far_it_reaches,
    a_head_whose_time_was_changed_is_found_when_the_log_has_gone_on,
    checkpoints_that_were_removed_are_missed_by_the_quick_check,
);

async fn a_head_whose_time_was_changed_is_found_when_the_log_has_gone_on(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.stop().await;
    let postgres = "UPDATE head SET recorded_at = '2030-01-01T00:00:00Z'";
    let sqlite = "UPDATE head SET recorded_at = '2030-01-01T00:00:00.000000Z'";
    let changed = if database.is_postgres() { postgres } else { sqlite };
    database.execute(changed).await;
    let service = database.service().await;
    service.send(fixture("subscription.renewing.json")).await;
    service.stop().await;
    for command in ["verify", "verify --full"] {
        let ended = Program::new(&database).run(command).await;
        assert_eq!(ended.code, 1, "{command}: {}{}", ended.stdout, ended.stderr);
        assert!(
            ended.stdout.contains("the head's time was changed"),
            "{command}: {}",
            ended.stdout
        );
    }
}

async fn checkpoints_that_were_removed_are_missed_by_the_quick_check(database: Database) {
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.stop().await;
    assert_eq!(Program::new(&database).run("verify").await.code, 0);
    let raw = Raw::connect(&database).await;
    raw.unguard().await;
    raw.execute("DELETE FROM checkpoints").await;
    let ended = Program::new(&database).run("verify").await;
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("checkpoints were removed from it"),
        "{}",
        ended.stdout
    );
}

async fn a_check_that_finds_something_appends_nothing(database: Database) {
    let store = database.store().await;
    let signer = super::signer(&database, &store).await;
    fill_with_leaves(&*store, 20).await;
    signer.sign().await.unwrap();
    let sqlite = "UPDATE head SET recorded_at = '2030-01-01T00:00:00.000000Z'";
    let postgres = "UPDATE head SET recorded_at = '2030-01-01T00:00:00Z'";
    let changed = if database.is_postgres() { postgres } else { sqlite };
    database.execute(changed).await;
    let program = Program::new(&database).env("WARMLEDGER_MASTER_KEY", &"07".repeat(32));
    for command in ["verify", "verify --full", "verify"] {
        let ended = program.run(command).await;
        assert_eq!(ended.code, 1, "{command}: {}", ended.stdout);
        assert!(
            ended
                .stdout
                .contains("the head says that the last event was recorded at 2030"),
            "{command}: {}",
            ended.stdout
        );
        assert_eq!(store.head().await.unwrap().position.0, 20, "{command}");
    }
}

async fn a_kept_checkpoint_says_how_far_it_reaches(database: Database) {
    let store = database.store().await;
    let signer = super::signer(&database, &store).await;
    let program = Program::new(&database).env("WARMLEDGER_MASTER_KEY", &"07".repeat(32));
    let kept = |name: &str| program.directory.path().join(name).display().to_string();
    for (name, events) in [("none", 0), ("some", 30)] {
        fill_with_leaves(&*store, events).await;
        signer.sign().await.unwrap();
        let note = store.latest_checkpoint().await.unwrap().unwrap().note;
        std::fs::write(kept(name), note).unwrap();
    }
    fill_with_leaves(&*store, 12).await;
    let ended = program.run(&format!("verify --checkpoint {}", kept("some"))).await;
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let covers = "some covers events 1..30; 12 since\n";
    assert!(ended.stdout.contains(covers), "{}", ended.stdout);
    // the earlier check was recorded
    let ended = program
        .run(&format!("verify --full --json --checkpoint {}", kept("none")))
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report = ended.json();
    let first = &report["kept"][0];
    assert_eq!((&first["size"], &first["since"]), (&0.into(), &43.into()), "{report}");
    assert!(first["name"].as_str().unwrap().ends_with("none"), "{report}");
    assert!(ended.stderr.contains("none covers no event"), "{}", ended.stderr);
    assert!(
        report["warnings"][0].as_str().unwrap().contains("covers no event"),
        "{report}"
    );

    signer.sign().await.unwrap();
    assert_eq!(program.run("export --out bundle").await.code, 0);
    let bundle = program.directory.path().join("bundle");
    for (name, covers) in [
        ("none", "Your checkpoint covers no event; 44 since"),
        ("some", "Your checkpoint covers events 1..30; 14 since"),
    ] {
        let (code, text) = super::bundles::check(&bundle, &["--checkpoint", &kept(name)]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(covers), "{text}");
        assert_eq!(text.contains("holds against any log"), name == "none", "{text}");
    }
}

async fn master_keys_that_are_added_and_retired_are_recorded(database: Database) {
    let service = database.service().await;
    let program = Program::new(&database);
    let ids = async || -> Vec<String> {
        let listed = program.run("keys list --json").await.json();
        let keys = listed.as_array().unwrap().iter();
        keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };
    let old = ids().await.remove(0);
    assert_eq!(program.run("keys add --reason yearly").await.code, 0);
    let new = ids().await.remove(0);
    assert_ne!(old, new);
    // a refused operation is not recorded
    assert_eq!(program.run(&format!("keys retire {old}")).await.code, 2);
    assert_eq!(program.run("keys rotate").await.code, 0);
    let retire = format!("keys retire {old} --reason no-backup-left");
    assert_eq!(program.run(&retire).await.code, 0);
    assert_eq!(program.run(&retire).await.code, 2, "it is gone");
    let mut found = Vec::new();
    for action in ["addMasterKey", "rotateKeys", "retireMasterKey"] {
        let head = database.store().await.head().await.unwrap().position;
        let page = service
            .get_json(&format!("/api/v1/access?action={action}&atLeast={head}"))
            .await;
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{page}");
        assert!(items[0]["actor"].as_str().unwrap().starts_with("cli:"), "{page}");
        assert_eq!(items[0]["outcome"], "granted");
        found.push((items[0]["key"].clone(), items[0]["reason"].clone()));
    }
    let expected = [
        (new.clone().into(), "yearly".into()),
        (new.into(), serde_json::Value::Null),
        (old.into(), "no-backup-left".into()),
    ];
    assert_eq!(found, expected);
    service.stop().await;
}

async fn checks_exports_and_new_signing_keys_are_recorded(database: Database) {
    let store = database.store_with_keys().await;
    let signer = super::signer(&database, &store).await;
    fill_with_leaves(&*store, 20).await;
    signer.sign().await.unwrap();
    let program = Program::new(&database);
    // the log was filled with fake data keys: without their master key they are not opened
    let checker = Program::new(&database).env("WARMLEDGER_MASTER_KEY", &"07".repeat(32));
    for (command, code) in [
        ("verify --full", 0),
        ("export --from 3 --to 12 --out bundle --reason audit-of-2026", 0),
        // refused before anything is recorded
        ("export --from 3 --to 12 --out bundle", 2),
        ("keys rotate-signing --reason yearly", 0),
        // under both keys, and with the records made meanwhile
        ("verify --full", 0),
    ] {
        let program = if command.starts_with("verify") {
            &checker
        } else {
            &program
        };
        let ended = program.run(command).await;
        assert_eq!(ended.code, code, "{command}: {}", ended.stderr);
    }
    let keys = store.signing_keys().await.unwrap();
    assert_eq!(keys.len(), 2);
    let recorded: Vec<_> = crate::support::log::sound_log(&*store)
        .await
        .into_iter()
        .skip(20)
        .map(|stored| match stored.to_recorded().unwrap().event {
            Event::Access(event) => (stored.type_name.clone(), event.facts().clone()),
            Event::Order(_) => panic!("{} at {}", stored.type_name, stored.position),
        })
        .collect();
    let types: Vec<&str> = recorded.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(types, ["Verified", "Exported", "SigningKeyRotated", "Verified"]);
    let (_, exported) = &recorded[1];
    let range = [exported.first_position, exported.last_position].map(|at| at.unwrap().0);
    assert_eq!((range, exported.reason.as_deref()), ([3, 12], Some("audit-of-2026")));
    assert_eq!(recorded[0].1.passed, Some(true));
    assert_eq!(recorded[2].1.key.as_deref(), Some(keys[1].verifier.as_str()));
    assert!(
        recorded
            .iter()
            .all(|(_, facts)| facts.actor.id.as_str().starts_with("cli:"))
    );
}
