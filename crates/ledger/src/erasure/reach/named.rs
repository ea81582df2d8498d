//! Whether an unreadable body names a user or anything of theirs. It may be anything, also truncated, so its structure
//! is ignored: an id is searched as a whole text in quotes, an address as a whole word. Both have to end within the
//! body, since a truncated one may be the beginning of another.

use std::collections::HashSet;

use aggregates::SubjectId;
use sha2::{Digest, Sha256};

use secret::Wiped;

/// The fewest characters of an order, subscription or mailbox id that is searched for: a shorter one, such as `"1"`,
/// may mean anything.
const FEWEST: usize = 6;

/// The texts to search for.
pub(super) struct Named {
    /// The user's id, in quotes.
    user: Vec<u8>,
    /// Ids of orders, subscriptions and mailboxes.
    ids: HashSet<Vec<u8>>,
    /// SHA-256 of e-mail addresses in lower case: none of them stays in memory.
    addresses: HashSet<[u8; 32]>,
}

impl Named {
    /// A user, and nothing of theirs yet.
    pub(super) fn new(user: &SubjectId) -> Self {
        Self {
            user: serde_json::Value::from(user.as_str()).to_string().into_bytes(),
            ids: HashSet::new(),
            addresses: HashSet::new(),
        }
    }

    /// Adds the id of something of theirs.
    pub(super) fn add_id(&mut self, id: &str) {
        if id.chars().count() >= FEWEST {
            self.ids.insert(id.as_bytes().to_owned());
        }
    }

    /// Adds every address in this text.
    pub(super) fn add_addresses(&mut self, text: &[u8]) {
        self.addresses.extend(addresses(text));
    }

    /// Whether a body contains any of them.
    pub(super) fn is_in(&self, body: &[u8]) -> bool {
        // in JSON text nested in JSON the quotes are escaped
        let unescaped = |id: &[u8]| self.ids.contains(id.strip_suffix(b"\\").unwrap_or(id));
        body.windows(self.user.len()).any(|window| window == self.user)
            || enclosed(body, |byte| byte == b'"').any(unescaped)
            || addresses(body).any(|address| self.addresses.contains(&address))
    }
}

/// The hashes of the words in a text that have an `@` inside.
fn addresses(text: &[u8]) -> impl Iterator<Item = [u8; 32]> {
    let outside = |byte: u8| byte <= b' ' || byte == 0x7f || b"\"\\<>()[]{},;:|".contains(&byte);
    let words = enclosed(text, outside).map(|word| word.strip_suffix(b".").unwrap_or(word));
    let addresses = words.filter(|word| word.iter().skip(1).rev().skip(1).any(|byte| *byte == b'@'));
    addresses.map(|address| Sha256::digest(&*Wiped::new(address.to_ascii_lowercase())).into())
}

/// The parts of a text that have a separator on both sides.
fn enclosed(text: &[u8], is_separator: impl Fn(u8) -> bool + Copy) -> impl Iterator<Item = &[u8]> {
    let first = text.iter().position(|byte| is_separator(*byte));
    let last = text.iter().rposition(|byte| is_separator(*byte));
    let inside = first.zip(last).filter(|(first, last)| first < last);
    let inside = inside.map(|(first, last)| &text[first + 1..last]);
    inside
        .into_iter()
        .flat_map(move |inside| inside.split(move |byte| is_separator(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_id_or_address_is_found_and_no_part_of_one() {
        let mut named = Named::new(&SubjectId::parse("U1").unwrap());
        for id in ["mailbox-1", "O1"] {
            named.add_id(id);
        }
        named.add_addresses(br#"{"userEmail":"Jane@planted.example","picture":"https://x.example/@"}"#);
        for body in [
            r#"{"userId":"U1""#,
            r#"{"mailboxId":"mailbox-1","#,
            r#"{"data":"{\"mailboxId\":\"mailbox-1\"}"}"#,
            r#"{"email":"jane@PLANTED.example"}"#,
            r#"{"detail":"nobody is Jane <jane@planted.example>."}"#,
            "{'email': jane@planted.example. }",
        ] {
            assert!(named.is_in(body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "\"",
            r#"{"userId":"U11","orderId":"O1"}"#,
            r#"{"mailboxId":"mailbox-11"}"#,
            r#"{"mailboxId":"mailbox-1"#,
            "mailbox-1",
            r#"{"email":"jane@planted.example.org"}"#,
            r#"{"email":"mary-jane@planted.example"}"#,
            r#"{"email":"jane@planted.example"#,
            r#"{"domain":"planted.example","picture":"https://x.example/@"}"#,
        ] {
            assert!(!named.is_in(body.as_bytes()), "{body}");
        }
    }
}
