use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;

async fn ids(source: &KeyFile) -> Vec<MasterKeyId> {
    source.load().await.unwrap().iter().map(MasterKey::id).collect()
}

#[tokio::test]
async fn the_key_file_is_made_once_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let source = KeyFile::plain(&path);
    assert!(ids(&source).await.is_empty());
    assert!(source.create().await.unwrap());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 65);
    assert!(
        text.trim_end()
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    );
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!source.create().await.unwrap());
    assert_eq!(ids(&source).await.len(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_start_at_once_get_the_same_key_and_one_has_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let start = Arc::new(tokio::sync::Barrier::new(8));
    let starts = (0..8).map(|_| {
        let (path, start) = (path.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            let source = KeyFile::plain(&path);
            start.wait().await;
            let created = source.create().await.unwrap();
            (ids(&source).await, created)
        })
    });
    let starts: Vec<_> = starts.collect();
    let mut ended = Vec::new();
    for start in starts {
        ended.push(start.await.unwrap());
    }
    assert!(ended.iter().all(|(ids, _)| ids.len() == 1 && *ids == ended[0].0));
    assert_eq!(ended.iter().filter(|(_, created)| *created).count(), 1);
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let source = KeyFile::plain(&path);
    source.create().await.unwrap();
    for mode in [0o644, 0o604, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = source.load().await.err().unwrap().to_string();
        assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    // the last two: a secret mounted by Kubernetes, and its mode in a volume for a group
    for mode in [0o400, 0o440, 0o660] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(ids(&source).await.len(), 1);
    }
}

#[tokio::test]
async fn a_file_that_holds_no_key_is_refused_without_quoting_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let good = "a".repeat(64);
    for text in [
        "planted".to_owned(),
        "a".repeat(63),
        "b".repeat(66),
        format!("{}@", "a".repeat(63)),
        format!("{good}\nplanted"),
    ] {
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = KeyFile::plain(&path).load().await.err().unwrap();
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("64 hexadecimal digits") && said.contains("master.key"),
            "{said}"
        );
        assert!(
            !said.contains("planted") && !said.contains("aaaa") && !said.contains('@'),
            "{said}"
        );
    }
    fs::write(&path, "vault:v1:abc").unwrap();
    let error = KeyFile::plain(&path).load().await.err().unwrap().to_string();
    assert!(error.contains("transit_url"), "{error}");
}

#[tokio::test]
async fn a_new_key_stands_before_the_old_one_until_that_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let source = KeyFile::plain(&dir.path().join("master.key"));
    source.create().await.unwrap();
    let old = ids(&source).await;
    source.add().await.unwrap();
    let both = ids(&source).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], old[0]);
    assert!(source.remove(old[0]).await.unwrap());
    assert!(!source.remove(old[0]).await.unwrap());
    assert_eq!(ids(&source).await, both[..1]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
