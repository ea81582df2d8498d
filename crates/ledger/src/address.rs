//! E-mail addresses: the one form in which they are compared, and their hashes, which stand beside the log.

use std::collections::BTreeSet;

use aggregates::{Domain, OrderEvent};

use crate::sections::{Personal, section};
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

    /// Its domain, if that is one.
    pub(crate) fn domain(&self) -> Option<Domain> {
        Domain::parse(domain_of(self.text())?).ok()
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

/// The hashes of the addresses in an event's opened personal section, each once; none of a section that cannot be read. An
/// address of a mailbox whose domain the event names needs none: the domain's references lead to the event.
pub(crate) fn hashes(personal: &[u8], event: &OrderEvent, keys: &FingerprintKey) -> Vec<EmailHash> {
    let Some(personal) = section::<Personal<'_>>(Some(personal)) else {
        return Vec::new();
    };
    let hash = |whose, address: String| keys.email(whose, Secret::new(address).expose());
    let own = personal.user_email.and_then(|text| one_form(&text.unescaped()));
    let mut hashes: BTreeSet<EmailHash> = own.map(|own| hash(Whose::Customer, own)).into_iter().collect();
    let domains = if has_references(event) {
        event.domains()
    } else {
        Vec::new()
    };
    let names = |domain: &str| domains.iter().any(|named| named.as_str().eq_ignore_ascii_case(domain));
    for email in personal.mailboxes.iter().filter_map(|mailbox| mailbox.email) {
        let email = email.unescaped();
        // nearly always; it saves bringing the address into its form
        if domain_of(email.trim()).is_some_and(names) {
            continue;
        }
        let Some(address) = one_form(&email) else { continue };
        if !domain_of(&address).is_some_and(names) {
            hashes.insert(hash(Whose::Mailbox, address));
        }
    }
    hashes.into_iter().collect()
}

/// Whether an event that names a domain is found by it, if the domain is that of its mailboxes.
pub(crate) fn has_references(event: &OrderEvent) -> bool {
    matches!(event, OrderEvent::MailboxesAssigned(_) | OrderEvent::MailboxCreated(_))
}

fn domain_of(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
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
    fn an_address_has_a_hash_unless_its_domain_leads_to_the_event() {
        let keys = FingerprintKey::new(&DataKey::generate());
        let personal = br#"{"mailboxes":[{"email":"A@other.com"},{"email":"a@other.com"},{"firstName":"A"},{"email":" "},
                                         {"email":"x@B.com"},{"email":"x@xn--mnchen-3ya.de"},{"email":"x@M\u00fcnchen.de"}],
                            "userEmail":"x@b.com"}"#;
        let event = |type_name, schema, facts| OrderEvent::from_stored(type_name, schema, facts).unwrap();
        let assigned = event(
            "MailboxesAssigned",
            3,
            r#"{"domains":[{"domain":"b.com","mailboxes":[]},{"domain":"xn--mnchen-3ya.de","mailboxes":[]}],"orderId":"O1"}"#,
        );
        let mut expected = vec![
            keys.email(Whose::Mailbox, "a@other.com"),
            keys.email(Whose::Customer, "x@b.com"),
        ];
        expected.sort_unstable();
        assert_eq!(hashes(personal, &assigned, &keys), expected);
        // it names no domain
        let updated = event(
            "MailboxUpdated",
            1,
            r#"{"credentials":[],"mailboxId":"M1","personal":[]}"#,
        );
        expected.push(keys.email(Whose::Mailbox, "x@b.com"));
        expected.push(keys.email(Whose::Mailbox, "x@xn--mnchen-3ya.de"));
        expected.sort_unstable();
        assert_eq!(hashes(personal, &updated, &keys), expected);
        assert!(hashes(b"{}", &assigned, &keys).is_empty());
        assert!(hashes(b"[", &assigned, &keys).is_empty());
    }
}
