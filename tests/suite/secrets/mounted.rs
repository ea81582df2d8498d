//! Secrets as an orchestrator provides them: in files that belong to a group, or in the environment.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use reqwest::{Client, StatusCode};

use crate::cli::program::Program;
use crate::on_both_stores;
use crate::support::Database;
use crate::support::child::ChildService;

on_both_stores!(
    a_service_starts_again_after_its_volume_was_given_to_its_group,
    no_secret_has_to_stand_in_the_data_directory,
);

async fn a_service_starts_again_after_its_volume_was_given_to_its_group(database: Database) {
    let mut first = ChildService::start(&database).await;
    assert!(first.terminate().await.success());
    for entry in fs::read_dir(database.dir.path()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o660)).unwrap();
    }
    let mut again = ChildService::start(&database).await;
    assert!(again.terminate().await.success());
    let key = database.dir.path().join("master.key");
    fs::set_permissions(&key, Permissions::from_mode(0o664)).unwrap();
    let refused = Program::new(&database).run("keys status").await;
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
}

async fn no_secret_has_to_stand_in_the_data_directory(database: Database) {
    let mounted = tempfile::tempdir().unwrap();
    let mut program = Program::bare().env("WARMLEDGER_DATA_DIR", &database.dir.path().display().to_string());
    let (token, seed, master) = ("wl_the-token-of-the-test", "5a".repeat(32), "7b".repeat(32));
    for (name, text) in [
        ("DATABASE_URL_FILE", database.url.as_str()),
        ("WEBHOOK_KEY_FILE", "webhook-key-of-the-test-1234567890"),
        ("ADMIN_TOKEN_FILE", token),
        ("LEDGER_SIGNING_KEY_FILE", seed.as_str()),
        ("MASTER_KEY_FILE", master.as_str()),
    ] {
        let path = mounted.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        program = program.env(&format!("WARMLEDGER_{name}"), &path.display().to_string());
    }
    let mut service = program.start("serve --listen 127.0.0.1:0");
    let told = service.told("listening on").await;
    let base = told[told.find("http://").unwrap()..].split_whitespace().next().unwrap();
    let answer = Client::new().get(format!("{base}/api/v1/tokens"));
    assert_eq!(answer.bearer_auth(token).send().await.unwrap().status(), StatusCode::OK);
    let left: Vec<String> = fs::read_dir(database.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".key") || name.ends_with(".token"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let (code, _) = service.signal("TERM").await;
    assert_eq!(code, Some(0));

    // a mounted key is not rotated by this command; a new one is put before it in the setting
    let refused = program.run("keys rotate-signing").await;
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("put the new key before the old one"),
        "{}",
        refused.stderr
    );
    let path = mounted.path().join("LEDGER_SIGNING_KEY_FILE");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, format!("{},{seed}", "6b".repeat(32))).unwrap();
    let rotated = program.run("keys rotate-signing").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let keys = database.store().await.signing_keys().await.unwrap();
    assert_eq!(keys.last().unwrap().verifier, rotated.stdout.trim());
    let verified = program.run("verify --full").await;
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    assert!(!rotated.stderr.contains(&seed) && !verified.stdout.contains(&seed));
}
