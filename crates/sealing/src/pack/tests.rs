use proptest::prelude::*;

use super::*;

const WEBHOOK: &[u8] = include_bytes!("../../../../tests/fixtures/webhooks/prewarmup.order.success.json");

fn unpacked(packed: Packed) -> Vec<u8> {
    packed.unpack().unwrap().to_vec()
}

fn frame(bytes: &[u8]) -> Packed {
    Packed::from_parts(Format::Compressed, Wiped::new(bytes.to_vec()), Wiped::default())
}

/// Each object's fields with these names, listed as in a section.
fn values(json: &serde_json::Value, names: &[&str], found: &mut Vec<serde_json::Value>) {
    match json {
        serde_json::Value::Object(fields) => {
            let own = fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
            let own: serde_json::Map<_, _> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
            if !own.is_empty() {
                found.push(own.into());
            }
            fields.values().for_each(|value| values(value, names, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| values(item, names, found)),
        _ => {}
    }
}

fn section(names: &[&str]) -> Vec<u8> {
    let mut found = Vec::new();
    values(&serde_json::from_slice(WEBHOOK).unwrap(), names, &mut found);
    serde_json::to_vec(&found).unwrap()
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_again(plain: Vec<u8>, prefix: Vec<u8>, repeats in 0_usize..20) {
        let plain = plain.repeat(repeats);
        prop_assert_eq!(&unpacked(Packed::compress(&plain).unwrap()), &plain);
        let prefixed = Packed::compress_with_prefix(&plain, &[&prefix, &plain]).unwrap();
        prop_assert_eq!(unpacked(prefixed), plain);
    }
}

#[test]
fn a_webhook_packed_against_its_own_sections_gets_small() {
    let personal = section(&["userEmail", "email", "firstName", "lastName", "profilePicture"]);
    let secrets = section(&["password", "appPassword", "authenticatorSecret"]);
    let facts = section(&[
        "eventId",
        "userId",
        "orderId",
        "domain",
        "subscriptionId",
        "mailboxId",
        "expiryDate",
    ]);
    let packed = Packed::compress_with_prefix(WEBHOOK, &[&personal, &secrets, &facts]).unwrap();
    let (size, plain) = (packed.bytes().len(), WEBHOOK.len());
    assert!(size * 100 < plain * 35, "{size} of {plain} bytes");
    assert!(size < Packed::compress(WEBHOOK).unwrap().bytes().len());
    assert_eq!(unpacked(packed), WEBHOOK);
}

#[test]
fn bytes_that_do_not_compress_stay_as_they_are() {
    let packed = Packed::compress_with_prefix(b"x", &[b"y"]).unwrap();
    assert_eq!(
        (packed.format(), packed.bytes(), packed.prefix()),
        (Format::Stored, &b"x"[..], &b""[..])
    );
    assert_eq!(unpacked(Packed::compress(b"").unwrap()), b"");
}

#[test]
fn a_prefix_that_poses_as_a_trained_dictionary_is_text_like_any_other() {
    let prefix = [b"\x37\xA4\x30\xEC".as_slice(), WEBHOOK].concat();
    let packed = Packed::compress_with_prefix(WEBHOOK, &[&prefix]).unwrap();
    assert_eq!(packed.format(), Format::Prefixed);
    assert_eq!(unpacked(packed), WEBHOOK);
}

#[test]
fn the_largest_text_fits_and_a_larger_one_is_refused() {
    let largest = vec![b'x'; MAX_PLAIN_BYTES];
    assert!(unpacked(Packed::compress(&largest).unwrap()) == largest);
    let larger = vec![b'x'; MAX_PLAIN_BYTES + 1];
    assert!(matches!(Packed::compress(&larger), Err(SealError::TooLong(_))));
}

#[test]
fn a_bomb_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; MAX_PLAIN_BYTES + 1], 1).unwrap();
    assert!(matches!(frame(&bomb).unpack(), Err(SealError::Corrupt)));
    // a bomb after a small frame
    let small = zstd::bulk::compress(&[0; 100], 1).unwrap();
    assert!(matches!(
        frame(&[small, bomb].concat()).unpack(),
        Err(SealError::Corrupt)
    ));
    // a frame without its length, as a stream writes it
    let stream = zstd::encode_all(&vec![0; 1 << 20][..], 1).unwrap();
    assert!(matches!(frame(&stream).unpack(), Err(SealError::Corrupt)));
}

#[test]
fn a_broken_frame_is_refused_and_the_next_one_is_read() {
    let whole = Packed::compress(WEBHOOK).unwrap();
    let cut = frame(&whole.bytes()[..whole.bytes().len() - 1]);
    assert!(matches!(cut.unpack(), Err(SealError::Corrupt)));
    assert!(matches!(frame(b"not zstd").unpack(), Err(SealError::Corrupt)));
    assert_eq!(unpacked(whole), WEBHOOK);
}
