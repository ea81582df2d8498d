//! The webhook itself as evidence, and its form in its sealed section.
//!
//! The first byte names one of three forms: `{` begins the headers as a line of JSON, with the body after it; `1`
//! precedes headers as JSON, with the body spelled from the event; `2` is the same with the usual headers ([`Usual`]).
//! Sections are kept for ever, so a form never changes.

use std::collections::BTreeMap;

use crate::sections::Spelling;
use secret::{Secret, Wiped};

/// The exact body and its signature headers, kept as evidence.
pub struct Original {
    /// Header names in lower case, and their values.
    pub headers: BTreeMap<String, String>,
    /// The exact bytes.
    pub body: Secret<Vec<u8>>,
}

/// The first byte of the form with the usual headers and a body spelled as [`Spelling::Assignment`].
const USUAL: u8 = b'2';
// constants of this form, even if ingest renames its headers one day
const SIGNATURE: &str = "cmr-x-signature";
const TIMESTAMP: &str = "cmr-x-timestamp";
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");
const USER_AGENT: &str = "user-agent";
const SIGNATURE_BYTES: usize = 32;

impl Original {
    /// The headers and the body.
    pub(super) fn encode(&self) -> Result<Secret<Vec<u8>>, serde_json::Error> {
        // with all its capacity from the start: growing would leave copies of plaintext behind
        let mut bytes = Vec::with_capacity(self.body.expose().len() + 2 * self.header_bytes() + 64);
        serde_json::to_writer(&mut bytes, &self.headers)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(self.body.expose());
        Ok(Secret::new(bytes))
    }

    /// Only the headers, for a body that can be spelled again.
    pub(super) fn encode_spelled(&self, spelling: Spelling) -> Result<Secret<Vec<u8>>, serde_json::Error> {
        let mut bytes = Vec::with_capacity(2 * self.header_bytes() + 64);
        match (spelling, Usual::of(&self.headers)) {
            (Spelling::Assignment, Some(usual)) => usual.write(&mut bytes),
            (spelling, _) => {
                bytes.push(spelling as u8);
                serde_json::to_writer(&mut bytes, &self.headers)?;
            }
        }
        Ok(Secret::new(bytes))
    }

    fn header_bytes(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The reverse of both; `spell` gives the body where only the headers are stored.
    pub(super) fn decode(bytes: &[u8], spell: impl FnOnce(Spelling) -> Option<Wiped<Vec<u8>>>) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let (spelling, headers) = if *first == USUAL {
            (Spelling::Assignment, read_usual(rest)?)
        } else if let Some(spelling) = Spelling::from_byte(*first) {
            (spelling, serde_json::from_slice(rest).ok()?)
        } else {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            return Some(Self {
                headers: serde_json::from_slice(&bytes[..end]).ok()?,
                body: Secret::new(bytes[end + 1..].to_vec()),
            });
        };
        Some(Self {
            headers,
            body: Secret::new(std::mem::take(&mut *spell(spelling)?)),
        })
    }
}

/// The usual headers: a signature in lower-case hexadecimal digits, a time of sending, the content type
/// `application/json`, and perhaps a user agent.
struct Usual<'a> {
    signature: [u8; SIGNATURE_BYTES],
    timestamp: &'a str,
    /// The length of `timestamp` in one byte.
    length: u8,
    agent: &'a str,
}

impl<'a> Usual<'a> {
    /// The headers, if they are exactly the usual ones.
    fn of(headers: &'a BTreeMap<String, String>) -> Option<Self> {
        let get = |name: &str| headers.get(name).map(String::as_str);
        let (timestamp, agent) = (get(TIMESTAMP)?, get(USER_AGENT));
        let digits = get(SIGNATURE).filter(|digits| !digits.bytes().any(|digit| digit.is_ascii_uppercase()))?;
        let mut signature = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(digits, &mut signature).ok()?;
        let usual = get(CONTENT_TYPE.0) == Some(CONTENT_TYPE.1)
            // an empty one would be read back as none
            && agent != Some("")
            && headers.len() == 3 + usize::from(agent.is_some());
        usual.then_some(Self {
            signature,
            timestamp,
            length: u8::try_from(timestamp.len()).ok()?,
            agent: agent.unwrap_or_default(),
        })
    }

