//! Tiles, checkpoints and proofs over HTTP, in the exact forms of C2SP.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use warmledger::checkpoints::open;
use warmledger::tlog::{Hash, NoteVerifier, leaf_hash, verify_consistency, verify_inclusion};

use crate::on_both_stores;
use crate::support::log::{fill_with_leaves, fill_with_names};
use crate::support::{Database, TestService};

on_both_stores!(
    tiles_are_served_at_their_paths_and_no_others,
    a_leaf_that_no_bundle_can_hold_is_told_and_proved,
    proofs_lead_to_the_signed_root,
    checkpoints_are_listed_page_by_page,
);

async fn with_events(database: &Database, count: u64) -> TestService {
    let store = database.store_with_keys().await;
    fill_with_leaves(&*store, count - 1).await;
    let service = database.service().await;
    // the record of this read is the last event, so that none comes in meanwhile
    service.get_json("/api/v1/proofs/consistency?from=0&to=0").await;
    service.signed(&*store, count).await;
    service
}

fn hash(text: &Value) -> Hash {
    let bytes = BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
    bytes.try_into().unwrap()
}

fn hashes(list: &Value) -> Vec<Hash> {
    list.as_array().unwrap().iter().map(hash).collect()
}

async fn tiles_are_served_at_their_paths_and_no_others(database: Database) {
    let service = with_events(&database, 600).await;
    let store = database.store().await;
    let leaves = store.tree_hashes(0, 0..600).await.unwrap();
    for (path, expected) in [
        ("/tile/0/000", leaves[..256].concat()),
        ("/tile/0/001", leaves[256..512].concat()),
        ("/tile/0/002.p/88", leaves[512..].concat()),
        ("/tile/0/002.p/1", leaves[512].to_vec()),
        ("/tile/1/000.p/2", store.tree_hashes(1, 0..2).await.unwrap().concat()),
    ] {
        let response = service.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/octet-stream");
        assert_eq!(
            response.headers()["cache-control"],
            "private, max-age=31536000, immutable"
        );
        assert_eq!(response.bytes().await.unwrap(), expected, "{path}");
    }
    let bundle = service.get("/tile/entries/002.p/88").await;
    assert_eq!(bundle.headers()["content-type"], "application/octet-stream");
    let mut bundle = &bundle.bytes().await.unwrap()[..];
    for leaf in &leaves[512..] {
        let (length, rest) = bundle.split_first_chunk().unwrap();
        let (entry, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        assert_eq!(leaf_hash(entry), *leaf);
        bundle = rest;
    }
    assert!(bundle.is_empty());
    for path in [
        "/tile/0/002",
        "/tile/0/002.p/89",
        "/tile/0/003",
        "/tile/00/000",
        "/tile/0/0",
        "/tile/0/x000/001",
        "/tile/1/000",
        "/tile/2/000.p/1",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/0/000.p/256",
        "/tile/data/000",
        "/tile/entries/003",
        "/tile/8/0/000",
        "/tile/63/x018/x446/x744/x073/x709/x551/615",
    ] {
        let response = service.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
    service.stop().await;
}

async fn proofs_lead_to_the_signed_root(database: Database) {
    let service = with_events(&database, 600).await;
    let response = service.get("/checkpoint").await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "private, no-cache");
    let note = response.text().await.unwrap();
    let keys = service.get_json("/api/v1/signing-keys").await;
    let key = NoteVerifier::parse(keys["items"][0]["verifier"].as_str().unwrap()).unwrap();
    let checkpoint = open(&note, &[key]).unwrap();
    assert_eq!(checkpoint.size, 600);
    for position in [1, 256, 257, 600] {
        let proof = service
            .get_json(&format!("/api/v1/proofs/inclusion?position={position}"))
            .await;
        assert_eq!(
            (&proof["size"], &proof["checkpoint"]),
            (&600.into(), &note.as_str().into())
        );
        let leaf = leaf_hash(proof["leaf"].as_str().unwrap().as_bytes());
        assert_eq!(leaf, hash(&proof["leafHash"]));
        assert!(verify_inclusion(
            position - 1,
            600,
            &leaf,
            &hashes(&proof["proof"]),
            &checkpoint.root
        ));
        let path = format!("/api/v1/proofs/inclusion.tlog-proof?position={position}");
        let file = service.get(&path).await;
        let disposition = format!("attachment; filename=\"{position}.tlog-proof\"");
        assert_eq!(file.headers()["content-disposition"], disposition.as_str());
        let lines = proof["proof"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hash| format!("{}\n", hash.as_str().unwrap()));
        let expected = format!(
            "c2sp.org/tlog-proof@v1\nindex {}\n{}\n{note}",
            position - 1,
            lines.collect::<String>()
        );
        assert_eq!(file.text().await.unwrap(), expected);
    }
    let earlier = service.get_json("/api/v1/proofs/inclusion?position=7&size=100").await;
    let root = hash(&earlier["rootHash"]);
    assert!(verify_inclusion(
        6,
        100,
        &hash(&earlier["leafHash"]),
        &hashes(&earlier["proof"]),
        &root
    ));
    assert_eq!(earlier["checkpoint"], Value::Null);
    let grown = service.get_json("/api/v1/proofs/consistency?from=100").await;
    assert_eq!(
        (hash(&grown["fromRootHash"]), hash(&grown["toRootHash"])),
        (root, checkpoint.root)
    );
    assert!(verify_consistency(
        (100, &root),
        (600, &checkpoint.root),
        &hashes(&grown["proof"])
    ));
    let none = service.get_json("/api/v1/proofs/consistency?from=0&to=0").await;
    assert_eq!(none["proof"].as_array().map(Vec::len), Some(0));
    for (path, status) in [
        ("/api/v1/proofs/inclusion?position=0", 404),
        ("/api/v1/proofs/inclusion?position=601", 404),
        ("/api/v1/proofs/inclusion.tlog-proof?position=601", 404),
        ("/api/v1/proofs/inclusion?position=8&size=7", 404),
        ("/api/v1/proofs/inclusion?position=8&size=601", 400),
        ("/api/v1/proofs/inclusion", 400),
        ("/api/v1/proofs/consistency?from=601", 400),
        ("/api/v1/proofs/consistency?from=1&to=601", 400),
        ("/api/v1/proofs/consistency?from=5&to=4", 400),
    ] {
        assert_eq!(service.get(path).await.status(), status, "{path}");
    }
    service.stop().await;
}

async fn checkpoints_are_listed_page_by_page(database: Database) {
    let store = database.store_with_keys().await;
    let signer = super::signer(&database, &store).await;
    for _ in 0..5 {
        fill_with_leaves(&*store, 3).await;
        signer.sign().await.unwrap();
    }
    let service = database.service().await;
    let mut sizes = Vec::new();
    let mut path = "/api/v1/checkpoints?limit=2".to_owned();
    loop {
        let page = service.get_json(&path).await;
        for item in page["items"].as_array().unwrap() {
            assert!(item["note"].as_str().unwrap().starts_with("ledger.test/1\n"), "{item}");
            sizes.push(item["size"].as_u64().unwrap());
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/checkpoints?limit=2&after={next}");
    }
    assert_eq!(sizes, [3, 6, 9, 12, 15]);
    assert_eq!(service.get("/api/v1/checkpoints?after=x").await.status(), 400);
    service.stop().await;
}

async fn a_leaf_that_no_bundle_can_hold_is_told_and_proved(database: Database) {
    let store = database.store_with_keys().await;
    fill_with_names(&*store, 3, |n| "x".repeat(if n == 2 { 70_000 } else { 1 })).await;
    let service = database.service().await;
    service.signed(&*store, 3).await;
    assert_eq!(service.get("/tile/entries/000.p/1").await.status(), 200);
    let response = service.get("/tile/entries/000.p/3").await;
    assert_eq!(response.status(), 404);
    let detail = response.text().await.unwrap();
    assert!(detail.contains("GET /api/v1/proofs/inclusion?position=2"), "{detail}");
    let proof = service.get_json("/api/v1/proofs/inclusion?position=2").await;
    let leaf = leaf_hash(proof["leaf"].as_str().unwrap().as_bytes());
    assert!(verify_inclusion(
        1,
        3,
        &leaf,
        &hashes(&proof["proof"]),
        &hash(&proof["rootHash"])
    ));
    service.stop().await;
}
