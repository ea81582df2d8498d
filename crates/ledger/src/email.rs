//! E-mail addresses: the one form in which they are compared, the hashes that lead to the events with an address, and
//! those events.
//!
//! The hash is kept beside the log and the address only in sealed sections, so what a hash leads to is opened and
//! compared.
//!
//! - `reindex`: the hashes made anew, from the sections

mod reindex;

use std::collections::BTreeSet;

use aggregates::{Domain, Position, SubjectId};

use crate::sections::{Personal, Text, section};
use crate::{OpenError, Reader};
pub use reindex::{Reindexed, complete, of_event};
use sealing::{EmailHash, FingerprintKey, SealError, Whose};
use secret::Secret;
use store::{Store, StoredEvent};

/// The longest address in bytes (RFC 5321, section 4.5.3.1: 64 before the @, 255 after it).
const MAX_BYTES: usize = 320;
/// Events with an address of a mailbox that are opened by one search at most, the newest first.
const MOST_EVENTS: u32 = 2_000;
/// Customers with one address that a search finds at most.
const MOST_CUSTOMERS: u32 = 1_000;
/// Events opened at once.
const PAGE: usize = 100;

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
pub fn hashes(personal: &[u8], keys: &FingerprintKey) -> Vec<EmailHash> {
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

/// Where an address was found.
#[derive(Default)]
pub struct Addressed {
    /// Whose own address it is: customers, or streams whose customer is not known.
    pub subjects: BTreeSet<SubjectId>,
    /// The events in which it is the address of mailboxes, newest first, with the places of these mailboxes among those
    /// of the event, from 0. Without sealed sections.
    pub events: Vec<(StoredEvent, Vec<u32>)>,
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Events of an earlier version have no hashes yet.
    #[error(
        "the events up to position {0} cannot be searched for e-mail addresses yet; `warmledger subjects reindex` makes that \
         possible, as a running service does by itself"
    )]
    NotYet(Position),
    /// There are more than a search opens.
    #[error("the address is in more than {MOST_EVENTS} events or of more than {MOST_CUSTOMERS} customers")]
    TooMany,
    /// A section cannot be opened, or the store failed.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<store::StoreError> for SearchError {
    fn from(error: store::StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// Finds an address. What was erased is not found.
///
/// # Errors
/// [`SearchError`]; the answer is whole or there is none.
pub async fn find(store: &dyn Store, reader: &Reader, address: &EmailAddress) -> Result<Addressed, SearchError> {
    let without = store.emails_after().await?;
    if without > Position(0) {
        return Err(SearchError::NotYet(without));
    }
    let mut found = Addressed::default();
    let hash = |whose| reader.fingerprints().email(whose, address.0.expose());
    let subjects = store
        .subjects_with_email(hash(Whose::Customer), MOST_CUSTOMERS + 1)
        .await?;
    let positions = store.with_email(hash(Whose::Mailbox), MOST_EVENTS + 1).await?;
    if subjects.len() > MOST_CUSTOMERS as usize || positions.len() > MOST_EVENTS as usize {
        return Err(SearchError::TooMany);
    }
    let newest: Vec<Position> = subjects.into_iter().map(|(_, position)| position).collect();
    for page in newest.chunks(PAGE) {
        for event in store.events_at(page).await? {
            let own = opened(reader, &event, |personal| {
                personal.user_email.is_some_and(|own| address.is(&own.unescaped()))
            })
            .await?;
            if own == Some(true) {
                found.subjects.insert(event.subject);
            }
        }
    }
    let positions: Vec<Position> = positions.into_iter().map(|(position, _)| position).collect();
    for page in positions.chunks(PAGE) {
        let mut events = store.events_at(page).await?;
        events.reverse();
        for mut event in events {
            let places = opened(reader, &event, |personal| {
                let is_it = |email: Option<Text<'_>>| email.is_some_and(|email| address.is(&email.unescaped()));
                let mailboxes = (0..).zip(&personal.mailboxes);
                let its = mailboxes.filter(|(_, mailbox)| is_it(mailbox.email));
                its.map(|(place, _)| place).collect::<Vec<u32>>()
            });
            let places = places.await?.unwrap_or_default();
            if !places.is_empty() {
                event.sealed = store::SealedSections::default();
                found.events.push((event, places));
            }
        }
    }
    Ok(found)
}

/// What is wanted of an event's personal section; none once it is erased.
async fn opened<T>(
    reader: &Reader,
    event: &StoredEvent,
    wanted: impl FnOnce(&Personal<'_>) -> T,
) -> Result<Option<T>, OpenError> {
    let plain = match reader.personal(event).await {
        Ok(Some(plain)) => plain,
        Ok(None) | Err(OpenError::Erased) => return Ok(None),
        Err(error) => return Err(error),
    };
    let personal: Personal<'_> = section(Some(plain.expose())).ok_or(SealError::Corrupt)?;
    Ok(Some(wanted(&personal)))
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