    /// Writes [`USUAL`], the signature's bytes, the length of the timestamp, the timestamp and the user agent.
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(USUAL);
        bytes.extend_from_slice(&self.signature);
        bytes.push(self.length);
        bytes.extend_from_slice(self.timestamp.as_bytes());
        bytes.extend_from_slice(self.agent.as_bytes());
    }
}

/// Reads the output of [`Usual::write`], without the first byte.
fn read_usual(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let (signature, rest) = bytes.split_first_chunk::<SIGNATURE_BYTES>()?;
    let (length, rest) = rest.split_first()?;
    let (timestamp, agent) = rest.split_at_checked(usize::from(*length))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let mut headers = BTreeMap::from([
        (SIGNATURE.to_owned(), hex::encode(signature)),
        (TIMESTAMP.to_owned(), text(timestamp)?),
        (CONTENT_TYPE.0.to_owned(), CONTENT_TYPE.1.to_owned()),
    ]);
    if !agent.is_empty() {
        headers.insert(USER_AGENT.to_owned(), text(agent)?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER};

    fn original(headers: &[(&str, &str)]) -> Original {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Original {
            headers: headers.iter().map(owned).collect(),
            body: Secret::new(b"{}".to_vec()),
        }
    }

    /// The headers after a round trip, with a spelled body.
    fn again(original: &Original) -> BTreeMap<String, String> {
        let encoded = original.encode_spelled(Spelling::Assignment).unwrap();
        let decoded = Original::decode(encoded.expose(), |_| Some(Wiped::new(b"{}".to_vec()))).unwrap();
        assert_eq!(decoded.body.expose(), b"{}");
        decoded.headers
    }

    const TAG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Stored sections have this form, so it must never change.
    #[test]
    fn usual_headers_take_few_bytes() {
        let usual = [
            (SIGNATURE_HEADER, TAG),
            (TIMESTAMP_HEADER, "1760000000"),
            ("content-type", "application/json"),
            ("user-agent", "agent/1"),
        ];
        let expected = [
            b"2".as_slice(),
            &hex::decode(TAG).unwrap(),
            b"\x0a1760000000",
            b"agent/1",
        ]
        .concat();
        for (headers, expected) in [
            (&usual[..], &expected[..]),
            (&usual[..3], &expected[..expected.len() - 7]),
        ] {
            let original = original(headers);
            assert_eq!(
                original.encode_spelled(Spelling::Assignment).unwrap().expose(),
                expected
            );
            assert_eq!(again(&original), original.headers);
        }
    }

    #[test]
    fn sections_of_earlier_ledgers_are_read() {
        let stored = br#"1{"cmr-x-timestamp":"7"}"#;
        let decoded = Original::decode(stored, |_| Some(Wiped::new(Vec::new()))).unwrap();
        assert_eq!(decoded.headers, original(&[(TIMESTAMP_HEADER, "7")]).headers);
    }

    #[test]
    fn what_was_cut_short_is_none() {
        for bytes in [
            &b""[..],
            b"2",
            &[b'2'; 33],
            b"2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x031",
            b"1{",
            b"{}",
        ] {
            assert!(
                Original::decode(bytes, |_| Some(Wiped::default())).is_none(),
                "{bytes:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_headers_come_back(
            signature in of(prop_oneof![4 => "[0-9a-f]{64}", 1 => "[0-9A-F]{64}", 1 => "[0-9a-f]{0,66}"]),
            timestamp in of(prop_oneof![4 => "[0-9]{10,13}", 1 => ".{0,300}"]),
            content_type in of(prop_oneof![4 => Just("application/json".to_owned()), 1 => ".{0,20}"]),
            agent in of(".{0,20}"),
            other in of(".{0,4}"),
        ) {
            let all = [
                (SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp), ("content-type", content_type),
                ("user-agent", agent), ("other", other),
            ];
            let there: Vec<_> = all.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            let original = original(&there);
            prop_assert_eq!(again(&original), original.headers);
        }
    }
}
