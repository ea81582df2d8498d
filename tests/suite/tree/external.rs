//! The served log against an independent implementation: Go's sumdb/tlog and note, on which the specification is based.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::on_both_stores;
use crate::support::log::fill_with_leaves;
use crate::support::{Database, TestService};

on_both_stores!(gos_implementation_takes_our_log_and_refuses_a_flipped_byte);

const OLD: u64 = 40_003;
const EVENTS: u64 = 70_001;

/// Builds the checker. It imports golang.org/x/mod as Debian packages it; `./test` installs both.
fn build(into: &Path) -> PathBuf {
    let program = into.join("check_log");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/external/check_log.go"))
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache"))
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go is installed: ./test does so");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

/// Fetches a path of the log into a file of the same name.
async fn fetch(service: &TestService, path: &str, dir: &Path) {
    let response = service.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    let file = dir.join(path.trim_start_matches('/'));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, response.bytes().await.unwrap()).unwrap();
}

async fn gos_implementation_takes_our_log_and_refuses_a_flipped_byte(database: Database) {
    let store = database.store_with_keys().await;
    let signer = super::signer(&database, &store).await;
    fill_with_leaves(&*store, OLD).await;
    signer.sign().await.unwrap();
    fill_with_leaves(&*store, EVENTS - OLD - 1).await;
    let service = database.service().await;
    // the record of this read is the last event, so that none comes in meanwhile
    service.get_json("/api/v1/proofs/consistency?from=0&to=0").await;
    service.signed(&*store, EVENTS).await;

    let copy = tempfile::tempdir().unwrap();
    let dir = copy.path();
    let (full, partial) = (EVENTS / 256, EVENTS % 256);
    for number in 0..full {
        fetch(&service, &format!("/tile/0/{number:03}"), dir).await;
        fetch(&service, &format!("/tile/entries/{number:03}"), dir).await;
    }
    for path in [
        format!("/tile/0/{full:03}.p/{partial}"),
        format!("/tile/entries/{full:03}.p/{partial}"),
        "/tile/1/000".to_owned(),
        format!("/tile/1/001.p/{}", full - 256),
        "/tile/2/000.p/1".to_owned(),
        "/checkpoint".to_owned(),
    ] {
        fetch(&service, &path, dir).await;
    }
    let listed = service.get_json("/api/v1/checkpoints?limit=1").await;
    assert_eq!(listed["items"][0]["size"], OLD);
    std::fs::write(dir.join("checkpoint.old"), listed["items"][0]["note"].as_str().unwrap()).unwrap();
    let keys = service.get_json("/api/v1/signing-keys").await;
    std::fs::write(dir.join("key"), keys["items"][0]["verifier"].as_str().unwrap()).unwrap();
    let mut inclusion = Vec::new();
    for position in [1, 2, 255, 256, 257, OLD, 65_536, 65_537, 69_888, 69_889, EVENTS] {
        inclusion.push(
            service
                .get_json(&format!("/api/v1/proofs/inclusion?position={position}"))
                .await,
        );
    }
    let consistency = service
        .get_json(&format!("/api/v1/proofs/consistency?from={OLD}"))
        .await;
    let proofs = json!({"inclusion": inclusion, "consistency": consistency});
    std::fs::write(dir.join("proofs.json"), proofs.to_string()).unwrap();
    service.stop().await;

    let tools = tempfile::tempdir().unwrap();
    let program = build(tools.path());
    let run = || {
        let ended = Command::new(&program).arg(dir).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
    };
    let sound = run();
    let expected = format!("OK: {EVENTS} entries, 11 proofs, {OLD} to {EVENTS}\n");
    assert_eq!(sound, (Some(0), expected));

    // one byte of each kind of file
    for (name, at) in [
        ("tile/0/100", 4_321),
        ("tile/1/000", 33),
        ("tile/entries/272", 100),
        ("checkpoint", 25),
        ("checkpoint.old", 25),
    ] {
        let file = dir.join(name);
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, bad).unwrap();
        let (code, output) = run();
        assert!(code == Some(1) && output.starts_with("FAILED"), "{name}: {output}");
        std::fs::write(&file, good).unwrap();
    }
    for pointer in ["/inclusion/3/proof/4", "/inclusion/0/leafHash", "/consistency/proof/2"] {
        let mut bad = proofs.clone();
        let hash = bad.pointer_mut(pointer).unwrap();
        let text = hash.as_str().unwrap();
        let other = if text.starts_with('A') { "B" } else { "A" };
        *hash = format!("{other}{}", &text[1..]).into();
        std::fs::write(dir.join("proofs.json"), bad.to_string()).unwrap();
        let (code, output) = run();
        assert!(code == Some(1) && output.starts_with("FAILED"), "{pointer}: {output}");
    }
}
