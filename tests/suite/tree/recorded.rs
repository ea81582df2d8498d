//! What is done with the log and its keys is told by the log.

use aggregates::Event;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::fill_with_leaves;

on_both_stores!(checks_exports_and_new_signing_keys_are_recorded);

async fn checks_exports_and_new_signing_keys_are_recorded(database: Database) {
    let store = database.store().await;
    let signer = super::signer(&database, &store).await;
    fill_with_leaves(&*store, 20).await;
    signer.sign().await.unwrap();
    let program = Program::new(&database);
    for (command, code) in [
        ("verify --full", 0),
        ("export --from 3 --to 12 --out bundle --reason audit-of-2026", 0),
        // refused before anything is recorded
        ("export --from 3 --to 12 --out bundle", 2),
        ("keys rotate-signing --reason yearly", 0),
        // under both keys, and with what was recorded meanwhile
        ("verify --full", 0),
    ] {
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
