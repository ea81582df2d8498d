//! E-mail addresses: the one form in which they are compared, and their hashes, which stand beside the log.

use std::collections::BTreeSet;

use aggregates::Domain;

use crate::sections::{Personal, Text, section};
use sealing::{EmailHash, FingerprintKey, Whose};
use secret::Secret;

/// The longest address in bytes (RFC 5321, section 4.5.3.1: 64 before the @, 255 after it).
const MAX_BYTES: usize = 320;
/// An e-mail address to search for, in its one form: without spaces around it, in lower case, its domain in ASCII.
/// Personal data.
pub struct EmailAddress(Secret<String>);

secret::never_shown!(EmailAddress);

/// A text that is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has to be an e-mail address, of 320 bytes at most, e.g. jane@example.com")]
pub struct NotAnAddress;

impl EmailAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`NotAnAddress`] if it is none.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        one_form(text)
            .map(|address| Self(Secret::new(address)))
            .ok_or(NotAnAddress)
    }

    /// Its one form.
    pub(crate) fn text(&self) -> &str {
        self.0.expose()
    }

    /// Whether a text is the same address.
    pub fn is(&self, text: &str) -> bool {
        one_form(text).is_some_and(|address| address == *self.0.expose())
    }
}

/// The form in which addresses are compared; none of what is not an address.
fn one_form(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let blank = |c: char| c.is_whitespace() || c.is_control();
    if local.is_empty() || domain.is_empty() || text.len() > MAX_BYTES || text.contains(blank) {
        return None;
    }
    let domain = Domain::normalise(domain).map_or_else(|_| domain.to_lowercase(), String::from);
    Some(format!("{}@{domain}", local.to_lowercase()))
}

/// The hashes of the addresses in an opened personal section, each once; none of a section that cannot be read.
pub(crate) fn hashes(personal: &[u8], keys: &FingerprintKey) -> Vec<EmailHash> {
    let Some(personal) = section::<Personal<'_>>(Some(personal)) else {
        return Vec::new();
    };
    let hash = |whose, text: Option<Text<'_>>| {
        let address = Secret::new(one_form(&text?.unescaped())?);
        Some(keys.email(whose, address.expose()))
    };
    let own = hash(Whose::Customer, personal.user_email);
    let mailboxes = personal.mailboxes.iter();
    let mailboxes = mailboxes.filter_map(|mailbox| hash(Whose::Mailbox, mailbox.email));
    let hashes: BTreeSet<EmailHash> = mailboxes.chain(own).collect();
    hashes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealing::DataKey;

    #[test]
    fn spellings_of_an_address_have_one_form() {
        let spellings = [
            " Jane.Doe@M\u{fc}nchen.de",
            "jane.doe@mu\u{308}nchen.de\n",
            "JANE.DOE@XN--MNCHEN-3YA.DE",
        ];
        for spelling in spellings {
            assert_eq!(one_form(spelling).as_deref(), Some("jane.doe@xn--mnchen-3ya.de"));
        }
        // not a domain, and compared all the same
        assert_eq!(one_form("Root@localhost").as_deref(), Some("root@localhost"));
        assert_eq!(one_form("\"a@b\"@c.com").as_deref(), Some("\"a@b\"@c.com"));
    }

    #[test]
    fn what_is_not_an_address_has_none() {
        let long = format!("{}@b.com", "a".repeat(320));
        for text in [
            "",
            " ",
            "jane",
            "@b.com",
            "jane@",
            "jane doe@b.com",
            "jane@b.com, x@b.com",
            &long,
        ] {
            assert!(one_form(text).is_none(), "{text}");
            assert_eq!(EmailAddress::parse(text).err(), Some(NotAnAddress));
        }
    }

    #[test]
    fn each_address_of_a_section_has_one_hash() {
        let keys = FingerprintKey::new(&DataKey::generate());
        let personal = br#"{"mailboxes":[{"email":"A@b.com"},{"email":"a@b.com"},{"firstName":"A"},{"email":" "}],
                            "userEmail":"a@b.com"}"#;
        let mut expected = [
            keys.email(Whose::Mailbox, "a@b.com"),
            keys.email(Whose::Customer, "a@b.com"),
        ];
        expected.sort_unstable();
        assert_eq!(hashes(personal, &keys), expected);
        assert!(hashes(b"{}", &keys).is_empty());
        assert!(hashes(b"[", &keys).is_empty());
    }
}
