//! Identifiers, parsed once at the edge so that the inside never checks them again.
//!
//! Every identifier is 1 to [`MAX_ID_CHARS`] characters without white space or control characters: so it fits an index
//! entry of either store and can be printed anywhere.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::visible::is_invisible;

/// The most characters an identifier may have.
pub const MAX_ID_CHARS: usize = 128;

/// The most characters a domain name may have (RFC 1035 §2.3.4).
pub const MAX_DOMAIN_CHARS: usize = 253;

/// Why a text is not an identifier. Never holds the text itself: a sender may put anything there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The text has more characters than are allowed (the number given).
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// The text holds white space, a control character or another character that the kind does not allow.
    #[error("holds white space or another character that is not allowed")]
    BadCharacter,
    /// The text is not a domain name: it is a URL, has a port or a wildcard, or UTS 46 does not allow it.
    #[error("is not a domain name")]
    NotADomain,
}

/// `forbids` returns whether a kind does not allow an ASCII character that others do.
fn check(text: &str, max: usize, forbids: impl Fn(u8) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max && text.chars().count() > max {
        return Err(IdError::TooLong(max));
    }
    // nearly all are ASCII and need no table; without an early exit the check is vectorised
    let fits = |byte: u8| byte.is_ascii_graphic() & !forbids(byte);
    let is_plain = text.bytes().fold(true, |plain, byte| plain & fits(byte));
    let allowed = |c: char| match u8::try_from(c) {
        Ok(byte) if byte.is_ascii() => fits(byte),
        _ => !c.is_control() && !c.is_whitespace(),
    };
    if is_plain || text.chars().all(allowed) {
        Ok(())
    } else {
        Err(IdError::BadCharacter)
    }
}

/// Deserialises a text into an identifier.
struct IdVisitor<T>(fn(&str) -> Result<T, IdError>);

impl<T> Visitor<'_> for IdVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.0(text).map_err(E::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Cheap to clone: events, states and views repeat the same ones.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text as it is.
            ///
            /// # Errors
            /// [`IdError`] if it is empty, too long, or holds white space or a control character.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, Self::MAX, Self::forbids)?;
                Ok(Self(Self::canonical(text).map_or_else(|| text.into(), Into::into)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(IdVisitor(Self::parse))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! plain_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        id!($(#[$doc])* $name);
        impl $name {
            const MAX: usize = MAX_ID_CHARS;
            fn forbids(_: u8) -> bool {
                false
            }
            fn canonical(_: &str) -> Option<String> {
                None
            }
        }
    )*};
}

plain_id! {
    /// The provider's id of an order.
    OrderId,
    /// The provider's id of a subscription: one domain's mailboxes, renewed together.
    SubscriptionId,
    /// The provider's id of a mailbox.
    MailboxId,
    /// The provider's id of a registered domain (not its name).
    DomainId,
    /// The name of the sender of an event, e.g. `coldmailreseller`.
    Source,
    /// The id of an API token; not the token itself.
    TokenId,
    /// Who did something, see [`Actor`](crate::Actor).
    ActorId,
    /// The sender's event id, unique within its [`Source`]; for a quarantined webhook, an id made by the ledger.
    EventId,
}

impl Source {
    /// The source of the ledger's own events.
    pub fn own() -> Self {
        Self("warmledger".into())
    }
}

impl TokenId {
    /// The id of a new token, from 64 random bits.
    pub fn token(random: u64) -> Self {
        Self(format!("tok_{random:016x}").into())
    }
}

impl ActorId {
    /// The holder of the token.
    pub fn token(id: &TokenId) -> Self {
        Self(Arc::clone(&id.0))
    }

    /// The holder of the admin token of the settings.
    pub fn admin() -> Self {
        Self("admin".into())
    }

    /// A system user on the command line. Forbidden characters are replaced by `_`, and long names are cut off.
    pub fn cli(user: &str) -> Self {
        const PREFIX: &str = "cli:";
        let plain = user
            .chars()
            .map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c });
        let user: String = plain.take(MAX_ID_CHARS - PREFIX.len()).collect();
        Self(format!("{PREFIX}{user}").into())
    }

    /// The service itself.
    pub fn service() -> Self {
        Self("service".into())
    }
}

impl EventId {
    /// The id of an access event, from 128 random bits.
    pub fn access(random: u128) -> Self {
        Self(format!("{random:032x}").into())
    }

    /// The id of the event that an unrecognised webhook became later, from the position where that was recorded.
    pub fn reprocessed(position: Position) -> Self {
        Self(format!("reprocessed-{position}").into())
    }

    /// The id of a quarantined webhook, from the fingerprint of its body: its claimed id stays free for a usable
    /// webhook.
    pub fn quarantine(fingerprint: &str) -> Self {
        Self(format!("quarantine-{fingerprint}").into())
    }
}

