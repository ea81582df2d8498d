//! The provider's own spelling of a webhook: its exact body again, from the event's facts and its opened sections.
//!
//! Facts, personal data and secrets of an assignment say all that its body says, so the body itself need not be kept where
//! it is spelled as the provider spells them: compact, fields in the documented order, times in milliseconds. Whoever
//! records compares with the body first, so what cannot be spelled exactly so is kept as it came, and nothing is ever
//! guessed. A spelling never changes once events rely on it; another way of spelling is another [`Spelling`].

use std::io;

use aggregates::{AssignedMailbox, EventId, MailboxId, MailboxesAssigned, OrderEvent, SubscriptionId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// How a body was spelled: the first byte of an encoded original that does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Spelling {
    /// `prewarmup.order.success` as the customer's documentation of 2025 has it, without white space.
    Assignment = b'1',
}

impl Spelling {
    /// The spelling of a first byte, if this version knows it.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        (byte == Self::Assignment as u8).then_some(Self::Assignment)
    }

    /// The spelling that an event's body would have, if there is one for its kind.
    pub(super) fn of(event: &OrderEvent) -> Option<Self> {
        matches!(event, OrderEvent::MailboxesAssigned(_)).then_some(Self::Assignment)
    }

    /// Whether the body is spelled exactly so. Stops at the first byte that differs, and copies nothing.
    pub(super) fn is_of(self, parts: &Parts<'_>, body: &[u8]) -> bool {
        let mut rest = Rest(body);
        self.write(parts, &mut rest).is_some() && rest.0.is_empty()
    }

    /// The body so spelled. None if the parts are not those of such an event. Plaintext: wiped when dropped.
    pub(super) fn body(self, parts: &Parts<'_>) -> Option<Zeroizing<Vec<u8>>> {
        // measured first: growing would leave copies behind
        let mut length = Length(0);
        self.write(parts, &mut length)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
        self.write(parts, &mut *bytes)?;
        Some(bytes)
    }

    fn write(self, parts: &Parts<'_>, out: impl io::Write) -> Option<()> {
        match (self, parts.event) {
            (Self::Assignment, OrderEvent::MailboxesAssigned(facts)) => assignment(parts, facts, out),
            _ => None,
        }
    }
}

/// What a body is spelled from.
pub(super) struct Parts<'a> {
    /// The sender's id of the event.
    pub(super) event_id: &'a EventId,
    /// The event with its facts.
    pub(super) event: &'a OrderEvent,
    /// The opened personal section.
    pub(super) personal: Option<&'a [u8]>,
    /// The opened secrets.
    pub(super) secrets: Option<&'a [u8]>,
}

/// What has still to be written of an expected text.
struct Rest<'a>(&'a [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long a text is.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// The values of the sealed sections go from JSON to JSON as they are: nothing is unescaped, copied or left behind.

/// What is personal, as ingest writes it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Personal<'a> {
    #[serde(borrow, default)]
    mailboxes: Vec<PersonalMailbox<'a>>,
    #[serde(borrow, default)]
    user_email: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersonalMailbox<'a> {
    #[serde(borrow, default)]
    email: Option<&'a RawValue>,
    #[serde(borrow, default)]
    first_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    last_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    profile_picture: Option<&'a RawValue>,
}

/// The credentials, as ingest writes them: each mailbox's as a list in this order.
#[derive(Default, Deserialize)]
struct Secrets<'a> {
    #[serde(borrow, default)]
    mailboxes: Vec<SecretMailbox<'a>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretMailbox<'a> {
    #[serde(borrow, default)]
    app_password: Option<&'a RawValue>,
    #[serde(borrow, default)]
    authenticator_secret: Option<&'a RawValue>,
    #[serde(borrow, default)]
    password: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event: &'static str,
    event_id: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<&'a RawValue>,
    order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider: Option<&'a str>,
    mailbox_details: Vec<Details<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<&'a str>,
    pre_warmed_up_mailboxes: Vec<Mailbox<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mailbox<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_picture: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_password: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator_secret: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_admin: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "milliseconds")]
    warming_up_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "milliseconds")]
    expiry_date: Option<Timestamp>,
}

impl<'a> Mailbox<'a> {
    fn of(own: &'a AssignedMailbox, person: PersonalMailbox<'a>, key: SecretMailbox<'a>) -> Self {
        Self {
            mailbox_id: own.mailbox_id.as_ref().map(MailboxId::as_str),
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            profile_picture: person.profile_picture,
            password: key.password,
            app_password: key.app_password,
            authenticator_secret: key.authenticator_secret,
            is_admin: own.is_admin,
            warming_up_from: own.warming_up_from,
            expiry_date: own.expiry_date,
        }
    }
}

fn milliseconds<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(&format_args!("{moment:.3}")),
        None => serializer.serialize_none(),
    }
}

fn section<'a, T: Default + Deserialize<'a>>(json: Option<&'a [u8]>) -> Option<T> {
    json.map_or_else(|| Some(T::default()), |json| serde_json::from_slice(json).ok())
}

fn assignment(parts: &Parts<'_>, facts: &MailboxesAssigned, out: impl io::Write) -> Option<()> {
    let owner: Personal<'_> = section(parts.personal)?;
    let credentials: Secrets<'_> = section(parts.secrets)?;
    // both list their mailboxes in the order of the facts
    let mut people = owner.mailboxes.iter();
    let mut keys = credentials.mailboxes.iter();
    let mut mailbox_details = Vec::with_capacity(facts.domains.len());
    for assigned in &facts.domains {
        let mut mailboxes = Vec::with_capacity(assigned.mailboxes.len());
        for own in &assigned.mailboxes {
            let person = people.next().copied().unwrap_or_default();
            let key = keys.next().copied().unwrap_or_default();
            mailboxes.push(Mailbox::of(own, person, key));
        }
        mailbox_details.push(Details {
            domain: assigned.domain.as_str(),
            subscription_id: assigned.subscription_id.as_ref().map(SubscriptionId::as_str),
            pre_warmed_up_mailboxes: mailboxes,
        });
    }
    let body = Body {
        event: "prewarmup.order.success",
        event_id: parts.event_id.as_str(),
        data: Data {
            user_id: facts.user_id.as_ref().map(UserId::as_str),
            user_email: owner.user_email,
            order_id: facts.order_id.as_str(),
            service_provider: facts.service_provider.as_ref().map(|provider| provider.0.as_str()),
            mailbox_details,
        },
    };
    serde_json::to_writer(out, &body).ok()
}

#[cfg(test)]
mod tests;
