use aggregates::{EventId, StreamId};
use proptest::prelude::*;

use super::*;
use crate::Section;

const PLAIN: &[u8] = b"tukl dfds sloe oldf";

struct Place {
    stream: StreamId,
    event_id: EventId,
}

fn place(stream: &str, event_id: &str) -> Place {
    Place {
        stream: StreamId::parse(stream).unwrap(),
        event_id: EventId::parse(event_id).unwrap(),
    }
}

impl Place {
    fn context(&self, section: Section, schema_version: u32) -> Context<'_> {
        Context {
            stream: &self.stream,
            event_id: &self.event_id,
            section,
            schema_version,
        }
    }
}

fn refused(key: &DataKey, context: &Context<'_>, sealed: &Sealed, prefix: &[&[u8]]) -> bool {
    matches!(key.open(context, sealed, prefix), Err(SealError::Tampered))
}

#[test]
fn a_section_opens_only_at_its_place_and_with_its_key() {
    let key = DataKey::generate();
    let home = place("order-A", "E1");
    let context = home.context(Section::Secrets, 1);
    let sealed = key.seal(&context, &Packed::compress(PLAIN).unwrap()).unwrap();
    assert_eq!(key.open(&context, &sealed, &[]).unwrap().expose(), PLAIN);
    assert!(refused(&key, &home.context(Section::Personal, 1), &sealed, &[]));
    assert!(refused(&key, &home.context(Section::Secrets, 2), &sealed, &[]));
    assert!(refused(
        &key,
        &place("order-B", "E1").context(Section::Secrets, 1),
        &sealed,
        &[]
    ));
    assert!(refused(
        &key,
        &place("order-A", "E2").context(Section::Secrets, 1),
        &sealed,
        &[]
    ));
    assert!(refused(
        &key,
        &place("order-AE", "1").context(Section::Secrets, 1),
        &sealed,
        &[]
    ));
    assert!(refused(&DataKey::generate(), &context, &sealed, &[]));
}

#[test]
fn no_bit_of_a_sealed_section_can_be_flipped_and_no_byte_cut() {
    let key = DataKey::generate();
    let home = place("order-A", "E1");
    let context = home.context(Section::Secrets, 1);
    let stored = key.seal(&context, &Packed::compress(PLAIN).unwrap()).unwrap();
    let compressed = key
        .seal(&context, &Packed::compress(&PLAIN.repeat(9)).unwrap())
        .unwrap();
    let prefixed = Packed::compress_with_prefix(&PLAIN.repeat(9), &[PLAIN]).unwrap();
    let prefixed = key.seal(&context, &prefixed).unwrap();
    let bound = Packed::stored_with_prefix(PLAIN, &[PLAIN]).unwrap();
    let bound = key.seal(&context, &bound).unwrap();
    for (sealed, format) in [(stored, 0), (compressed, 1), (bound, 2), (prefixed, 3)] {
        assert_eq!(sealed.as_bytes()[0], format);
        assert!(key.open(&context, &sealed, &[PLAIN]).is_ok());
        for index in 0..sealed.as_bytes().len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                altered.0[index] ^= 1 << bit;
                assert!(
                    refused(&key, &context, &altered, &[PLAIN]),
                    "format {format}, byte {index}, bit {bit}"
                );
            }
            let cut = Sealed::from_bytes(sealed.as_bytes()[..index].to_vec());
            assert!(
                refused(&key, &context, &cut, &[PLAIN]),
                "format {format}, cut at {index}"
            );
        }
    }
}

#[test]
fn another_prefix_is_refused_rather_than_unfolded_to_another_text() {
    let key = DataKey::generate();
    let home = place("order-A", "E1");
    let context = home.context(Section::Original, 1);
    let prefix = br#"{"domain":"example.com","status":"assigned"}"#;
    let (first, second) = prefix.split_at(7);
    let altered = br#"{"domain":"example.org","status":"assigned"}"#;
    let plain = prefix.repeat(2);
    for packed in [
        Packed::compress_with_prefix(&plain, &[prefix]).unwrap(),
        Packed::stored_with_prefix(&plain, &[prefix]).unwrap(),
    ] {
        let sealed = key.seal(&context, &packed).unwrap();
        assert_eq!(key.open(&context, &sealed, &[first, second]).unwrap().expose(), &plain);
        assert!(refused(&key, &context, &sealed, &[altered]));
        assert!(refused(&key, &context, &sealed, &[second, first]));
        assert!(refused(&key, &context, &sealed, &[]));
    }
}

#[test]
fn what_is_sealed_but_no_frame_is_corrupt() {
    let key = DataKey::generate();
    let home = place("order-A", "E1");
    let context = home.context(Section::Original, 1);
    let packed = Packed::from_parts(Format::Compressed, Wiped::new(PLAIN.to_vec()), Wiped::default());
    let sealed = key.seal(&context, &packed).unwrap();
    assert!(matches!(key.open(&context, &sealed, &[]), Err(SealError::Corrupt)));
}

#[test]
fn the_same_section_never_looks_the_same_twice_nor_shows_what_it_holds() {
    let key = DataKey::generate();
    let home = place("order-A", "E1");
    let packed = Packed::compress(PLAIN).unwrap();
    let seal = || key.seal(&home.context(Section::Secrets, 1), &packed).unwrap();
    let (one, two) = (seal(), seal());
    assert_ne!(one, two);
    assert_ne!(one.sha256(), two.sha256());
    assert_eq!(one.as_bytes().len(), 1 + aead::OVERHEAD + PLAIN.len());
    assert!(!one.as_bytes().windows(4).any(|window| window == &PLAIN[..4]));
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again(
        plain: Vec<u8>,
        prefix: Vec<u8>,
        repeats in 0_usize..20,
        section in prop::sample::select(Section::ALL.to_vec()),
        schema_version: u32,
        id in "[!-~]{1,128}",
    ) {
        let key = DataKey::generate();
        let home = place(&format!("order-{id}"), &id);
        let context = home.context(section, schema_version);
        let plain = plain.repeat(repeats);
        let sealed = key.seal(&context, &Packed::compress_with_prefix(&plain, &[&prefix]).unwrap()).unwrap();
        let stored = Sealed::from_bytes(sealed.as_bytes().to_vec());
        let opened = key.open(&context, &stored, &[&prefix]).unwrap();
        prop_assert_eq!(opened.expose(), &plain);
    }
}