id! {
    /// The provider's id of a customer of the reseller.
    UserId
}
impl UserId {
    const MAX: usize = MAX_ID_CHARS;
    /// `~` begins the ledger's own subjects.
    fn forbids(byte: u8) -> bool {
        byte == b'~'
    }
    fn canonical(_: &str) -> Option<String> {
        None
    }
}

id! {
    /// The user that an event's sealed sections are about: each subject has a data key of its own, so that each can be
    /// erased separately. A [`UserId`], or `~` and a stream's name if no user is known.
    SubjectId
}
impl SubjectId {
    const MAX: usize = 2 * MAX_ID_CHARS;
    fn forbids(_: u8) -> bool {
        false
    }
    fn canonical(_: &str) -> Option<String> {
        None
    }

    /// The subject of a user's events.
    pub fn user(user: &UserId) -> Self {
        Self(Arc::clone(&user.0))
    }

    /// The subject of a stream without a known user.
    pub fn stream(stream: &StreamId) -> Self {
        Self(format!("~{}", stream.0).into())
    }
}

id! {
    /// A domain name in its ASCII form (UTS 46, IDNA 2008) and in lower case, e.g. `example.com` or
    /// `xn--mnchen-3ya.de`.
    Domain
}
impl Domain {
    const MAX: usize = MAX_DOMAIN_CHARS;
    fn forbids(byte: u8) -> bool {
        matches!(byte, b'/' | b'@' | b'\\' | b'"' | b'<' | b'>')
    }

    /// The ASCII form of a name that an earlier version stored in Unicode. None if it is ASCII, or has no such form.
    fn canonical(text: &str) -> Option<String> {
        if text.is_ascii() {
            return None;
        }
        let ascii = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        // full-width signs become plain ones, which a name must not have
        let fits = |ascii: &Cow<'_, str>| check(ascii, Self::MAX, Self::forbids).is_ok();
        ascii.ok().filter(fits).map(Cow::into_owned)
    }

    /// Parses a domain name as people and senders write it, in any case and in Unicode or ASCII; a final dot is
    /// dropped.
    ///
    /// # Errors
    /// [`IdError::Empty`], or [`IdError::NotADomain`] for anything but letters, digits, hyphens and dots: a URL, a
    /// port, a wildcard, an invisible character, an empty or too long label.
    pub fn normalise(text: &str) -> Result<Self, IdError> {
        let trimmed = text.trim();
        let name = trimmed.strip_suffix('.').unwrap_or(trimmed);
        if name.is_empty() {
            return Err(IdError::Empty);
        }
        if !name.is_ascii() && name.chars().any(is_invisible) {
            return Err(IdError::NotADomain);
        }
        let uts46 = Uts46::new();
        let ascii = uts46.to_ascii(
            name.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        );
        let ascii = ascii.map_err(|_| IdError::NotADomain)?;
        // a host's name of one label, a number or an IP address is none
        let top = ascii.rsplit_once('.').map_or("", |(_, top)| top);
        if top.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IdError::NotADomain);
        }
        Ok(Self(ascii.as_ref().into()))
    }

    /// Whether its Unicode form is another one.
    pub fn is_international(&self) -> bool {
        self.0.contains("xn--")
    }

    /// The name in Unicode, to be shown to people.
    pub fn to_unicode(&self) -> Cow<'_, str> {
        if !self.is_international() {
            return Cow::Borrowed(&self.0);
        }
        let (unicode, _) = Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        unicode
    }
}

id! {
    /// The name of a stream: `<category>-<id>`, e.g. `order-WR3N4JEW3D76N6KGRQSG36SSHBXK`.
    StreamId
}
impl StreamId {
    const MAX: usize = 2 * MAX_ID_CHARS + 16;
    fn forbids(_: u8) -> bool {
        false
    }
    fn canonical(_: &str) -> Option<String> {
        None
    }

    /// The kinds of streams: the part of a name before the first `-`.
    pub const CATEGORIES: [&'static str; 7] = [
        "order",
        "subscription",
        "domain",
        "mailbox",
        "webhook",
        "quarantine",
        "access",
    ];

    /// The stream of an order.
    pub fn order(id: &OrderId) -> Self {
        Self(format!("order-{id}").into())
    }

    /// The stream where a subscription's events wait while its order is unknown.
    pub fn subscription(id: &SubscriptionId) -> Self {
        Self(format!("subscription-{id}").into())
    }

    /// The stream where a domain's events wait while its order is unknown.
    pub fn domain(name: &Domain) -> Self {
        Self(format!("domain-{name}").into())
    }

    /// The streams where a domain's events may wait: by its name, and by the Unicode form that earlier versions stored.
    pub fn of_domain(name: &Domain) -> Vec<Self> {
        let unicode = name.to_unicode();
        let earlier = (*unicode != *name.as_str()).then(|| Self(format!("domain-{unicode}").into()));
        [Self::domain(name)].into_iter().chain(earlier).collect()
    }

    /// The stream where a mailbox's events wait while its order is unknown.
    pub fn mailbox(id: &MailboxId) -> Self {
        Self(format!("mailbox-{id}").into())
    }

