use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::*;

const BODY: &[u8] = br#"{"event":"prewarmup.order.success"}"#;
const NOW: i64 = 1_760_000_000;

fn key(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn verifier(scheme: Scheme) -> Verifier {
    Verifier::new([&key("partner-key")], scheme)
}

/// Signs `BODY` with the verifier's key and the given time, and has it checked.
fn verify_sent_at(scheme: Scheme, timestamp: &str) -> Result<Option<Timestamp>, Refusal> {
    let signature = sign(&key("partner-key"), scheme, timestamp, BODY);
    verifier(scheme).verify(Some(&signature), Some(timestamp), BODY, now())
}

#[test]
fn it_is_the_hmac_sha256_of_rfc_4231() {
    // RFC 4231 §4.3, test case 2.
    let signature = sign(&key("Jefe"), Scheme::Body, "", b"what do ya want for nothing?");
    assert_eq!(
        signature,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn a_scheme_says_what_goes_before_the_body() {
    let whole = |text: &str| sign(&key("k"), Scheme::Body, "", text.as_bytes());
    assert_eq!(sign(&key("k"), Scheme::TimestampDotBody, "17", b"{}"), whole("17.{}"));
    assert_eq!(sign(&key("k"), Scheme::TimestampBody, "17", b"{}"), whole("17{}"));
}

#[test]
fn every_scheme_accepts_what_it_signs() {
    for scheme in Scheme::ALL {
        assert_eq!(verify_sent_at(scheme, &NOW.to_string()), Ok(Some(now())), "{scheme}");
    }
}

#[test]
fn a_scheme_is_read_back_from_its_name() {
    for scheme in Scheme::ALL {
        assert_eq!(scheme.to_string().parse(), Ok(scheme));
        assert_eq!(
            serde_json::from_str::<Scheme>(&format!("\"{scheme}\"")).unwrap(),
            scheme
        );
    }
    assert_eq!("Body".parse::<Scheme>(), Err(UnknownScheme));
    assert_eq!(Scheme::default(), Scheme::TimestampDotBody);
}

#[test]
fn hex_and_base64_are_accepted_in_every_usual_spelling() {
    let stamp = NOW.to_string();
    // Some of these tags contain each character in which the two alphabets differ.
    for n in 0..64 {
        let body = format!("{{\"n\":{n}}}");
        let hex = sign(&key("partner-key"), Scheme::default(), &stamp, body.as_bytes());
        let tag = hex::decode(&hex).unwrap();
        let spellings = [
            hex.to_uppercase(),
            STANDARD.encode(&tag),
            STANDARD_NO_PAD.encode(&tag),
            URL_SAFE.encode(&tag),
            URL_SAFE_NO_PAD.encode(&tag),
            hex,
        ];
        for text in spellings.iter().flat_map(|text| {
            let (blank, upper) = (format!("sha256= {text}"), format!(" SHA256={text} "));
            [text.clone(), format!("sha256={text}"), blank, upper]
        }) {
            let result = verifier(Scheme::default()).verify(Some(&text), Some(&stamp), body.as_bytes(), now());
            assert_eq!(result, Ok(Some(now())), "{text}");
        }
    }
}

#[test]
fn what_is_no_signature_is_malformed() {
    let stamp = NOW.to_string();
    let long = "A".repeat(10_000);
    for text in [
        "",
        "sha256=",
        "abc",
        "sha1=00",
        &"g".repeat(64),
        &"a".repeat(63),
        &"a".repeat(66),
        "é",
        &long,
    ] {
        let result = verifier(Scheme::default()).verify(Some(text), Some(&stamp), BODY, now());
        assert_eq!(result, Err(Refusal::MalformedSignature), "{text}");
    }
}

#[test]
fn any_of_several_keys_is_accepted() {
    let stamp = NOW.to_string();
    let both = Verifier::new([&key("old"), &key("new")], Scheme::default());
    for (signer, accepted) in [("old", true), ("new", true), ("other", false)] {
        let signature = sign(&key(signer), Scheme::default(), &stamp, BODY);
        assert_eq!(
            both.verify(Some(&signature), Some(&stamp), BODY, now()).is_ok(),
            accepted,
            "{signer}"
        );
    }
}

#[test]
fn an_empty_key_is_no_key() {
    let stamp = NOW.to_string();
    let signature = sign(&key(""), Scheme::default(), &stamp, BODY);
    let result = Verifier::new([&key("")], Scheme::default()).verify(Some(&signature), Some(&stamp), BODY, now());
    assert_eq!(result, Err(Refusal::Mismatch { would_match: None }));
}

#[test]
fn a_changed_byte_is_a_mismatch() {
    let stamp = NOW.to_string();
    let signature = sign(&key("partner-key"), Scheme::default(), &stamp, BODY);
    let mut body = BODY.to_vec();
    body.push(b'\n');
    let mismatch = Err(Refusal::Mismatch { would_match: None });
    assert_eq!(
        verifier(Scheme::default()).verify(Some(&signature), Some(&stamp), &body, now()),
        mismatch
    );
    let later = (NOW + 1).to_string();
    assert_eq!(
        verifier(Scheme::default()).verify(Some(&signature), Some(&later), BODY, now()),
        mismatch
    );
    let flipped = format!(
        "{}{}",
        if signature.starts_with('0') { '1' } else { '0' },
        &signature[1..]
    );
    assert_eq!(
        verifier(Scheme::default()).verify(Some(&flipped), Some(&stamp), BODY, now()),
        mismatch
    );
}

#[test]
fn a_mismatch_names_the_scheme_that_would_have_matched() {
    let stamp = NOW.to_string();
    for ours in Scheme::ALL {
        for theirs in Scheme::ALL.into_iter().filter(|theirs| *theirs != ours) {
            let signature = sign(&key("partner-key"), theirs, &stamp, BODY);
            let refusal = verifier(ours)
                .verify(Some(&signature), Some(&stamp), BODY, now())
                .unwrap_err();
            assert_eq!(
                refusal,
                Refusal::Mismatch {
                    would_match: Some(theirs)
                }
            );
            assert!(
                refusal.to_string().contains(&format!("WARMLEDGER_SIGNATURE={theirs}")),
                "{refusal}"
            );
        }
    }
}

#[test]
fn a_missing_header_is_named() {
    let stamp = NOW.to_string();
    let signed = |scheme| sign(&key("partner-key"), scheme, &stamp, BODY);
    let scheme = Scheme::TimestampDotBody;
    let check = |signature: Option<&str>, stamp| verifier(scheme).verify(signature, stamp, BODY, now());
    assert_eq!(check(None, Some(&stamp)), Err(Refusal::MissingSignature));
    assert_eq!(check(Some(&signed(scheme)), None), Err(Refusal::MissingTimestamp));
    // A sender that gives no time of sending and signs the body: the setting has to change, not the headers.
    let would_match = Some(Scheme::Body);
    assert_eq!(
        check(Some(&signed(Scheme::Body)), None),
        Err(Refusal::Mismatch { would_match })
    );
}

#[test]
fn the_body_alone_needs_no_time_of_sending() {
    let signature = sign(&key("partner-key"), Scheme::Body, "", BODY);
    let check = |stamp| verifier(Scheme::Body).verify(Some(&signature), stamp, BODY, now());
    assert_eq!(check(None), Ok(None));
    assert_eq!(check(Some("1760000000")), Ok(Some(now())));
    assert_eq!(
        check(Some("1759999000")),
        Err(Refusal::StaleTimestamp {
            seconds: 1000,
            allowed: 300
        })
    );
    assert_eq!(check(Some("yesterday")), Err(Refusal::MalformedTimestamp));
}

#[test]
fn seconds_and_milliseconds_are_told_apart_by_magnitude() {
    let milliseconds = Timestamp::from_millisecond(NOW * 1000 + 250).unwrap();
    assert_eq!(
        verify_sent_at(Scheme::default(), "1760000000250"),
        Ok(Some(milliseconds))
    );
    assert_eq!(verify_sent_at(Scheme::default(), "1760000000"), Ok(Some(now())));
}

#[test]
fn a_webhook_is_fresh_for_five_minutes_either_side() {
    let stale = |seconds| Err(Refusal::StaleTimestamp { seconds, allowed: 300 });
    for (offset, seconds) in [(300, None), (-300, None), (301, Some(-301)), (-301, Some(301))] {
        let result = verify_sent_at(Scheme::default(), &(NOW + offset).to_string());
        assert_eq!(result.is_ok(), seconds.is_none(), "{offset}");
        if let Some(seconds) = seconds {
            assert_eq!(result, stale(seconds));
        }
    }
    let past = (NOW - 300) * 1000 - 1;
    assert_eq!(verify_sent_at(Scheme::default(), &past.to_string()), stale(301));
    // Microseconds are read as milliseconds: far in the future, not accepted by accident.
    assert!(verify_sent_at(Scheme::default(), "1760000000000000").is_err());
    assert!(verify_sent_at(Scheme::default(), "0").is_err());
}

#[test]
fn a_source_says_how_long_its_webhooks_are_fresh() {
    let signature = "0".repeat(64);
    let age = |freshness, offset: i64| {
        let stamp = (NOW + offset).to_string();
        let screened = screen(Some(&signature), Some(&stamp)).expect("well-formed");
        let verifier = verifier(Scheme::default()).fresh_for(Duration::from_secs(freshness));
        verifier.check_age(&screened, now())
    };
    assert_eq!(age(86_400, -86_400), Ok(()));
    assert_eq!(age(86_400, 86_400), Ok(()));
    let stale = Refusal::StaleTimestamp {
        seconds: 86_401,
        allowed: 86_400,
    };
    assert_eq!(age(86_400, -86_401), Err(stale));
    assert!(stale.to_string().ends_with("at most 86400 s are accepted"), "{stale}");
    assert!(age(1, -2).is_err() && age(1, -1).is_ok());
}

#[test]
fn staleness_is_told_in_words() {
    assert!(
        Refusal::StaleTimestamp {
            seconds: 400,
            allowed: 300
        }
        .to_string()
        .contains("400 s ago")
    );
    assert!(
        Refusal::StaleTimestamp {
            seconds: -400,
            allowed: 300
        }
        .to_string()
        .contains("400 s in our future")
    );
}

#[test]
fn a_time_of_sending_is_digits_only() {
    for text in [
        "",
        "-1760000000",
        "+1760000000",
        "1760000000.5",
        "1.76e9",
        "0x68E77800",
        "١٧٦",
        "99999999999999999999",
    ] {
        assert_eq!(
            verify_sent_at(Scheme::default(), text),
            Err(Refusal::MalformedTimestamp),
            "{text}"
        );
    }
    assert_eq!(
        verify_sent_at(Scheme::default(), &i64::MAX.to_string()),
        Err(Refusal::MalformedTimestamp)
    );
}

#[test]
fn the_headers_are_judged_before_the_body() {
    let good = "0".repeat(64);
    let refusal = |signature, timestamp| match screen(signature, timestamp) {
        Ok(screened) => verifier(Scheme::default()).check_age(&screened, now()).err(),
        Err(refusal) => Some(refusal),
    };
    assert_eq!(refusal(None, None), Some(Refusal::MissingSignature));
    assert_eq!(refusal(Some("beef"), None), Some(Refusal::MalformedSignature));
    assert_eq!(refusal(Some(&good), Some("soon")), Some(Refusal::MalformedTimestamp));
    assert_eq!(
        refusal(Some(&good), Some("1759999000")),
        Some(Refusal::StaleTimestamp {
            seconds: 1000,
            allowed: 300
        })
    );
    assert_eq!(refusal(Some(&good), Some("1760000000")), None);
}

#[test]
fn one_right_signature_of_several_will_do() {
    let stamp = NOW.to_string();
    let right = sign(&key("partner-key"), Scheme::default(), &stamp, BODY);
    let other = sign(&key("old-key"), Scheme::default(), &stamp, BODY);
    let check = |text: &str| verifier(Scheme::default()).verify(Some(text), Some(&stamp), BODY, now());
    for text in [
        format!("{other},{right}"),
        format!("sha256={right}, sha256={other}"),
        format!("nonsense, {right}"),
        format!(" {right} ,"),
    ] {
        assert_eq!(check(&text), Ok(Some(now())), "{text}");
        assert!(
            verifier(Scheme::default()).explain(&text, Some(&stamp), BODY).is_some(),
            "{text}"
        );
    }
    assert_eq!(
        check(&format!("{other},{other}")),
        Err(Refusal::Mismatch { would_match: None })
    );
    // a header full of them costs no more than a few
    assert_eq!(
        check(&format!("{}{right}", format!("{other},").repeat(MAX_TAGS))),
        Err(Refusal::Mismatch { would_match: None })
    );
}
