use super::*;

fn subject(name: &str) -> SubjectId {
    SubjectId::parse(name).unwrap()
}

#[test]
fn a_key_is_read_from_hexadecimal_digits_and_from_base64() {
    let bytes = [0xfb; 32];
    let hexadecimal = hex::encode(bytes);
    let id = |text: &str| KeyMaterial::parse(text).map(|material| MasterKey::new(&material).id());
    let base64 = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
    let expected = id(&hexadecimal);
    assert!(expected.is_some());
    for same in [
        hexadecimal.to_uppercase(),
        base64.to_owned(),
        base64.trim_end_matches('=').to_owned(),
        base64.replace('+', "-").replace('/', "_"),
    ] {
        assert_eq!(id(&same), expected, "{same}");
    }
    for bad in ["", "abc", &hexadecimal[1..], &format!("{hexadecimal}00"), "$$$$"] {
        assert!(id(bad).is_none(), "{bad}");
    }
}

#[test]
fn the_id_of_a_key_is_read_back_from_its_text() {
    let id = MasterKey::generate().id();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("xyz".parse::<MasterKeyId>().is_err());
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
        Err(SealError::Tampered)
    ));
    for index in 0..wrapped.len() {
        let mut altered = wrapped.clone();
        altered[index] ^= 1;
        assert!(master.unwrap(&subject("U1"), &altered).is_err(), "byte {index}");
        assert!(matches!(
            master.unwrap(&subject("U1"), &wrapped[..index]),
            Err(SealError::Tampered)
        ));
    }
}

#[test]
fn a_wrong_master_key_is_named() {
    let (one, two) = (MasterKey::generate(), MasterKey::generate());
    let wrapped = one.wrap(&subject("U1"), &DataKey::generate()).unwrap();
    let error = two.unwrap(&subject("U1"), &wrapped).err().unwrap();
    assert!(matches!(error, SealError::OtherMasterKey { .. }));
    assert!(
        error.to_string().contains(&one.id().to_string()) && error.to_string().contains(&two.id().to_string()),
        "{error}"
    );
}