    /// The stream of a webhook without any id to route it by.
    pub fn webhook(id: &EventId) -> Self {
        Self(format!("webhook-{id}").into())
    }

    /// The stream of one quarantined webhook, with the same name as its event's id ([`EventId::quarantine`]).
    pub fn quarantine(id: &EventId) -> Self {
        Self(id.as_str().into())
    }

    /// The stream of one access event.
    pub fn access(id: &EventId) -> Self {
        Self(format!("access-{id}").into())
    }

    /// The order of the stream, if it is an order's.
    pub fn as_order(&self) -> Option<OrderId> {
        let id = self.0.strip_prefix("order-")?;
        OrderId::parse(id).ok()
    }

    /// The part before the first `-`.
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or(self.as_str(), |(category, _)| category)
    }
}

/// An event's place in the total order of the ledger: 1, 2, 3, … without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_neither_empty_nor_long_nor_spaced() {
        assert_eq!(OrderId::parse(""), Err(IdError::Empty));
        assert_eq!(OrderId::parse(&"x".repeat(129)), Err(IdError::TooLong(128)));
        assert_eq!(OrderId::parse("a b"), Err(IdError::BadCharacter));
        assert_eq!(OrderId::parse("a\0b"), Err(IdError::BadCharacter));
        assert_eq!(OrderId::parse("a\u{a0}b"), Err(IdError::BadCharacter));
        assert_eq!(OrderId::parse("a\u{85}b"), Err(IdError::BadCharacter));
        assert_eq!(Domain::parse("é@b.c"), Err(IdError::BadCharacter));
        assert_eq!(UserId::parse("é~"), Err(IdError::BadCharacter));
        assert_eq!(
            OrderId::parse("é".repeat(128).as_str()).map(|id| id.as_str().len()),
            Ok(256)
        );
    }

    #[test]
    fn a_domain_has_one_form() {
        let normal = |text: &str| Domain::normalise(text).map(String::from);
        assert_eq!(normal(" Example.COM. "), Ok("example.com".to_owned()));
        for spelling in [
            "münchen.de",
            "MÜNCHEN.de.",
            "mu\u{308}nchen.de",
            "xn--mnchen-3ya.de",
            "XN--MNCHEN-3YA.DE",
            "münchen。de",
        ] {
            assert_eq!(normal(spelling).as_deref(), Ok("xn--mnchen-3ya.de"), "{spelling}");
        }
        assert_eq!(
            Domain::normalise("xn--mnchen-3ya.de").unwrap().to_unicode(),
            "münchen.de"
        );
        assert_eq!(Domain::normalise("a.com").unwrap().to_unicode(), "a.com");
        // IDNA 2008 tells these two apart
        assert_eq!(normal("straße.de").as_deref(), Ok("xn--strae-oqa.de"));
    }

    #[test]
    fn a_url_a_port_a_wildcard_or_what_cannot_be_seen_is_not_a_domain() {
        for text in [
            "a@b.c",
            "https://a.com",
            "a.com:443",
            "a.com/x",
            "*.a.com",
            "a..com",
            ".a.com",
            "a b.com",
            "a\u{200b}b.com",
            "a\u{ad}b.com",
            "\u{200b}",
            "a_b.com",
            "xn--a.com",
            "localhost",
            "127.0.0.1",
            "1.5",
            "-7",
            "-a.com",
            "a-.com",
            "a\u{202e}.com",
            &format!("{}.com", "a".repeat(64)),
            &vec!["a"; 140].join("."),
        ] {
            assert_eq!(Domain::normalise(text), Err(IdError::NotADomain), "{text:?}");
        }
        assert_eq!(Domain::normalise(" . "), Err(IdError::Empty));
    }

    #[test]
    fn a_domain_that_was_stored_in_unicode_is_the_one_of_today() {
        let today = Domain::normalise("münchen.de").unwrap();
        for stored in ["münchen.de", "mu\u{308}nchen.de", "xn--mnchen-3ya.de"] {
            let read: Domain = serde_json::from_value(stored.into()).unwrap();
            assert_eq!(read, today, "{stored}");
        }
        // what an earlier version let pass can still be read
        for odd in ["a_ü..com:1", "ü／a.com", "ü＠a.com", &"ü".repeat(253)] {
            let read: Domain = serde_json::from_value(odd.into()).unwrap();
            let again: Domain = serde_json::from_value(read.as_str().into()).unwrap();
            assert_eq!(read, again, "{odd}");
        }
    }

    #[test]
    fn a_user_cannot_pose_as_a_subject_of_the_ledger() {
        assert_eq!(UserId::parse("~quarantine-1"), Err(IdError::BadCharacter));
    }

    #[test]
    fn a_streams_category_ends_at_the_first_dash() {
        let order = OrderId::parse("A-B").map(|id| StreamId::order(&id));
        assert_eq!(order.as_ref().map(StreamId::category), Ok("order"));
    }
}
