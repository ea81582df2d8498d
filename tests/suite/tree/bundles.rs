//! Audit bundles, checked by their own checker.

use std::path::Path;
use std::process::Command;

use warmledger::secret::Secret;
use warmledger::tlog::NoteSigner;

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::fill_with_leaves;

on_both_stores!(
    a_bundle_is_checked_offline_and_one_that_was_altered_fails,
    whoever_knows_an_old_key_comes_to_the_one_that_signs_a_bundle,
    a_bundle_is_refused_where_there_is_nothing_to_prove_it_with,
);

/// Runs the checker of a bundle. Returns its exit code and its output.
pub fn check(bundle: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new("python3")
        .arg("-B")
        .arg(bundle.join("check.py"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap();
    (ended.status.code(), text)
}

async fn a_bundle_is_checked_offline_and_one_that_was_altered_fails(database: Database) {
    let store = database.store().await;
    let signer = super::signer(&database, &store).await;
    for count in [300, 400] {
        fill_with_leaves(&*store, count).await;
        signer.sign().await.unwrap();
    }
    let key = store.signing_keys().await.unwrap().pop().unwrap().verifier;
    let program = Program::new(&database);
    let dir = |name: &str| program.directory.path().join(name);
    for (name, range, first, last) in [
        ("all", "", 1, 700),
        ("some", "--from 255 --to 514", 255, 514),
        ("one", "--from 700 --to 700", 700, 700),
    ] {
        let exported = program.run(&format!("export {range} --out {name}")).await;
        assert_eq!(exported.code, 0, "{}", exported.stderr);
        let (code, text) = check(&dir(name), &["--key", &key]);
        assert_eq!(
            (code, text),
            (
                Some(0),
                format!("OK: events {first} to {last} are in the log of 700 events that was signed\n")
            )
        );
        let lines = std::fs::read_to_string(dir(name).join("events.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), last - first + 1);
    }
    let (code, text) = check(&dir("one"), &[]);
    assert!(
        code == Some(0) && text.contains("compare it with the one that you were given"),
        "{text}"
    );

    // each file altered in turn, and the whole bundle against other keys and checkpoints
    let bundle = dir("some");
    let alter = |name: &str, from: &str, to: &str| {
        let good = std::fs::read_to_string(bundle.join(name)).unwrap();
        let bad = good.replacen(from, to, 1);
        assert_ne!(good, bad, "{name}: {from}");
        std::fs::write(bundle.join(name), bad).unwrap();
        let (code, text) = check(&bundle, &["--key", &key]);
        std::fs::write(bundle.join(name), good).unwrap();
        assert!(code == Some(1) && text.starts_with("FAILED: "), "{name} {from}: {text}");
        text
    };
    let lines = std::fs::read_to_string(bundle.join("events.jsonl")).unwrap();
    let line = |number: usize| lines.lines().nth(number).unwrap();
    let hash = |line: &str| line[line.len() - 66..line.len() - 2].to_owned();
    assert!(alter("events.jsonl", "event 300", "event 3OO").contains("event 300 is not what its hash"));
    assert!(alter("events.jsonl", &hash(line(3)), &"0".repeat(64)).contains("event 258"));
    assert!(alter("events.jsonl", &format!("{}\n", line(10)), "").contains("event 266 stands where event 265"));
    assert!(alter("events.jsonl", &format!("{}\n", line(259)), "").contains("259 events"));
    let twice = format!("{}\n{}\n", line(259), line(259));
    alter("events.jsonl", &format!("{}\n", line(259)), &twice);
    // an event that was rewritten together with its hash
    let forged = line(45).replace("event 300", "event 3OO");
    let leaf = &forged[8..forged.len() - 79];
    let forged = forged.replace(
        &hash(line(45)),
        &hex::encode(warmledger::tlog::leaf_hash(leaf.as_bytes())),
    );
    assert!(alter("events.jsonl", line(45), &forged).contains("do not make the root"));
    alter("proof.json", "\"size\": 700", "\"size\": 701");
    alter("proof.json", "\"to\": 514", "\"to\": 513");
    alter("proof.json", "\"hashes\": [\n    \"", "\"hashes\": [\n    \"AAAA");
    assert!(alter("checkpoint", "700", "701").contains("the checkpoint was altered"));
    alter("checkpoint", "\n\n", "\n");
    alter("proof.json", "\"from\"", "\"form\"");
    alter("proof.json", "{", "[");
    let other = NoteSigner::new("ledger.test/1", &Secret::new([7; 32]))
        .verifier()
        .to_string();
    assert_eq!(check(&bundle, &["--key", &other]).0, Some(1));
    // an invalid key is wrong use: silently skipped, it would check nothing
    let misspelt = key.replacen('+', "+0", 1);
    for wrong in ["", "ledger.test/1", "a+b+c", "+00000000+AbU6", &misspelt] {
        let (code, text) = check(&bundle, &["--key", wrong]);
        assert!(code == Some(2) && text.contains("--key"), "{wrong:?}: {code:?} {text}");
    }

    let kept = dir("kept");
    std::fs::copy(bundle.join("checkpoint"), &kept).unwrap();
    let kept = kept.display().to_string();
    assert_eq!(check(&bundle, &["--key", &key, "--checkpoint", &kept]).0, Some(0));
    // an error in the kept file is not blamed on the bundle
    let whole = std::fs::read_to_string(&kept).unwrap();
    let other = dir("other").display().to_string();
    for (text, words) in [
        (whole.replace("700", "701"), "the checkpoint was altered"),
        (whole.replace('\n', "\r\n"), "does not hold a signed checkpoint"),
        (whole[..40].to_owned(), "does not hold a signed checkpoint"),
        ("hello\n".to_owned(), "does not hold a signed checkpoint"),
    ] {
        std::fs::write(&other, text).unwrap();
        let (code, text) = check(&bundle, &["--key", &key, "--checkpoint", &other]);
        assert!(
            code == Some(1) && text.contains(words) && !text.contains("bundle is not"),
            "{text}"
        );
    }
    let (code, text) = check(&bundle, &["--key", &key, "--checkpoint", "nowhere"]);
    assert!(
        code == Some(2) && text.contains("nowhere cannot be read"),
        "{code:?} {text}"
    );
    fill_with_leaves(&*store, 1).await;
    signer.sign().await.unwrap();
    assert_eq!(program.run("export --from 5 --to 6 --out later").await.code, 0);
    let (code, text) = check(&dir("later"), &["--key", &key, "--checkpoint", &kept]);
    assert!(
        code == Some(1) && text.contains("takes a bundle from 1 to 700"),
        "{text}"
    );
    // a bundle from the first event on is checked against every older checkpoint
    assert_eq!(program.run("export --out whole").await.code, 0);
    for checkpoint in store.checkpoints((0, i64::MAX), 10).await.unwrap() {
        std::fs::write(&kept, checkpoint.note).unwrap();
        let (code, text) = check(&dir("whole"), &["--key", &key, "--checkpoint", &kept]);
        assert_eq!(code, Some(0), "{}: {text}", checkpoint.size);
    }
}

async fn whoever_knows_an_old_key_comes_to_the_one_that_signs_a_bundle(database: Database) {
    let store = database.store_with_keys().await;
    let signer = super::signer(&database, &store).await;
    fill_with_leaves(&*store, 300).await;
    signer.sign().await.unwrap();
    let first = store.latest_checkpoint().await.unwrap().unwrap().note;
    let program = Program::new(&database);
    for _ in 0..2 {
        let rotated = program.run("keys rotate-signing --reason yearly").await;
        assert_eq!(rotated.code, 0, "{}", rotated.stderr);
        fill_with_leaves(&*store, 10).await;
        signer.sign().await.unwrap();
    }
    assert_eq!(program.run("export --out bundle").await.code, 0);
    let bundle = program.directory.path().join("bundle");
    let kept = program.directory.path().join("kept");
    std::fs::write(&kept, first).unwrap();
    let kept = kept.display().to_string();
    let keys = store.signing_keys().await.unwrap();
    assert_eq!(keys.len(), 3);
    for key in &keys {
        let (code, text) = check(&bundle, &["--key", &key.verifier]);
        assert!(code == Some(0) && text.starts_with("OK: events 1 to 322"), "{text}");
    }
    let (code, text) = check(&bundle, &["--key", &keys[0].verifier, "--checkpoint", &kept]);
    assert_eq!(code, Some(0), "{text}");
    // an altered handover is not accepted, and the error names the unknown key
    let path = bundle.join("handovers.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let id = |key: &str| key.splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
    let beyond = good.replacen("\"from\": 301", "\"from\": 999", 1);
    for bad in [good.replacen("yearly", "monthly", 1), beyond, "[]".to_owned()] {
        assert_ne!(bad, good);
        std::fs::write(&path, bad).unwrap();
        let (code, text) = check(&bundle, &["--key", &keys[0].verifier]);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("not signed with the key") && text.contains(&id(&keys[2].verifier)),
            "{text}"
        );
    }
}

async fn a_bundle_is_refused_where_there_is_nothing_to_prove_it_with(database: Database) {
    let store = database.store().await;
    let program = Program::new(&database);
    let refused = async |args: &str, reason: &str| {
        let ended = program.run(&format!("export {args}")).await;
        assert_eq!(ended.code, 2, "{args}: {}", ended.stderr);
        assert!(ended.stderr.contains(reason), "{args}: {}", ended.stderr);
    };
    fill_with_leaves(&*store, 20).await;
    refused("--out bundle", "no checkpoint yet").await;
    super::signer(&database, &store).await.sign().await.unwrap();
    fill_with_leaves(&*store, 10).await;
    refused("--to 30 --out bundle", "covers the events up to 20").await;
    refused("--from 12 --to 11 --out bundle", "no event").await;
    refused("--from 2030-01-01 --out bundle", "still to come").await;
    refused("--from 2020-01-01 --to 2020-01-02 --out bundle", "no event").await;
    std::fs::create_dir(program.directory.path().join("full")).unwrap();
    std::fs::write(program.directory.path().join("full/file"), "").unwrap();
    refused("--out full", "not empty").await;

    // times: batches of 20 and 10 events, a millisecond per event after 03:04:05.678901
    let ended = program
        .run("export --from 2026-01-02T03:04:05.698901Z --to 2026-01-02T03:04:05.7Z --out by-time")
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("20 events, 1 to 20, under a checkpoint over 20"),
        "{}",
        ended.stderr
    );
    // a day belongs to the range, a time does not
    let day = program
        .run("export --from 2026-01-02 --to 2026-01-02 --out by-day")
        .await;
    assert_eq!(day.code, 2, "{}", day.stderr);
    assert!(
        day.stderr
            .contains("covers the events up to 20, and --to is position 30"),
        "{}",
        day.stderr
    );
    refused("--to 2026-01-02T00:00:00Z --out by-day", "no event").await;
    refused("--to 2026-01-01 --out by-day", "no event").await;
    crate::support::raw::Raw::connect(&database).await.unguard().await;
    database
        .execute("UPDATE events SET source = 'other' WHERE position = 7")
        .await;
    refused("--out bundle", "position 7 cannot be exported").await;
}
