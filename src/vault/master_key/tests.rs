use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

fn subject(name: &str) -> SubjectId {
    SubjectId::parse(name).unwrap()
}

#[test]
fn the_key_file_is_made_once_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    assert!(MasterKey::load(&path).is_err());
    let made = MasterKey::create(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 65);
    assert!(
        text.trim_end_matches('\n')
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    );
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(MasterKey::create(&path).is_err());
    let (loaded, created) = MasterKey::load_or_create(&path).unwrap();
    assert_eq!((loaded.id(), created), (made.id(), false));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn all_who_start_at_once_get_the_same_key_and_one_has_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let start = std::sync::Barrier::new(8);
    let keys: Vec<(String, bool)> = std::thread::scope(|scope| {
        let start_one = || {
            start.wait();
            let (key, created) = MasterKey::load_or_create(&path).unwrap();
            (key.id(), created)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start_one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|(id, _)| *id == keys[0].0));
    assert_eq!(keys.iter().filter(|(_, created)| *created).count(), 1);
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    MasterKey::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = MasterKey::load_or_create(&path).err().unwrap().to_string();
        assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert!(MasterKey::load(&path).is_ok());
}

#[test]
fn a_file_that_holds_no_key_is_refused_without_quoting_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    for text in [
        "planted".to_owned(),
        "a".repeat(63),
        "a".repeat(66),
        format!("{}@", "a".repeat(63)),
    ] {
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let error = MasterKey::load_or_create(&path).err().unwrap();
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("64 hexadecimal digits") && said.contains("master.key"),
            "{said}"
        );
        assert!(!said.contains(&text) && !said.contains('@'), "{said}");
    }
}

#[test]
fn a_data_key_unwraps_only_for_its_subject_and_unaltered() {
    let master = MasterKey::generate();
    let key = DataKey::generate();
    let wrapped = master.wrap(&subject("U1"), &key).unwrap();
    assert_eq!(wrapped.len(), 80);
    assert_eq!(master.unwrap(&subject("U1"), &wrapped).unwrap().bytes(), key.bytes());
    assert!(matches!(
        master.unwrap(&subject("U2"), &wrapped),
        Err(VaultError::Tampered)
    ));
    for index in 0..wrapped.len() {
        let mut altered = wrapped.clone();
        altered[index] ^= 1;
        assert!(master.unwrap(&subject("U1"), &altered).is_err(), "byte {index}");
        assert!(matches!(
            master.unwrap(&subject("U1"), &wrapped[..index]),
            Err(VaultError::Tampered)
        ));
    }
}

#[test]
fn a_wrong_master_key_is_named() {
    let (one, two) = (MasterKey::generate(), MasterKey::generate());
    let wrapped = one.wrap(&subject("U1"), &DataKey::generate()).unwrap();
    let error = two.unwrap(&subject("U1"), &wrapped).err().unwrap();
    assert!(matches!(error, VaultError::OtherMasterKey { .. }));
    assert!(
        error.to_string().contains(&one.id()) && error.to_string().contains(&two.id()),
        "{error}"
    );
}
